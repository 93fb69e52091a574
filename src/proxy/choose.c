/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/choose.h"

#include "balance/stick.h"
#include "proxy/client_key.h"
#include "proxy/engine.h"

void choose_prepare(struct session *s)
{
	const struct pool_config *config = pool_config(s->pool);

	if (config->balance == BALANCE_MAGLEV && !client_key(s, &config->hash, &s->waiter.ask.key))
		s->waiter.ask.key = s->id; /* nothing is known of it: anywhere */
}

static bool has_tries_left(const struct session *s)
{
	const struct pool_config *config = pool_config(s->pool);

	return s->waiter.ask.tried_n < MIN(config->connect_tries_max, POOL_TRIES_MAX) &&
	       s->engine->now_ms < s->dialing_ms + config->connect_total_ms;
}

static enum pool_answer take(struct session *s, struct backend *backend)
{
	if (!pool_take(s->pool, backend))
		return POOL_NONE_READY;
	s->backend = backend;
	return POOL_PICKED;
}

/* Once: if that one fails, no other will do. POOL_ALL_FULL: later, perhaps. */
static enum pool_answer take_wanted(struct session *s)
{
	if (s->waiter.ask.tried_n > 0)
		return POOL_NONE_READY;
	if (!pool_take_beyond(s->pool, s->wanted))
		return POOL_ALL_FULL;
	s->backend = s->wanted;
	return POOL_PICKED;
}

/* ---- the stick table ----------------------------------------------------- */

static struct stick *stick_of(const struct session *s)
{
	return proxy_stick(s->engine->proxy, pool_config(s->pool));
}

static struct lru_key key_of(const struct session *s)
{
	return stick_key(stick_of(s), &s->stick_key, sizeof(s->stick_key));
}

/* Where the client was before, if it was somewhere and may go there again. */
static bool take_stuck(struct session *s)
{
	struct backend *backend;
	int index;

	if (!stick_of(s) || s->waiter.ask.tried_n > 0 ||
	    !client_key(s, &pool_config(s->pool)->stick, &s->stick_key))
		return false;
	index = stick_find(stick_of(s), key_of(s), s->engine->now_ms);
	backend = index >= 0 ? pool_backend(s->pool, (size_t)index) : NULL;
	return backend && take(s, backend) == POOL_PICKED;
}

void choose_hold(struct session *s)
{
	if (stick_of(s) && s->stick_key != 0)
		s->stuck = stick_hold(stick_of(s), key_of(s), s->backend->index, s->engine->now_ms);
}

void choose_release(struct session *s)
{
	if (s->stuck != LRU_NONE)
		stick_release(stick_of(s), s->stuck, s->engine->now_ms);
	s->stuck = LRU_NONE;
}

/* ---- all ----------------------------------------------------------------- */

enum pool_answer choose_backend(struct session *s)
{
	enum pool_answer answer;

	if (s->wanted)
		return take_wanted(s);
	if (!has_tries_left(s))
		return POOL_NONE_READY;
	if (take_stuck(s))
		return POOL_PICKED;
	answer = pool_pick_or_wait(s->pool, &s->waiter, s->engine->now_ms);
	if (answer == POOL_PICKED)
		s->backend = s->waiter.backend;
	return answer;
}
