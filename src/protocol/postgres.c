/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "protocol/postgres.h"

/* What direct TLS must offer (its manual, "SSL Session Encryption"). */
#define ALPN_POSTGRES "postgresql"

/* ---- a client, in clear -------------------------------------------------- */

static enum step_verdict refuse_with_error(struct step_answer *answer, const char *sqlstate,
					   const char *text)
{
	answer->say_bytes = pgsql_write_error(answer->say, sqlstate, text);
	answer->refusal = STEP_AGAINST_RULES;
	answer->detail = text;
	return STEP_REFUSE;
}

static enum step_verdict say_one_byte(struct step_answer *answer, size_t used, char byte)
{
	answer->used = used;
	answer->say[0] = (uint8_t)byte;
	answer->say_bytes = 1;
	return byte == PGSQL_YES ? STEP_NEXT : STEP_MORE;
}

static enum step_verdict start_in_clear(const struct listener_config *config,
					struct step_answer *answer)
{
	if (config->tls != TLS_MODE_OFF && config->plaintext == UNMATCHED_REJECT)
		return refuse_with_error(answer, "28000",
					 "this server wants TLS: use sslmode=require");
	if (!config->pool)
		return refuse_with_error(answer, "08P01",
					 "no pool for clients without a server name");
	return STEP_READY;
}

static enum step_verdict ask_for_tls(const struct protocol_input *in, size_t used,
				     struct step_answer *answer)
{
	if (in->config->tls == TLS_MODE_OFF)
		return say_one_byte(answer, used, PGSQL_NO);
	in->state->asked_for_tls = true;
	return say_one_byte(answer, used, PGSQL_YES);
}

static enum step_verdict begin_tls(const struct protocol_input *in, struct step_answer *answer)
{
	if (in->config->tls != TLS_MODE_OFF) {
		in->state->has_direct_tls = true;
		return STEP_NEXT;
	}
	answer->refusal = STEP_AGAINST_RULES;
	answer->detail = "TLS on a listener without TLS";
	return STEP_REFUSE;
}

static enum step_verdict ask_to_cancel(const struct pgsql_packet *packet,
				       struct step_answer *answer)
{
	answer->is_cancel = true;
	answer->cancel_key = packet->key;
	answer->cancel_bytes = packet->bytes;
	return STEP_READY;
}

static enum step_verdict postgres_read_clear(const struct protocol_input *in,
					     struct step_answer *answer)
{
	unsigned asked = in->state->requests;
	struct pgsql_packet packet;
	enum parse parsed = pgsql_read_clear(in->bytes, in->n, &asked, &packet);

	in->state->requests = (uint8_t)asked;
	if (parsed == PARSE_MORE)
		return STEP_MORE;
	if (parsed == PARSE_BAD)
		return refuse_with_error(answer, "08P01", pgsql_fault_text(packet.fault));
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
	return start_in_clear(in->config, answer);
}

/* ---- a client, inside TLS ------------------------------------------------ */

static enum step_verdict postgres_read_inside(const struct protocol_input *in,
					      struct step_answer *answer)
{
	struct pgsql_packet packet;

	switch (pgsql_read(in->bytes, in->n, &packet)) {
	case PARSE_BAD:
		answer->refusal = STEP_MALFORMED;
		answer->detail = pgsql_fault_text(packet.fault);
		return STEP_REFUSE;
	case PARSE_MORE:
		/* A start-up packet that came in too many pieces is the backend's to judge. */
		return in->is_cut ? STEP_READY : STEP_MORE;
	default:
		break;
	}
	return packet.kind == PGSQL_CANCEL ? ask_to_cancel(&packet, answer) : STEP_READY;
}

/* ---- a backend ----------------------------------------------------------- */

static size_t postgres_write_tls_request(uint8_t out[STEP_SAY_BYTES_MAX])
{
	pgsql_write_ssl_request(out);
	return PGSQL_REQUEST_BYTES;
}

static enum step_verdict postgres_read_tls_answer(const uint8_t *bytes, size_t n,
						  const char **ret_detail)
{
	if (n > 0 && bytes[0] == PGSQL_YES)
		return STEP_NEXT;
	*ret_detail = "the backend has no TLS";
	return STEP_REFUSE;
}

const struct protocol protocol_postgres = {
	.name = "postgres",
	.read_clear = postgres_read_clear,
	.read_inside = postgres_read_inside,
	.direct_alpn = ALPN_POSTGRES,
	.direct_alpn_missing = "direct TLS without ALPN " ALPN_POSTGRES,
	.write_tls_request = postgres_write_tls_request,
	.read_tls_answer = postgres_read_tls_answer,
	.answer_bytes = 1, /* what follows belongs to TLS */
	.watch = pgsql_watch,
};
