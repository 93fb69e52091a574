/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/check.h"
#include "preread/step.h"
#include "proto/proxyhdr.h"
#include "session/admission.h"
#include "session/conn_info.h"
#include "session/host.h"

bool preread_is_trusted(const struct session *s)
{
	const struct listener_config *config = s->config;
	struct addr peer;

	addr_lengthen(&peer, &s->client);
	if (addr_is_unix(&peer))
		return true; /* the socket file's owner and mode say who may connect */
	for (size_t n = 0; n < config->proxy_protocol_from_n; n++)
		if (addr_block_has(&config->proxy_protocol_from[n], &peer))
			return true;
	return false;
}

static bool proxy_header_is_wanted(const struct session *s)
{
	return s->config->proxy_protocol != PROXY_HEADER_OFF;
}

/* False when there is no memory for it. */
static bool note_header(struct session *s, const struct proxyhdr *header)
{
	struct conn_info *info;

	if (header->is_local)
		return true;
	info = conn_info_of(s);
	if (!info)
		return false;
	if (header->source.len > 0)
		addr_shorten(&s->client, &header->source);
	info->destination = header->destination;
	return true;
}

/* Rules and limits are about the client, not about the proxy in front of it. */
static enum admission admit_client_of_header(struct session *s)
{
	struct addr client;

	if (!admission_asks(s->host, s->listener))
		return ADMISSION_GRANTED;
	addr_lengthen(&client, &s->client);
	return admission_ask(s->host, s->listener, &client, &s->source);
}

static enum step_verdict proxy_header_read(struct session *s, const struct preread_input *in,
					   struct step_answer *answer)
{
	struct proxyhdr header;
	enum parse parsed = proxyhdr_read(&header, in->bytes, in->n);
	enum admission admission;

	if (parsed == PARSE_MORE)
		return STEP_MORE;
	if (parsed == PARSE_BAD)
		return preread_refuse(answer, STEP_MALFORMED, proxyhdr_fault_text(header.fault));
	if (!note_header(s, &header))
		return preread_refuse(answer, STEP_NO_MEMORY, NULL);
	answer->used = header.bytes;
	admission = admit_client_of_header(s);
	if (admission == ADMISSION_GRANTED)
		return STEP_NEXT;
	s->sides[SIDE_CLIENT].closes_silently = admission_is_silent(s->listener, admission);
	return preread_refuse(answer, STEP_AGAINST_RULES, admission_names[admission]);
}

const struct preread_step preread_proxy_header = {
	.name = "proxy_header",
	.is_wanted = proxy_header_is_wanted,
	.read = proxy_header_read,
};
