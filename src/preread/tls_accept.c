/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake of a client whose TLS ends here. */
#include <errno.h>
#include <stdio.h>

#include "preread/client_access.h"
#include "preread/step.h"
#include "preread/tls_refusal.h"
#include "proto/hello.h"
#include "session/conn_info.h"
#include "session/host.h"
#include "session/side.h"
#include "session/tell.h"
#include "tls/stream.h"

static bool tls_accept_is_wanted(const struct session *s)
{
	return s->config->tls == TLS_MODE_TERMINATE;
}

static struct tls_numbers tls_numbers_of(const struct hello_numbers *from)
{
	return (struct tls_numbers){ .at = from->at, .n = from->n };
}

static int open_stream(struct session *s, const struct hello *hello)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct tls_offer offer = {
		.name = hello_name_to_find(hello),
		.versions = tls_numbers_of(&hello->versions),
		.suites = tls_numbers_of(&hello->suites),
		.signatures = tls_numbers_of(&hello->signatures),
		.groups = tls_numbers_of(&hello->groups),
		.shares = tls_numbers_of(&hello->shares),
		.is_hello = true,
		.lacks_extension = hello_lacks_extension(hello),
		.has_psk = hello->has_psk,
		.is_psk_ke_only = hello->is_psk_ke_only,
		.has_early_data = hello->has_early_data,
		.alpn = hello->alpn,
		.alpn_bytes = hello->alpn_bytes,
		.ticket_bytes = hello->ticket_bytes,
	};

	return tls_stream_accept(session_tls_server(s), &offer, side_append, client, &client->tls);
}

/* STEP_NEXT when there is a stream now. */
static enum step_verdict tls_accept_begin(struct session *s, const struct preread_input *in,
					  struct step_answer *answer)
{
	struct hello hello;
	int err = -ENOMEM;

	if (hello_read(in->bytes, in->n, &hello) == PARSE_DONE) /* as the step before read it */
		err = open_stream(s, &hello);
	if (err == -ENOENT)
		return preread_refuse_with_alert(s, answer, TLSREC_UNRECOGNIZED_NAME,
						 "no certificate has this name");
	return err < 0 ? preread_refuse(answer, STEP_NO_MEMORY, NULL) : STEP_NEXT;
}

static void count_handshake(const struct session *s, const struct tls_facts *tls)
{
	struct listener_counters *c = session_counters(s);

	counters_add(&c->handshakes, 1);
	if (tls->resumed)
		counters_add(&c->handshakes_resumed, 1);
	counters_add(tls->is_tls13 ? &c->handshakes_tls13 : &c->handshakes_tls12, 1);
	label_counter_add(&c->ciphers, 0, tls->cipher, 1);
	histogram_add(&c->handshake_time, s->host->loop.now_ms - s->started_ms);
}

static void note_handshake(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct conn_info *info = conn_info_of(s);
	struct tls_facts tls;

	tls_stream_facts(client->tls, &tls);
	count_handshake(s, &tls);
	client->is_tls_ready = true;
	session_tell_step(side_session(client), "TLS is up", NULL);
	if (!info)
		return;
	info->version = tls.version;
	info->cipher = tls.cipher;
	info->group = tls.group;
	info->openssl_cipher = tls.openssl;
	info->has_certificate = tls.has_peer;
	info->resumed = tls.resumed;
	snprintf(info->alpn, sizeof(info->alpn), "%s", tls.alpn);
	snprintf(info->client_name, sizeof(info->client_name), "%s", tls.peer);
}

static enum step_verdict tls_accept_failed(struct session *s, enum tls_result result,
					   struct step_answer *answer)
{
	const struct tls_stream *tls = s->sides[SIDE_CLIENT].tls;
	struct conn_info *info = conn_info_of(s);

	if (tls_stream_lacks_memory(tls))
		return preread_refuse(answer, STEP_NO_MEMORY, tls_stream_reason(tls));
	counters_add(&session_counters(s)->handshakes_failed, 1);
	if (info)
		snprintf(info->client_name, sizeof(info->client_name), "%s", tls_stream_peer(tls));
	if (result != TLS_FAILED)
		return preread_refuse(answer, STEP_PEER_LEFT, NULL);
	return preread_refuse(answer, STEP_TLS_FAILED, tls_stream_reason(tls));
}

static enum step_verdict tls_accept_go_on(struct session *s, const struct preread_input *in,
					  struct step_answer *answer)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	enum tls_result result;

	tls_stream_give(client->tls, in->bytes, in->n, s->host->loop.now_ms);
	result = tls_stream_handshake(client->tls);
	if (result == TLS_WANT_INPUT)
		return STEP_MORE;
	if (result != TLS_DONE)
		return tls_accept_failed(s, result, answer);
	note_handshake(s);
	return client_access_judge(s, answer);
}

/* The first bytes are the ClientHello that the step before has read. */
static enum step_verdict tls_accept_read(struct session *s, const struct preread_input *in,
					 struct step_answer *answer)
{
	enum step_verdict verdict = STEP_NEXT;

	if (!s->sides[SIDE_CLIENT].tls)
		verdict = tls_accept_begin(s, in, answer);
	return verdict == STEP_NEXT ? tls_accept_go_on(s, in, answer) : verdict;
}

const struct preread_step preread_tls_accept = {
	.name = "tls_accept",
	.is_costly = true,
	.is_wanted = tls_accept_is_wanted,
	.read = tls_accept_read,
};
