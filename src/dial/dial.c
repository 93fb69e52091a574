/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One try is: choose -> socket -> connect -> opening -> the session relays. A
 * try that fails gives back everything, waits for the kernel where it must,
 * and makes room for the next.
 */
#include "dial/dial.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "dial/attempt.h"
#include "dial/cancel_fanout.h"
#include "dial/choose.h"
#include "dial/greeting.h"
#include "dial/queued.h"
#include "net/sock.h"
#include "net/sock_error.h"
#include "session/conn_info.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/fd_reserve.h"
#include "session/refusing.h"
#include "session/side.h"
#include "session/tell.h"
#include "state/peers.h"
#include "state/backend_report.h"
#include "tls/stream.h"

/* Addresses to connect from (source) that are tried for one backend. */
#define LOCAL_ADDRS_TRIED_MAX 16

/*
 * How soon a unix socket with a full backlog is asked again: a quarter of the
 * time that it has lasted, within these bounds.
 */
#define BACKLOG_PAUSE_MIN_MS 2
#define BACKLOG_PAUSE_MAX_MS 50

/* So often a request to cancel that waits for its turn at a backend looks whether it has come. */
#define CANCEL_PAUSE_MS 10

static void dial_begin(struct session *s);
static void dial_connect(struct session *s);
static void dial_next(struct session *s);

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

static void set_timer(struct session *s, uint64_t due_ms)
{
	timer_set(&s->host->loop.timers, &s->timer, due_ms);
}

static uint64_t now_of(const struct session *s)
{
	return s->host->loop.now_ms;
}

/* ---- the slot at a backend ----------------------------------------------- */

/* To whoever waits for one. */
static void dial_release_slot(struct session *s, struct backend *backend)
{
	if (backend->id == cancel_fanout_pinned(s))
		pool_release_beyond(s->pool, backend);
	else
		pool_release(s->pool, backend);
	peers_serve_queue(s->host->runtime, s->pool, now_of(s));
}

void dial_release(struct session *s)
{
	if (s->backend)
		dial_release_slot(s, s->backend);
	s->backend = NULL;
}

/* ---- the end of a try ---------------------------------------------------- */

/* Who is full answers, and is the one that it was. */
static bool is_doubtful(int err)
{
	const enum sock_fault fault = sock_fault_of(err);

	return fault == SOCK_FAULT_REFUSED || fault == SOCK_FAULT_RESET ||
	       fault == SOCK_FAULT_ABSENT || err == -ESHUTDOWN;
}

static void note_result(struct session *s, int err)
{
	struct pool_counters *c = session_pool_counters(s);
	struct backend_report report = {
		.err = err,
		.detail = err == -EPROTO ? s->detail : NULL,
		.now_ms = now_of(s),
	};

	report.change = pool_on_connect(s->pool, s->backend, health_result_of(err), report.now_ms);
	if (is_doubtful(err))
		pool_doubt(s->backend);
	counters_add(err < 0 ? &c->failed[reason_of_connect(err)] : &c->connected, 1);
	if (report.change != HEALTH_SAME)
		backend_report_change(s->pool, s->backend, &report);
}

/* Has the address that was connected from run out of ports, and is there another one? */
static bool has_another_local_addr(struct session *s)
{
	size_t addrs = MIN(pool_config(s->pool)->local_addrs_n, LOCAL_ADDRS_TRIED_MAX);

	if (s->dial_error == -EADDRNOTAVAIL && ++s->local_addrs_failed < addrs)
		return true;
	s->local_addrs_failed = 0;
	return false;
}

/* This backend has failed: the session never tries it again, and tries the next. */
static void dial_abandon_try(struct session *s)
{
	struct side *side = backend_side(s);

	side_cancel(side);
	if (side_has_ops(side))
		return;
	s->is_abandoning = false;
	side_abandon(side);
	if (has_another_local_addr(s)) {
		dial_connect(s);
		return;
	}
	if (s->protocol && s->protocol->leaves) {
		s->protocol->leaves = false;
		dial_release(s);
		dial_begin(s);
		return;
	}
	note_result(s, s->dial_error);
	s->waiter.ask.tried[s->waiter.ask.tried_n++] = (uint16_t)s->backend->index;
	if (choose_has_tries_left(s))
		atomic_fetch_add(&s->backend->retries, 1);
	dial_release(s);
	if (cancel_fanout_is_on(s) && !cancel_fanout_goes_on(s))
		session_enter(s, SESSION_CANCELLING); /* which is over */
	else
		dial_next(s);
}

/* Why its TLS has ended is a text of the stream, which goes; the reason stays with the session. */
static void keep_reason(struct session *s)
{
	const struct tls_stream *tls = backend_side(s)->tls;

	if (tls && s->detail == tls_stream_reason(tls))
		conn_info_note_detail(s, s->detail);
}

/* It is over with this backend, for 0 after all went well. */
static void dial_end_try(struct session *s, int err)
{
	CHECK(!s->is_abandoning);
	keep_reason(s);
	s->is_abandoning = true;
	s->awaits_greeting = false;
	s->dial_error = err;
	session_tell_try(s, err);
	list_remove(&s->turn);
	timer_stop(&s->host->loop.timers, &s->timer);
	dial_abandon_try(s);
}

static void dial_failed(struct session *s, int err)
{
	enum close_reason why = reason_of_connect(err);

	CHECK(s->phase == SESSION_DIALING);
	if (s->is_abandoning)
		return;
	if (why == CLOSE_NO_RESOURCES || why == CLOSE_CONNECT_FAILED)
		conn_info_note_detail(s, strerrorname_np(-err));
	dial_end_try(s, err);
}

/* At the beginning of each handler of the backend's ops: true when the try is over. */
static bool is_try_over(struct session *s)
{
	bool was_abandoning = s->is_abandoning;

	if (was_abandoning)
		dial_abandon_try(s);
	return was_abandoning;
}

/* ---- one try ------------------------------------------------------------- */

static void dial_begin_to_relay(struct session *s)
{
	s->detail = NULL;
	note_result(s, 0);
	histogram_add(&session_pool_counters(s)->connect_time, now_of(s) - s->dialing_ms);
	if (backend_side(s)->tls && tls_stream_is_resumed(backend_side(s)->tls))
		counters_add(&session_pool_counters(s)->tls_resumed, 1);
	choose_hold(s);
	session_enter(s, SESSION_RELAYING);
}

static void dial_done(struct session *s)
{
	if (!s->awaits_greeting && greeting_is_due(s)) {
		greeting_await(s);
		return;
	}
	s->awaits_greeting = false;
	timer_stop(&s->host->loop.timers, &s->timer);
	s->dial_error = 0;
	if (cancel_fanout_is_on(s))
		session_enter(s, SESSION_CANCELLING);
	else if (s->protocol && s->protocol->exchange != EXCHANGE_NONE)
		session_enter(s, SESSION_NEGOTIATING);
	else
		dial_begin_to_relay(s);
}

static void dial_act_on(struct session *s, enum step_verdict verdict, const struct opening *opening)
{
	(void)side_push(backend_side(s));
	if (verdict == STEP_READY) {
		dial_done(s);
	} else if (verdict == STEP_REFUSE) {
		if (opening->detail)
			conn_info_note_detail(s, opening->detail);
		dial_failed(s, opening->err);
	} else {
		side_wait_readable(backend_side(s));
	}
}

/* The buffer is kept to the end: TLS may have read a part, and the relay reads the rest. */
static void read_opening(struct session *s)
{
	struct buf_pool *pool = &s->host->loop.bufs;
	struct buf *buf = buf_get_or_piece(pool, early_share(s));
	int n = -ENOMEM;

	if (buf)
		n = sock_read(backend_side(s)->fd, buf->bytes,
			      (uint32_t)MIN(attempt_wants(s), buf_room(buf)));
	if (n > 0) {
		struct opening opening;
		enum step_verdict verdict = attempt_received(s, buf->bytes, (size_t)n, &opening);

		dial_act_on(s, verdict, &opening);
	} else if (n == -EAGAIN || n == -EINTR) {
		side_wait_readable(backend_side(s));
	} else {
		dial_failed(s, n < 0 ? n : -ECONNRESET);
	}
	if (buf)
		buf_put(pool, buf);
}

static void connect_now(struct session *s)
{
	s->is_backlog_full = false;
	side_connect(backend_side(s), &s->backend->config->addr);
	session_set_look_timer(s, s->try_until_ms);
}

/* The kernel tells nobody when there is room in a unix socket's backlog. */
static void connect_later(struct session *s)
{
	uint64_t pause_ms = (now_of(s) - s->dialing_ms) / 4;

	pause_ms = MIN(MAX(pause_ms, BACKLOG_PAUSE_MIN_MS), BACKLOG_PAUSE_MAX_MS);
	set_timer(s, MIN(now_of(s) + pause_ms, s->try_until_ms));
}

static void wait_for_fd(struct session *s)
{
	fd_reserve_wait(s);
	s->is_backlog_full = false;
	s->try_until_ms = TIMER_NEVER;
	session_set_look_timer(s, s->try_until_ms);
}

static void dial_connect(struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);
	int fd, err;

	do
		err = attempt_open(s, &fd);
	while (fd_is_want(err) && fd_reserve_make_room(s->host));
	if (fd_is_want(err)) {
		wait_for_fd(s);
		return;
	}
	if (err < 0) {
		dial_failed(s, err);
		return;
	}
	s->try_until_ms =
		MIN(now_of(s) + pool->connect_timeout_ms, s->dialing_ms + pool->connect_total_ms);
	side_open(backend_side(s), fd, !addr_is_unix(&s->backend->config->addr));
	connect_now(s);
}

static void dial_on_connected(struct side *side, int err)
{
	struct session *s = side_session(side);
	enum step_verdict verdict;
	struct opening opening;

	if (is_try_over(s))
		return;
	s->is_backlog_full = err == -EAGAIN && !side->is_tcp;
	if (s->is_backlog_full) {
		connect_later(s);
		return;
	}
	if (err == 0 && sock_is_self_connected(side->fd, &s->backend->config->addr))
		err = -ECONNREFUSED; /* by nobody who listens there */
	if (err < 0) {
		dial_failed(s, err);
		return;
	}
	verdict = attempt_begin(s, &opening);
	dial_act_on(s, verdict, &opening);
}

/* ---- all tries ----------------------------------------------------------- */

static void dial_give_up(struct session *s, enum pool_answer answer)
{
	if (s->dial_error < 0)
		refusing_unserved(s, reason_of_connect(s->dial_error), BY_RINGMAIN);
	else if (answer == POOL_ALL_FULL)
		refusing_unserved(s, CLOSE_BACKENDS_FULL, BY_RINGMAIN);
	else
		refusing_unserved(s, CLOSE_NO_BACKEND, BY_RINGMAIN);
}

/*
 * The one backend that a request to cancel wants has as many as it may. Half
 * of the time is for waiting and half for the backend: else all who wait would
 * connect in the last moments, one after the other, and be heard by nobody.
 */
static void wait_to_cancel(struct session *s)
{
	uint64_t until_ms = s->dialing_ms + pool_config(s->pool)->connect_total_ms / 2;

	if (now_of(s) < until_ms) {
		set_timer(s, MIN(now_of(s) + CANCEL_PAUSE_MS, until_ms));
		return;
	}
	s->detail = "too many cancel requests at once";
	session_close(s, CLOSE_BACKENDS_FULL, BY_RINGMAIN);
}

static void wait_in_queue(struct session *s)
{
	session_enter_queue(s);
	session_tell_step(s, "queued", NULL);
	session_set_look_timer(s, s->waiter.node.deadline_ms);
	queued_watch_client(s);
}

static void dial_next(struct session *s)
{
	enum pool_answer answer = choose_backend(s);

	if (cancel_fanout_pinned(s) == 0 &&
	    (answer == POOL_ALL_FULL || (answer == POOL_WAITING && !s->waiter.node.is_held)))
		pool_alert_note_full(runtime_alert(s->host->runtime, s->pool), now_of(s));
	if (s->backend)
		dial_connect(s);
	else if (answer == POOL_WAITING)
		wait_in_queue(s);
	else if (answer == POOL_ALL_FULL && cancel_fanout_pinned(s) != 0)
		wait_to_cancel(s);
	else
		dial_give_up(s, answer);
}

/*
 * From the phase that followed a connection: it is over with that backend, or
 * the client has said what the backend is to have next.
 */
static void dial_come_back(struct session *s)
{
	if (s->dial_error < 0 || cancel_fanout_is_on(s)) {
		dial_end_try(s, s->dial_error);
	} else if (s->protocol->exchange != EXCHANGE_NONE) {
		s->dialing_ms = now_of(s); /* the client's time is not the backends' */
		session_enter(s, SESSION_NEGOTIATING);
	} else {
		dial_begin_to_relay(s);
	}
}

static void dial_begin(struct session *s)
{
	const char *objection;

	s->dialing_ms = now_of(s);
	objection = cancel_fanout_is_on(s) ? cancel_fanout_begin(s) : NULL;
	if (objection) {
		s->detail = objection;
		session_close(s, CLOSE_REFUSED, BY_RINGMAIN);
		return;
	}
	choose_prepare(s);
	dial_next(s);
}

static void dial_entered(struct session *s)
{
	if (s->backend)
		dial_come_back(s);
	else
		dial_begin(s);
}

void dial_served(struct session *s)
{
	struct backend *backend = s->waiter.backend;

	session_note_out_of_queue(s);
	if (s->phase != SESSION_DIALING) {
		dial_release_slot(s, backend);
		session_handlers(s)->returned(s);
		return;
	}
	s->dialing_ms = now_of(s); /* the time in the queue had its own limit */
	s->backend = backend;
	dial_connect(s);
}

/* ---- time ---------------------------------------------------------------- */

/* Which was late: the backend, or this worker, which has not read its answer yet? */
static void try_timed_out(struct session *s)
{
	bool is_ours = !list_is_empty(&s->turn);

	if (s->is_backlog_full)
		conn_info_note_detail(s, "the backlog is full");
	dial_failed(s, is_ours ? -ENOBUFS : -ETIMEDOUT);
}

/* Nobody would hear what came of it: what a held client has asked is not done after it has gone. */
static bool has_left_hold(const struct session *s)
{
	return s->is_queued && s->waiter.node.is_held &&
	       sock_says_no_more(s->sides[SIDE_CLIENT].fd);
}

static void look_at_client(struct session *s, uint64_t until_ms)
{
	if (sock_is_gone(s->sides[SIDE_CLIENT].fd))
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	else if (has_left_hold(s))
		session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
	else if (s->is_backlog_full && !s->is_queued)
		connect_now(s);
	else
		session_set_look_timer(s, until_ms);
}

static void dial_timed_out(struct session *s)
{
	uint64_t until_ms = s->is_queued ? s->waiter.node.deadline_ms : s->try_until_ms;

	if (!s->is_queued && !s->backend) /* a request to cancel waits for its turn */
		dial_next(s);
	else if (now_of(s) < until_ms)
		look_at_client(s, until_ms);
	else if (s->is_queued)
		queued_end(s);
	else if (s->awaits_greeting)
		session_close(s, CLOSE_IDLE, BY_RINGMAIN);
	else
		try_timed_out(s);
}

/* ---- what the ops have come to ------------------------------------------- */

/* The client has heard nothing: where the connection ended instead, another one may serve it. */
static void greeting_came(struct session *s)
{
	if (!sock_has_ended(backend_side(s)->fd)) {
		dial_done(s);
		return;
	}
	conn_info_note_detail(s, "closed before its greeting");
	dial_end_try(s, -ECONNRESET);
}

static void backend_is_readable(struct session *s, int err)
{
	if (is_try_over(s))
		return;
	if (err < 0 && err != -EINTR && err != -EAGAIN)
		dial_failed(s, err);
	else if (s->awaits_greeting)
		greeting_came(s);
	else if (opening_is_costly(s->step))
		session_wait_for_turn(s, true);
	else
		read_opening(s);
}

static void dial_on_readable(struct side *side, int err)
{
	struct session *s = side_session(side);

	if (side->index == SIDE_BACKEND)
		backend_is_readable(s, err);
	else if (s->is_queued)
		queued_look_at_client(s);
}

static void client_was_sent(struct side *client, int res)
{
	if (res < 0 && res != -EINTR)
		session_peer_failed(client, res);
	else
		(void)side_push(client);
}

static void dial_on_sent(struct side *side, int res)
{
	struct session *s = side_session(side);

	if (side->index == SIDE_CLIENT)
		client_was_sent(side, res);
	else if (is_try_over(s))
		return;
	else if (res < 0 && res != -EINTR)
		dial_failed(s, res);
	else
		(void)side_push(side);
}

static void dial_returned(struct session *s)
{
	if (s->is_abandoning)
		dial_abandon_try(s);
}

/* Nothing of it was shown to the client yet: another one may serve it, or it is held. */
static void dial_backend_down(struct session *s)
{
	if (s->awaits_greeting)
		dial_failed(s, -ETIMEDOUT);
}

/* There may be a file again for the socket that could not be opened. */
static void dial_resumed(struct side *side)
{
	struct session *s = side_session(side);

	s->dialing_ms = now_of(s); /* nor is this the backends' time */
	dial_connect(s);
}

const struct phase_handlers dial_handlers = {
	.seeks_backend = true,
	.entered = dial_entered,
	.timed_out = dial_timed_out,
	.turn_came = read_opening,
	.readable = dial_on_readable,
	.connected = dial_on_connected,
	.sent = dial_on_sent,
	.returned = dial_returned,
	.resumed = dial_resumed,
	.backend_down = dial_backend_down,
};
