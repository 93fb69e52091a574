/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Logging in to a PostgreSQL server, in whatever way it asks for that is safe. */

#include <string.h>

#include "postgres_parts.h"

enum pg_auth {
	AUTH_OK = 0,
	AUTH_CLEAR = 3,
	AUTH_MD5 = 5,
	AUTH_GSS = 7,
	AUTH_GSS_CONTINUE = 8,
	AUTH_SSPI = 9,
	AUTH_SASL = 10,
	AUTH_SASL_CONTINUE = 11,
	AUTH_SASL_FINAL = 12,
};

static enum check_step send_password(struct check_exchange *x)
{
	if (!x->request->password)
		return exchange_done(x, CHECK_OWN_FAULT, "it asks for a password");
	if (!exchange_may_send_password(x))
		return exchange_keep_password(x);
	pg_send(x, 'p', x->request->password, strlen(x->request->password) + 1);
	return CHECK_STEP_MORE;
}

/* Is the mechanism on the server's list: names, each with its zero, and an empty one? */
static bool offers(const struct pg_message *m, const char *name)
{
	size_t at = PG_LENGTH_BYTES;

	while (at < m->n) {
		const size_t n = strnlen((const char *)m->body + at, m->n - at);

		if (n == strlen(name) && at + n < m->n && memcmp(m->body + at, name, n) == 0)
			return true;
		at += n + 1;
	}
	return false;
}

static enum check_step begin_scram(struct check_exchange *x, const struct pg_message *m)
{
	const struct check_channel *channel = &x->channel;
	const bool can_bind = channel->is_tls && channel->end_point_bytes > 0;
	const bool is_bound = can_bind && offers(m, "SCRAM-SHA-256-PLUS");
	const char *name = is_bound ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
	char body[SCRAM_MESSAGE_BYTES_MAX];
	struct pg *pg = pg_state(x);
	size_t n = strlen(name) + 1, first;

	if (!x->request->password)
		return exchange_done(x, CHECK_OWN_FAULT, "it asks for a password");
	if (!offers(m, name))
		return exchange_done(x, CHECK_OWN_FAULT, "it asks for an unknown way to log in");
	scram_bind(&pg->scram,
		   is_bound   ? SCRAM_TO_END_POINT
		   : can_bind ? SCRAM_NOT_OFFERED
			      : SCRAM_UNBOUND,
		   channel->end_point, channel->end_point_bytes);
	memcpy(body, name, n);
	first = scram_first(&pg->scram, x->random, body + n + PG_LENGTH_BYTES,
			    sizeof(body) - n - PG_LENGTH_BYTES);
	body[n++] = 0;
	body[n++] = 0;
	body[n++] = (char)(first >> 8);
	body[n++] = (char)first;
	pg_send(x, 'p', body, n + first);
	pg->phase = PG_SASL_FIRST;
	return CHECK_STEP_MORE;
}

static enum check_step scram_failed(struct check_exchange *x, enum scram_fault fault)
{
	const bool is_own = fault == SCRAM_REFUSED;

	return exchange_done(x, is_own ? CHECK_OWN_FAULT : CHECK_FAILED, "%s",
			     scram_fault_text(fault));
}

static enum check_step continue_scram(struct check_exchange *x, const struct pg_message *m)
{
	const struct scram_login login = { x->request->password, x->request->scram_cache };
	const struct digest_part first = { m->body + PG_LENGTH_BYTES, m->n - PG_LENGTH_BYTES };
	char answer[SCRAM_MESSAGE_BYTES_MAX];
	struct pg *pg = pg_state(x);
	enum scram_fault fault;
	size_t n;

	fault = scram_answer(&pg->scram, &login, &first, answer, &n);
	if (fault != SCRAM_FINE)
		return scram_failed(x, fault);
	pg_send(x, 'p', answer, n);
	pg->phase = PG_SASL_FINAL;
	return CHECK_STEP_MORE;
}

static enum check_step end_scram(struct check_exchange *x, const struct pg_message *m)
{
	const struct digest_part final = { m->body + PG_LENGTH_BYTES, m->n - PG_LENGTH_BYTES };
	struct pg *pg = pg_state(x);
	const enum scram_fault fault = scram_verify(&pg->scram, &final);

	if (fault != SCRAM_FINE)
		return scram_failed(x, fault);
	pg->phase = PG_SASL_OK;
	return CHECK_STEP_MORE;
}

/* Of a log-in that has begun: no server says so first. */
static bool is_continuation(uint32_t method)
{
	return method == AUTH_GSS_CONTINUE || method == AUTH_SASL_CONTINUE ||
	       method == AUTH_SASL_FINAL;
}

/* It asks for something, and nothing has begun yet. */
static enum check_step on_method(struct check_exchange *x, const struct pg_message *m,
				 uint32_t method)
{
	if (is_continuation(method))
		return exchange_done(x, CHECK_FAILED, "answered out of turn");
	if (!x->request->user)
		return exchange_done(x, CHECK_PASSED, "asks who we are");
	switch (method) {
	case AUTH_CLEAR:
		return send_password(x);
	case AUTH_SASL:
		return begin_scram(x, m);
	case AUTH_MD5:
		return exchange_done(x, CHECK_OWN_FAULT,
				     "it asks for the password in MD5: set password_encryption "
				     "= scram-sha-256 there and the password anew");
	case AUTH_GSS:
	case AUTH_SSPI:
		return exchange_done(x, CHECK_OWN_FAULT, "it asks for Kerberos");
	default:
		return exchange_done(x, CHECK_OWN_FAULT, "it asks for an unknown way to log in");
	}
}

enum check_step pg_on_auth(struct check_exchange *x, const struct pg_message *m)
{
	struct pg *pg = pg_state(x);
	uint32_t method;

	if (m->n < PG_LENGTH_BYTES)
		return exchange_done(x, CHECK_FAILED, "malformed answer");
	method = be32_read(m->body);
	if (method == AUTH_OK && (pg->phase == PG_START || pg->phase == PG_SASL_OK)) {
		pg->phase = PG_READY;
		return CHECK_STEP_MORE;
	}
	if (method == AUTH_SASL_CONTINUE && pg->phase == PG_SASL_FIRST)
		return continue_scram(x, m);
	if (method == AUTH_SASL_FINAL && pg->phase == PG_SASL_FINAL)
		return end_scram(x, m);
	if (method == AUTH_OK && pg->phase >= PG_SASL_FIRST && pg->phase < PG_SASL_OK)
		return scram_failed(x, SCRAM_FORGED);
	if (pg->phase == PG_START)
		return on_method(x, m, method);
	return exchange_done(x, CHECK_FAILED, "answered out of turn");
}
