/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/postgres.h"

#include "base/check.h"
#include "proto/pgsql.h"
#include "proxy/ask_around.h"
#include "proxy/cancels.h"
#include "proxy/engine.h"
#include "proxy/greet.h"
#include "proxy/greet_tls.h"
#include "proxy/side.h"

static void refuse(struct session *s, const char *sqlstate, const char *text)
{
	uint8_t message[PGSQL_ERROR_BYTES_MAX];

	greet_say(s, message, pgsql_write_error(message, sqlstate, text));
	greet_refuse(s, CLOSE_REFUSED, text);
}

static size_t first_n(const struct session *s)
{
	return s->first ? buf_filled(s->first) : 0;
}

/* ---- in clear ------------------------------------------------------------ */

static enum parse answer(struct session *s, size_t n, char with)
{
	greet_consume(s, n);
	greet_say(s, &with, 1);
	return first_n(s) > 0 ? PARSE_DONE : PARSE_MORE;
}

static void start_in_clear(struct session *s)
{
	const struct listener_config *config = s->listener->config;

	if (config->tls != TLS_MODE_OFF && config->plaintext == UNMATCHED_REJECT)
		refuse(s, "28000", "this server wants TLS: use sslmode=require");
	else if (!config->pool)
		refuse(s, "08P01", "no pool for clients without a server name");
	else
		greet_done(s, config->pool);
}

static enum parse wants_tls(struct session *s, size_t n)
{
	if (s->listener->config->tls == TLS_MODE_OFF)
		return answer(s, n, PGSQL_NO);
	s->asked_for_tls = true;
	s->greet_step = GREET_HELLO;
	return answer(s, n, PGSQL_YES);
}

static enum parse direct_tls(struct session *s)
{
	s->is_direct_postgres = true;
	s->greet_step = GREET_HELLO;
	if (s->listener->config->tls != TLS_MODE_OFF)
		return greet_hello(s);
	greet_refuse(s, CLOSE_REFUSED, "TLS on a listener without TLS");
	return PARSE_BAD;
}

/*
 * To the backend that has the session of this key. Where the key is not known,
 * because TLS passes through, to all that its client has sessions on, one
 * after the other; where there are none either, to any: it cannot do harm.
 */
static void cancel(struct session *s, const struct pgsql_key *key, const struct pool_config *pool)
{
	if (ask_around_begin(s, key) || pool)
		greet_done(s, pool);
	else
		greet_refuse(s, CLOSE_REFUSED, "a cancel request of no session");
}

enum parse postgres_greet(struct session *s)
{
	const uint8_t *bytes = (const uint8_t *)s->first->bytes + s->first->start;
	unsigned asked = s->postgres_asked;
	struct pgsql_packet packet;
	enum parse parsed = pgsql_read_clear(bytes, first_n(s), &asked, &packet);

	s->postgres_asked = (uint8_t)asked;
	if (parsed == PARSE_MORE)
		return parsed;
	if (parsed == PARSE_BAD) {
		refuse(s, "08P01", pgsql_fault_text(packet.fault));
		return parsed;
	}
	switch (packet.kind) {
	case PGSQL_SSL_REQUEST:
		return wants_tls(s, packet.bytes);
	case PGSQL_GSS_REQUEST:
		return answer(s, packet.bytes, PGSQL_NO);
	case PGSQL_TLS:
		return direct_tls(s);
	case PGSQL_CANCEL:
		cancel(s, &packet.key, s->listener->config->pool);
		return PARSE_DONE;
	case PGSQL_STARTUP:
		start_in_clear(s);
		return PARSE_DONE;
	}
	return PARSE_BAD;
}

/* ---- inside TLS ---------------------------------------------------------- */

void postgres_startup(struct session *s)
{
	const struct buf *head = s->sides[SIDE_BACKEND].waiting.head;
	struct pgsql_packet packet = { .kind = PGSQL_STARTUP };
	enum parse parsed = PARSE_MORE;

	if (head)
		parsed = pgsql_read((const uint8_t *)head->bytes + head->start, buf_filled(head),
				    &packet);
	if (parsed == PARSE_BAD)
		greet_refuse(s, CLOSE_BAD_GREETING, pgsql_fault_text(packet.fault));
	else if (parsed == PARSE_DONE && packet.kind == PGSQL_CANCEL)
		cancel(s, &packet.key, s->route);
	else if (parsed == PARSE_DONE || (head && head->next))
		greet_done(
			s,
			s->route); /* a start-up packet in two pieces is the backend's to judge */
	else
		greet_receive(s);
}

/* ---- the key ------------------------------------------------------------- */

void postgres_start_watch(struct session *s)
{
	const struct listener_config *config = s->listener->config;
	bool has_tls = s->asked_for_tls || s->is_direct_postgres;

	CHECK(!s->watch);
	if (config->protocol != PROTOCOL_POSTGRES)
		return;
	if (config->tls == TLS_MODE_PASSTHROUGH && has_tls)
		ask_around_remember(s);
	else
		s->watch = slab_get(&s->engine->watches);
}

static void stop_watch(struct session *s)
{
	slab_put(&s->engine->watches, s->watch);
	s->watch = NULL;
}

void postgres_watch(struct session *s, const struct buf *buf)
{
	const uint8_t *bytes = (const uint8_t *)buf->bytes + buf->start;

	if (pgsql_watch(s->watch, bytes, buf_filled(buf)) == PARSE_MORE)
		return;
	if (s->watch->has_key) {
		s->cancel_hash = cancels_hash(s->engine->proxy->cancels, &s->watch->key);
		cancels_remember(s->engine->proxy->cancels, s->cancel_hash, s->pool, s->backend);
	}
	stop_watch(s);
}

void postgres_finish(struct session *s)
{
	if (s->watch)
		stop_watch(s);
	if (s->cancel_hash != 0)
		cancels_forget(s->engine->proxy->cancels, s->cancel_hash, s->backend);
}
