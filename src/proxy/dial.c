/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One try is: pick -> socket -> connect -> preamble (dial_preamble.c) -> the
 * session relays. A try that fails gives back everything, waits for the
 * kernel where it must, and makes room for the next.
 */
#include "proxy/dial.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/lane.h"
#include "proxy/side.h"
#include "tls/stream.h"

static void dial_next(struct session *s);
static void dial_on_connect(struct io_op *op, int res, unsigned flags);

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

void dial_release(struct session *s)
{
	if (s->backend)
		pool_release(s->pool, s->backend);
	s->backend = NULL;
}

static enum close_reason reason_of(int err)
{
	if (health_result_of(err) == HEALTH_LOCAL)
		return CLOSE_NO_RESOURCES;
	switch (-err) {
	case ECONNREFUSED:
		return CLOSE_CONNECT_REFUSED;
	case ETIMEDOUT:
		return CLOSE_CONNECT_TIMEOUT;
	case EPROTO:
		return CLOSE_BACKEND_TLS;
	default:
		return CLOSE_CONNECT_FAILED;
	}
}

/* ---- one try ---------------------------------------------------------------------------- */

static void note_result(struct session *s, int err)
{
	uint64_t now_ms = s->engine->now_ms;
	enum health_change change =
		pool_on_connect(s->pool, s->backend, health_result_of(err), now_ms);

	if (change != HEALTH_SAME)
		proxy_on_health(s->engine->proxy, s->pool, s->backend, change);
}

/* This backend will not do: never again for this session, and on to the next. */
static void dial_retire(struct session *s)
{
	struct side *side = backend_side(s);

	side_cancel(side);
	if (side_has_ops(side))
		return;
	s->is_retiring = false;
	side_drop_connection(side);
	note_result(s, s->dial_error);
	s->ask.tried[s->ask.tried_n++] = (uint16_t)s->backend->index;
	dial_release(s);
	dial_next(s);
}

void dial_failed(struct session *s, int err)
{
	CHECK(s->phase == SESSION_DIALING);
	if (s->is_retiring)
		return;
	s->is_retiring = true;
	s->dial_error = err;
	timer_stop(&s->engine->timers, &s->timer);
	dial_retire(s);
}

bool dial_op_returned(struct session *s)
{
	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (s->is_retiring)
		dial_retire(s);
	else
		return false;
	return true;
}

void dial_done(struct session *s)
{
	struct side *side = backend_side(s);

	timer_stop(&s->engine->timers, &s->timer);
	side->recv.done = lane_on_recv;
	side->send.done = lane_on_send;
	note_result(s, 0);
	s->dial_error = 0;
	s->detail = NULL;
	session_relay(s);
}

/* What a short session needs; the rest follows when it has lasted: see dial_settle(). */
static const struct sock_options first_options = { .nodelay = true };

void dial_settle(struct session *s)
{
	const struct listener_config *config = s->listener->config;
	const struct sock_options options = {
		.keepalive = config->keepalive,
		.keepalive_idle_s = (unsigned)(config->keepalive_idle_ms / 1000),
		.keepalive_interval_s = (unsigned)(config->keepalive_interval_ms / 1000),
		.keepalive_count = config->keepalive_count,
		.user_timeout_ms = (unsigned)config->user_timeout_ms,
	};
	const char *step;

	/* Without them a dead backend is noticed later, by the idle timer: no reason to end. */
	(void)!sock_set_options(backend_side(s)->fd, &s->backend->config->addr, &options, &step);
}

static void dial_connect(struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr *addr = &s->backend->config->addr;
	struct side *side = backend_side(s);
	struct engine *e = s->engine;
	const char *step;
	int fd, err;

	err = sock_dialer(addr, &first_options, &fd, &step);
	if (err < 0) {
		dial_failed(s, err);
		return;
	}
	side_open(side, fd, !addr_is_unix(addr));
	side->send.done = dial_on_connect;
	io_connect(e->ring, &side->send, fd, addr);
	timer_set(&e->timers, &s->timer,
		  MIN(e->now_ms + pool->connect_timeout_ms,
		      s->dialing_ms + pool->connect_total_ms));
}

static void dial_on_connect(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);
	struct session *s = side_session(side);

	(void)flags;
	if (dial_op_returned(s))
		return;
	if (res < 0)
		dial_failed(s, res);
	else
		dial_preamble(s);
}

void dial_on_deadline(struct session *s)
{
	dial_failed(s, -ETIMEDOUT);
}

void dial_note_detail(struct session *s, const char *why)
{
	struct facts *facts = facts_of(s);

	if (!facts)
		return;
	snprintf(facts->dial_detail, sizeof(facts->dial_detail), "%s", why);
	s->detail = facts->dial_detail;
}

/* ---- all tries ----------------------------------------------------------------------------- */

static bool has_tries_left(const struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);

	return s->ask.tried_n < MIN(pool->connect_tries_max, POOL_TRIES_MAX) &&
	       s->engine->now_ms < s->dialing_ms + pool->connect_total_ms;
}

static void dial_give_up(struct session *s, enum pool_answer answer)
{
	if (s->dial_error < 0)
		session_close(s, reason_of(s->dial_error), BY_RINGMAIN);
	else if (answer == POOL_ALL_FULL)
		session_close(s, CLOSE_BACKENDS_FULL, BY_RINGMAIN);
	else
		session_close(s, CLOSE_NO_BACKEND, BY_RINGMAIN);
}

/* Once: if that one fails, no other will do. */
static void take_wanted(struct session *s)
{
	if (s->ask.tried_n == 0 && pool_take(s->pool, s->wanted))
		s->backend = s->wanted;
}

static void dial_next(struct session *s)
{
	enum pool_answer answer = POOL_NONE_READY;

	if (s->wanted)
		take_wanted(s);
	else if (has_tries_left(s))
		s->backend = pool_pick(s->pool, &s->ask, &answer);
	if (s->backend)
		dial_connect(s);
	else
		dial_give_up(s, answer);
}

void dial_start(struct session *s)
{
	session_enter(s, SESSION_DIALING);
	s->dialing_ms = s->engine->now_ms;
	dial_next(s);
}
