/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/choose.h"

#include "balance/client_key.h"
#include "balance/stick.h"
#include "base/hash.h"
#include "dial/cancel_fanout.h"
#include "net/sock.h"
#include "session/conn_info.h"
#include "session/host.h"

/* ---- what is known of the client ------------------------------------------ */

static bool key_of_destination(const struct session *s, uint64_t *ret_key)
{
	struct addr addr;

	if (s->info && s->info->destination.len > 0)
		addr = s->info->destination;
	else if (sock_local_addr(s->sides[SIDE_CLIENT].fd, &addr) < 0)
		return false;
	return client_key_of_destination(&addr, ret_key);
}

/* Without a server name that of the source; false where nothing is known: a unix socket. */
static bool key_of(const struct session *s, const struct key_config *config, uint64_t *ret_key)
{
	struct addr client;

	if (config->kind == CLIENT_KEY_DESTINATION)
		return key_of_destination(s, ret_key);
	if (config->kind == CLIENT_KEY_SNI && s->info && s->info->sni[0]) {
		*ret_key = client_key_of_name(s->info->sni);
		return true;
	}
	addr_lengthen(&client, &s->client);
	return client_key_of_addr(&client, config, ret_key);
}

void choose_prepare(struct session *s)
{
	const struct pool_config *config = pool_config(s->pool);

	if (config->balance !=
	    BALANCE_MAGLEV) /* a reload may make it that while it waits: anywhere */
		s->waiter.ask.key = hash_bytes(&s->id, sizeof(s->id), 0);
	else if (!key_of(s, &config->hash, &s->waiter.ask.key))
		s->waiter.ask.key = s->id; /* nothing is known of it */
}

bool choose_has_tries_left(const struct session *s)
{
	const struct pool_config *config = pool_config(s->pool);

	return s->waiter.ask.tried_n < MIN(config->connect_tries_max, POOL_TRIES_MAX) &&
	       s->host->loop.now_ms < s->dialing_ms + config->connect_total_ms;
}

/* The pinned backend is tried once: no other can take its place. POOL_ALL_FULL: try later. */
static enum pool_answer take_pinned(struct session *s)
{
	if (s->waiter.ask.tried_n > 0)
		return POOL_NONE_READY;
	return pool_take_beyond(s->pool, cancel_fanout_pinned(s), &s->backend);
}

/* ---- the stick table ----------------------------------------------------- */

static struct stick *stick_of(const struct session *s)
{
	return runtime_sticky(s->host->runtime, s->pool);
}

static struct lru_key sticky_key_of(const struct session *s)
{
	return stick_key(stick_of(s), &s->sticky_key, sizeof(s->sticky_key));
}

/* Where the client was before, if it was somewhere and may go there again. */
static bool take_sticky(struct session *s)
{
	const struct key_config *key = &pool_config(s->pool)->stick;
	uint64_t id;

	if (key->kind == CLIENT_KEY_NONE || !stick_of(s) || s->waiter.ask.tried_n > 0 ||
	    !key_of(s, key, &s->sticky_key))
		return false;
	id = stick_find(stick_of(s), sticky_key_of(s), s->host->loop.now_ms);
	s->backend = id != 0 ? pool_take(s->pool, id, s->host->loop.now_ms) : NULL;
	return s->backend;
}

void choose_hold(struct session *s)
{
	if (stick_of(s) && s->sticky_key != 0)
		s->sticky = stick_hold(stick_of(s), sticky_key_of(s), s->backend->id,
				       s->host->loop.now_ms);
}

void choose_release(struct session *s)
{
	if (s->sticky != LRU_NONE)
		stick_release(stick_of(s), s->sticky, s->host->loop.now_ms);
	s->sticky = LRU_NONE;
}

/* ---- all ----------------------------------------------------------------- */

enum pool_answer choose_backend(struct session *s)
{
	enum pool_answer answer;

	if (cancel_fanout_pinned(s) != 0)
		return take_pinned(s);
	if (!choose_has_tries_left(s))
		return pool_hold_waiter(s->pool, &s->waiter, s->host->loop.now_ms);
	if (take_sticky(s))
		return POOL_PICKED;
	answer = pool_pick_or_wait(s->pool, &s->waiter, s->host->loop.now_ms);
	if (answer == POOL_PICKED)
		s->backend = s->waiter.backend;
	return answer;
}
