/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preread/step.h"
#include "proto/proxyhdr.h"
#include "session/conn_info.h"

static bool is_trusted(const struct session *s)
{
	const struct listener_config *config = s->config;
	struct addr peer;

	addr_lengthen(&peer, &s->client);
	if (addr_is_unix(&peer))
		return true; /* the socket file's owner and mode say who may connect */
	for (size_t n = 0; n < config->proxy_protocol_from_n; n++)
		if (addr_block_has(&config->proxy_protocol_from[n].block, &peer))
			return true;
	return false;
}

static const char *proxy_header_objection(const struct session *s)
{
	return is_trusted(s) ? NULL : "not in proxy_protocol_from";
}

static uint64_t proxy_header_allowed_ms(const struct listener_config *config)
{
	return config->proxy_protocol_timeout_ms;
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

static enum step_verdict proxy_header_read(struct session *s, const struct preread_input *in,
					   struct step_answer *answer)
{
	struct proxyhdr header;
	enum parse parsed = proxyhdr_read(&header, in->bytes, in->n);

	if (parsed == PARSE_MORE)
		return STEP_MORE;
	if (parsed == PARSE_BAD)
		return preread_refuse(answer, STEP_MALFORMED, proxyhdr_fault_text(header.fault));
	if (!note_header(s, &header))
		return preread_refuse(answer, STEP_NO_MEMORY, NULL);
	answer->used = header.bytes;
	answer->knows_client = true;
	return STEP_NEXT;
}

const struct preread_step preread_proxy_header = {
	.name = "proxy_header",
	.allowed_ms = proxy_header_allowed_ms,
	.is_wanted = proxy_header_is_wanted,
	.objection = proxy_header_objection,
	.read = proxy_header_read,
};
