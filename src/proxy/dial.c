/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/dial.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/engine.h"
#include "proxy/lane.h"
#include "proxy/side.h"

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

/* Trouble that is ours says nothing about the backend. */
static bool is_local_trouble(int err)
{
	switch (-err) {
	case EADDRNOTAVAIL: /* every port towards this backend is taken */
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EACCES:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static enum close_reason reason_of(int err)
{
	if (is_local_trouble(err))
		return CLOSE_NO_RESOURCES;
	switch (-err) {
	case ECONNREFUSED:
		return CLOSE_CONNECT_REFUSED;
	case ETIMEDOUT:
	case ECANCELED: /* our own deadline */
		return CLOSE_CONNECT_TIMEOUT;
	default:
		return CLOSE_CONNECT_FAILED;
	}
}

/* ---- one try ------------------------------------------------------------------- */

/* This backend will not do: never again for this session, and on to the next. */
static void dial_failed(struct session *s, int err)
{
	struct side *side = backend_side(s);

	if (side->fd >= 0)
		close(side->fd);
	side->fd = -1;
	s->dial_error = err;
	if (!is_local_trouble(err)) {
		atomic_fetch_add_explicit(&s->backend->connect_failures, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&s->backend->failures_in_row, 1, memory_order_relaxed);
	}
	s->ask.tried[s->ask.tried_n++] = (uint16_t)s->backend->index;
	dial_release(s);
	dial_next(s);
}

static struct sock_options dial_options(const struct listener_config *config)
{
	return (struct sock_options){
		.keepalive = config->keepalive,
		.keepalive_idle_s = (unsigned)(config->keepalive_idle_ms / 1000),
		.keepalive_interval_s = (unsigned)(config->keepalive_interval_ms / 1000),
		.keepalive_count = config->keepalive_count,
		.user_timeout_ms = (unsigned)config->user_timeout_ms,
		.nodelay = true,
	};
}

static void dial_connect(struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr *addr = &s->backend->config->addr;
	struct sock_options options = dial_options(s->listener->config);
	struct side *side = backend_side(s);
	struct engine *e = s->engine;
	const char *step;
	int fd, err;

	err = sock_dialer(addr, &options, &fd, &step);
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
	side->send.done = lane_on_send;
	if (s->phase == SESSION_CLOSING) {
		session_op_returned(s);
		return;
	}
	timer_stop(&s->engine->timers, &s->timer);
	if (res < 0) {
		dial_failed(s, res);
		return;
	}
	atomic_store_explicit(&s->backend->failures_in_row, 0, memory_order_relaxed);
	session_relay(s);
}

void dial_on_deadline(struct session *s)
{
	CHECK(s->phase == SESSION_DIALING);
	side_cancel(backend_side(s)); /* the connect completes with -ECANCELED */
}

/* ---- all tries ------------------------------------------------------------------ */

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

static void dial_next(struct session *s)
{
	enum pool_answer answer = POOL_NONE_READY;

	if (has_tries_left(s))
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
