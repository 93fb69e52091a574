/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocol/postgres.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "config/login_route.h"
#include "config/protocol_facts.h"
#include "proto/big_endian.h"
#include "proto/pgsql.h"
#include "proto/pgsql_login.h"

/* What direct TLS must offer (its manual, "SSL Session Encryption"). */

static_assert(PGSQL_ERROR_BYTES_MAX <= STEP_SAY_BYTES_MAX, "an error is said at once");
static_assert(PGSQL_SECRET_BYTES_MAX + 4 <= CANCEL_KEY_BYTES_MAX, "every key has room");
static_assert(PGSQL_NAME_BYTES == PROTOCOL_NAME_BYTES, "names are copied whole");
static_assert(PGSQL_NAME_BYTES == LOGIN_NAME_BYTES, "and compared whole");

/* As on the wire: the number of the process, and what nobody can guess. */
static void fill_cancel_key(const struct pgsql_key *key, struct cancel_key *ret)
{
	be32_write(ret->bytes, key->process);
	memcpy(ret->bytes + 4, key->secret, key->secret_bytes);
	ret->n = (uint16_t)(4 + key->secret_bytes);
}

/* ---- a client, in clear -------------------------------------------------- */

static enum step_verdict refuse_with_error(struct step_answer *answer, const char *sqlstate,
					   const char *text)
{
	answer->say_bytes = pgsql_write_error(answer->say, sqlstate, text);
	answer->refusal = STEP_AGAINST_RULES;
	answer->detail = text;
	return STEP_REFUSE;
}

/* A breach of the protocol, in clear or inside TLS. */
static enum step_verdict refuse_malformed(struct step_answer *answer, const char *text)
{
	(void)refuse_with_error(answer, "08P01", text);
	answer->refusal = STEP_MALFORMED;
	return STEP_REFUSE;
}

static enum step_verdict say_one_byte(struct step_answer *answer, size_t used, char byte)
{
	answer->used = used;
	answer->say[0] = (uint8_t)byte;
	answer->say_bytes = 1;
	return byte == PGSQL_YES ? STEP_NEXT : STEP_MORE;
}

/* A client tries its next host upon 57P03, and upon no other. */
static const char *unavailable_sqlstate(const struct protocol_state *state)
{
	return state->is_full ? PGSQL_TOO_MANY_CONNECTIONS : PGSQL_CANNOT_CONNECT_NOW;
}

static const char *unavailable_text(const struct protocol_state *state)
{
	return state->is_full ? "all servers have too many connections"
			      : "no server is available now";
}

/* For who wants to know whose session it is. */
static void note_names(struct protocol_state *state, const struct pgsql_packet *packet)
{
	memcpy(state->user, packet->user, sizeof(state->user));
	memcpy(state->database, packet->database, sizeof(state->database));
}

/* PostgreSQL's words for a database that is not there; what there is, is nobody's business. */
static enum step_verdict log_in(const struct protocol_input *in, const struct pgsql_packet *packet,
				struct step_answer *answer)
{
	note_names(in->state, packet);
	answer->route = login_route_find(in->config, packet->database, packet->user);
	if (answer->route == 0 && !in->has_pool)
		return refuse_with_error(answer, "3D000",
					 "no route for this database and this user");
	in->state->exchange = EXCHANGE_LOGIN;
	return STEP_READY;
}

static enum step_verdict start_in_clear(const struct protocol_input *in,
					const struct pgsql_packet *packet,
					struct step_answer *answer)
{
	const struct listener_config *config = in->config;

	if (in->state->is_unserved)
		return refuse_with_error(answer, unavailable_sqlstate(in->state),
					 unavailable_text(in->state));
	if (listener_reads_hello(config) && config->plaintext == UNMATCHED_REJECT)
		return refuse_with_error(answer, "28000",
					 "this server wants TLS: use sslmode=require");
	if (!in->has_pool && !login_route_exists(config))
		return refuse_with_error(answer, "08P01",
					 "no pool for clients without a server name");
	return log_in(in, packet, answer);
}

static enum step_verdict ask_for_tls(const struct protocol_input *in, size_t used,
				     struct step_answer *answer)
{
	if (in->config->tls == TLS_MODE_OFF) {
		answer->detail = "the listener has no TLS";
		return say_one_byte(answer, used, PGSQL_NO);
	}
	in->state->asked_for_tls = true;
	if (in->config->tls != TLS_MODE_AUTO)
		return say_one_byte(answer, used, PGSQL_YES);
	in->state->exchange = EXCHANGE_TLS; /* the backend is asked */
	return STEP_READY;
}

static enum step_verdict begin_tls(const struct protocol_input *in, struct step_answer *answer)
{
	if (in->config->tls != TLS_MODE_OFF) {
		in->state->has_direct_tls = true;
		return in->config->tls == TLS_MODE_AUTO ? STEP_READY : STEP_NEXT;
	}
	answer->refusal = STEP_AGAINST_RULES;
	answer->detail = "TLS on a listener without TLS";
	return STEP_REFUSE;
}

static enum step_verdict ask_to_cancel(const struct pgsql_packet *packet,
				       struct step_answer *answer)
{
	answer->is_cancel = true;
	fill_cancel_key(&packet->key, &answer->cancel_key);
	answer->cancel_bytes = packet->bytes;
	return STEP_READY;
}

static enum step_verdict postgres_read_clear(const struct protocol_input *in,
					     struct step_answer *answer)
{
	unsigned asked = in->state->progress; /* requests that were answered */
	struct pgsql_packet packet;
	enum parse parsed = pgsql_read_clear(in->bytes, in->n, &asked, &packet);

	in->state->progress = (uint8_t)asked;
	if (parsed == PARSE_MORE)
		return STEP_MORE;
	if (parsed == PARSE_BAD)
		return refuse_malformed(answer, pgsql_fault_text(packet.fault));
	switch (packet.kind) {
	case PGSQL_SSL_REQUEST:
		return ask_for_tls(in, packet.bytes, answer);
	case PGSQL_GSS_REQUEST:
		return say_one_byte(answer, packet.bytes, PGSQL_NO);
	case PGSQL_TLS:
		return begin_tls(in, answer);
	case PGSQL_CANCEL:
		return ask_to_cancel(&packet, answer);
	case PGSQL_STARTUP:
		break;
	}
	return start_in_clear(in, &packet, answer);
}

/* ---- a client, inside TLS ------------------------------------------------ */

/* A very long start-up packet is the backend's to judge, if that is known. */
static enum step_verdict leave_to_backend(const struct protocol_input *in,
					  struct step_answer *answer)
{
	if (!login_route_exists(in->config))
		return STEP_READY;
	return refuse_malformed(answer, "no start-up packet to route by");
}

static enum step_verdict postgres_read_inside(const struct protocol_input *in,
					      struct step_answer *answer)
{
	struct pgsql_packet packet;

	switch (pgsql_read(in->bytes, in->n, &packet)) {
	case PARSE_BAD:
		return refuse_malformed(answer, pgsql_fault_text(packet.fault));
	case PARSE_MORE:
		return in->is_cut ? leave_to_backend(in, answer) : STEP_MORE;
	default:
		break;
	}
	if (packet.kind == PGSQL_CANCEL)
		return ask_to_cancel(&packet, answer);
	if (packet.kind == PGSQL_STARTUP)
		return log_in(in, &packet, answer);
	return refuse_malformed(answer, "encryption was requested inside TLS");
}

/* ---- a backend ----------------------------------------------------------- */

static enum step_verdict postgres_open_backend(const struct protocol_round *in,
					       struct step_answer *answer)
{
	if (in->n == 0) {
		pgsql_write_ssl_request(answer->say);
		answer->say_bytes = PGSQL_REQUEST_BYTES;
		return STEP_MORE;
	}
	answer->used = 1;
	if (in->bytes[0] == PGSQL_YES)
		return STEP_NEXT;
	answer->detail = "the backend has no TLS";
	return STEP_REFUSE;
}

/* To the client's own request. An error is no answer: who has no TLS yet must not see it. */
static enum step_verdict read_tls_choice(struct protocol_answer *in, struct step_answer *answer)
{
	switch (in->bytes[0]) {
	case PGSQL_YES:
		return STEP_READY;
	case PGSQL_NO:
		in->state->asked_for_tls = false;
		(void)say_one_byte(answer, 1, PGSQL_NO);
		answer->detail = "the backend has no TLS";
		return STEP_NEXT;
	default:
		answer->detail = "no answer to the request for TLS";
		return STEP_REFUSE;
	}
}

/*
 * Who has no TLS cannot bind a channel to it, and clients fail that see it
 * offered. Where more comes before the offer than can wait with it, the client
 * has that at once.
 */
static enum step_verdict pass_on(struct protocol_answer *in, struct step_answer *answer)
{
	if (!in->is_bared || pgsql_edit_sasl(in->bytes, &in->n) != PARSE_MORE)
		return STEP_READY;
	if (!in->is_cut)
		return STEP_MORE;
	answer->used = pgsql_pass_before_answer(in->bytes, in->n, &in->state->answer_left);
	return answer->used > 0 ? STEP_MORE : STEP_READY;
}

/* The rest of a message that the client has begun to hear. */
static enum step_verdict pass_rest(struct protocol_answer *in, struct step_answer *answer)
{
	answer->used = MIN(in->n, in->state->answer_left);
	in->state->answer_left -= (uint32_t)answer->used;
	return STEP_MORE;
}

static enum step_verdict read_login_answer(struct protocol_answer *in, struct step_answer *answer)
{
	char sqlstate[PGSQL_SQLSTATE_BYTES];
	const struct refusal *refusal;

	if (in->state->answer_left > 0)
		return pass_rest(in, answer);
	switch (pgsql_read_error(in->bytes, in->n, sqlstate)) {
	case PARSE_MORE:
		return in->is_cut ? pass_on(in, answer) : STEP_MORE;
	case PARSE_BAD: /* it is no error */
		return pass_on(in, answer);
	default:
		break;
	}
	refusal = pgsql_refusal_of(sqlstate);
	if (!refusal || refusal->kind == REFUSAL_OF_CLIENT)
		return STEP_READY;
	answer->detail = refusal->words;
	answer->is_full = refusal->kind == REFUSAL_FULL;
	return STEP_REFUSE;
}

static enum step_verdict postgres_read_answer(struct protocol_answer *in,
					      struct step_answer *answer)
{
	if (in->state->exchange == EXCHANGE_TLS)
		return read_tls_choice(in, answer);
	return read_login_answer(in, answer);
}

static enum parse postgres_read_refusal(const uint8_t *bytes, size_t n,
					const struct refusal **ret_refusal)
{
	char sqlstate[PGSQL_SQLSTATE_BYTES];
	const enum parse parsed = pgsql_read_error(bytes, n, sqlstate);

	*ret_refusal = parsed == PARSE_DONE ? pgsql_refusal_of(sqlstate) : NULL;
	return parsed == PARSE_MORE ? PARSE_MORE : PARSE_DONE;
}

static size_t postgres_write_unavailable(const struct protocol_state *state,
					 uint8_t out[STEP_SAY_BYTES_MAX])
{
	if (state->exchange == EXCHANGE_TLS) {
		out[0] = PGSQL_NO;
		return 1;
	}
	return pgsql_write_error(out, unavailable_sqlstate(state), unavailable_text(state));
}

static enum parse postgres_watch(void *memory, const uint8_t *bytes, size_t n,
				 struct protocol_login *ret_login)
{
	struct pgsql_watch *watch = memory;
	enum parse parsed = pgsql_watch(watch, bytes, n);

	if (parsed != PARSE_DONE)
		return parsed;
	ret_login->is_unbound = watch->is_unbound;
	ret_login->has_key = watch->has_key;
	if (watch->has_key)
		fill_cancel_key(&watch->key, &ret_login->key);
	return PARSE_DONE;
}

static size_t postgres_write_shutdown(uint8_t out[STEP_SAY_BYTES_MAX])
{
	return pgsql_write_error(out, "57P01",
				 "terminating connection due to administrator command");
}

static size_t postgres_write_terminate(uint8_t out[STEP_SAY_BYTES_MAX])
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };

	memcpy(out, terminate, sizeof(terminate));
	return sizeof(terminate);
}

const struct protocol protocol_postgres = {
	.name = "postgres",
	.read_clear = postgres_read_clear,
	.read_inside = postgres_read_inside,
	.direct_alpn = PROTOCOL_ALPN_POSTGRES,
	.direct_alpn_missing = "direct TLS without ALPN " PROTOCOL_ALPN_POSTGRES,
	.open_backend = postgres_open_backend,
	.answer_bytes = 1, /* what follows belongs to TLS */
	.read_answer = postgres_read_answer,
	.read_refusal = postgres_read_refusal,
	.refuses_spoken = true,
	.write_unavailable = postgres_write_unavailable,
	.watch = postgres_watch,
	.watch_bytes = sizeof(struct pgsql_watch),
	.unbound = "channel binding failed: the backend has another certificate",
	.idle_tail = { 'Z', 0, 0, 0, 5, 'I' }, /* ReadyForQuery, in no transaction */
	.write_shutdown = postgres_write_shutdown,
	.write_terminate = postgres_write_terminate,
};
