/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One try is: pick -> socket -> connect -> preamble (dial_preamble.c) -> the
 * session relays. A try that fails gives back everything, waits for the
 * kernel where it must, and makes room for the next.
 */
#include "proxy/dial.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "net/sock_error.h"
#include "proxy/alarm.h"
#include "proxy/ask_around.h"
#include "proxy/choose.h"
#include "proxy/crypt.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/files.h"
#include "proxy/lane.h"
#include "proxy/origin.h"
#include "proxy/report.h"
#include "proxy/side.h"
#include "tls/stream.h"

/* Addresses to connect from (source) that are tried for one backend. */
#define ORIGINS_TRIED_MAX 16

/*
 * While a session dials, or stands in the queue, what its client says stays in
 * the client's socket. So often it is looked whether the client is still there.
 */
#define CLIENT_LOOK_MS 500

/*
 * How soon a unix socket with a full backlog is asked again: a quarter of the
 * time that it has lasted, within these bounds.
 */
#define BACKLOG_PAUSE_MIN_MS 2
#define BACKLOG_PAUSE_MAX_MS 50

static void dial_connect(struct session *s);
static void connect_now(struct session *s);
static void wait_in_queue(struct session *s);
static void dial_on_connect(struct io_op *op, int res, unsigned flags);
static void queue_on_client(struct io_op *op, int res, unsigned flags);

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

/* Gives a place back, to whoever waits for one. */
static void give_back(struct session *s, struct backend *backend)
{
	if (backend == s->wanted)
		pool_release_beyond(s->pool, backend);
	else
		pool_release(s->pool, backend);
	proxy_call_waiting(s->engine->proxy, s->pool, s->engine->now_ms);
}

void dial_release(struct session *s)
{
	if (s->backend)
		give_back(s, s->backend);
	s->backend = NULL;
}

static enum close_reason reason_of(int err)
{
	switch (sock_fault_of(err)) {
	case SOCK_FAULT_LOCAL:
		return CLOSE_NO_RESOURCES;
	case SOCK_FAULT_REFUSED:
		return CLOSE_CONNECT_REFUSED;
	case SOCK_FAULT_TIMEOUT:
		return CLOSE_CONNECT_TIMEOUT;
	case SOCK_FAULT_TLS:
		return CLOSE_BACKEND_TLS;
	default:
		return CLOSE_CONNECT_FAILED;
	}
}

static void set_look_timer(struct session *s, uint64_t until_ms)
{
	timer_set(&s->engine->timers, &s->timer, MIN(until_ms, s->engine->now_ms + CLIENT_LOOK_MS));
}

static void look_at_client(struct session *s, uint64_t until_ms)
{
	if (sock_is_gone(s->sides[SIDE_CLIENT].fd))
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	else if (s->is_backlog_full && !s->is_queued)
		connect_now(s);
	else
		set_look_timer(s, until_ms);
}

/* ---- one try ------------------------------------------------------------- */

static void count_try(struct session *s, int err)
{
	struct pool_counters *c = session_pool_counters(s);

	counters_add(err < 0 ? &c->failed[reason_of(err)] : &c->connected, 1);
}

static void note_result(struct session *s, int err)
{
	struct report report = {
		.err = err,
		.detail = err == -EPROTO ? s->detail : NULL,
		.now_ms = s->engine->now_ms,
	};

	report.change = pool_on_connect(s->pool, s->backend, health_result_of(err), report.now_ms);
	count_try(s, err);
	if (report.change != HEALTH_SAME)
		report_change(s->pool, s->backend, &report);
}

/* Has the address that was connected from run out of ports, and is there another one? */
static bool has_another_origin(struct session *s)
{
	size_t origins = MIN(pool_config(s->pool)->local_addrs_n, ORIGINS_TRIED_MAX);

	if (s->dial_error == -EADDRNOTAVAIL && ++s->origins_failed < origins)
		return true;
	s->origins_failed = 0;
	return false;
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
	if (has_another_origin(s)) {
		dial_connect(s);
		return;
	}
	note_result(s, s->dial_error);
	s->waiter.ask.tried[s->waiter.ask.tried_n++] = (uint16_t)s->backend->index;
	dial_release(s);
	if (s->is_cancel)
		ask_around_go_on(s);
	else
		dial_next(s);
}

void dial_leave(struct session *s, int err)
{
	CHECK(!s->is_retiring);
	s->is_retiring = true;
	s->dial_error = err;
	list_remove(&s->handshake);
	timer_stop(&s->engine->timers, &s->timer);
	dial_retire(s);
}

void dial_failed(struct session *s, int err)
{
	CHECK(s->phase == SESSION_DIALING);
	if (s->is_retiring)
		return;
	if (reason_of(err) == CLOSE_NO_RESOURCES || reason_of(err) == CLOSE_CONNECT_FAILED)
		dial_note_detail(s, strerrorname_np(-err));
	dial_leave(s, err);
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

	if (s->is_cancel) {
		ask_around_tell(s);
		return;
	}
	timer_stop(&s->engine->timers, &s->timer);
	side->recv.done = lane_on_recv;
	side->send.done = lane_on_send;
	note_result(s, 0);
	s->dial_error = 0;
	s->detail = NULL;
	choose_hold(s);
	session_relay(s);
}

/* What a short session needs; the rest follows when it has lasted: see dial_settle(). */
static const struct sock_options first_options = { .nodelay = true, .resets = true };

void dial_settle(struct session *s)
{
	const struct sock_options options = { .keepalive = s->listener->config->keepalive };
	const char *step;

	/* Without them a dead backend is noticed later, by the idle timer: no reason to end. */
	(void)!sock_set_options(backend_side(s)->fd, &s->backend->config->addr, &options, &step);
}

/* Where to connect from, where that is not for the kernel to say. 0 or -errno. */
static int set_source(struct session *s, int fd, const char **ret_step)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr *backend = &s->backend->config->addr;
	uint16_t *next = &s->engine->origin_turns[addr_family(backend) == AF_INET6];
	uint16_t *turn = s->origins_failed > 0 ? &s->origin_turn : next;
	struct addr client;
	int err;

	addr_lengthen(&client, &s->client);
	if (pool->is_transparent && client.len > 0 && !addr_is_unix(backend) &&
	    addr_family(&client) == addr_family(backend)) {
		addr_set_port(&client, 0);
		return sock_set_source(fd, &client, true, ret_step);
	}
	err = origin_set(pool, backend, turn, fd, ret_step);
	s->origin_turn = *turn;
	return err;
}

/* Gives a socket fit for the session's backend. 0 or -errno. */
static int open_socket(struct session *s, int *ret_fd)
{
	uint64_t bandwidth = s->listener->config->bandwidth_bytes_per_s;
	struct sock_options options = first_options;
	const char *step;
	int err;

	options.segment_bytes = sock_paced_segment(bandwidth);
	err = sock_dialer(&s->backend->config->addr, &options, ret_fd, &step);
	if (err < 0)
		return err;
	if (bandwidth > 0)
		(void)!sock_set_pacing(*ret_fd, bandwidth);
	err = set_source(s, *ret_fd, &step);
	if (err < 0) {
		dial_note_detail(s, step);
		close(*ret_fd);
	}
	return err;
}

static void connect_now(struct session *s)
{
	struct side *side = backend_side(s);
	struct engine *e = s->engine;

	s->is_backlog_full = false;
	side->send.done = dial_on_connect;
	io_connect(e->ring, &side->send, side->fd, &s->backend->config->addr);
	set_look_timer(s, s->try_until_ms);
}

static void dial_connect(struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);
	const struct addr *addr = &s->backend->config->addr;
	struct side *side = backend_side(s);
	struct engine *e = s->engine;
	int fd, err;

	do
		err = open_socket(s, &fd);
	while (files_is_want(err) && files_make_room(e));
	if (files_is_want(err)) {
		files_wait(s);
		s->is_backlog_full = false;
		s->try_until_ms = TIMER_NEVER;
		set_look_timer(s, s->try_until_ms);
		return;
	}
	if (err < 0) {
		dial_failed(s, err);
		return;
	}
	s->dial_answer = 0;
	s->try_until_ms =
		MIN(e->now_ms + pool->connect_timeout_ms, s->dialing_ms + pool->connect_total_ms);
	side_open(side, fd, !addr_is_unix(addr));
	connect_now(s);
}

/* The kernel tells nobody when there is room in a unix socket's backlog. */
static void connect_later(struct session *s)
{
	struct engine *e = s->engine;
	uint64_t pause_ms = (e->now_ms - s->dialing_ms) / 4;

	pause_ms = MIN(MAX(pause_ms, BACKLOG_PAUSE_MIN_MS), BACKLOG_PAUSE_MAX_MS);
	timer_set(&e->timers, &s->timer, MIN(e->now_ms + pause_ms, s->try_until_ms));
}

static void dial_on_connect(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);
	struct session *s = side_session(side);

	(void)flags;
	if (dial_op_returned(s))
		return;
	s->is_backlog_full = res == -EAGAIN && !side->is_tcp;
	if (s->is_backlog_full) {
		connect_later(s);
		return;
	}
	if (res == 0 && sock_is_self_connected(side->fd, &s->backend->config->addr))
		res = -ECONNREFUSED; /* by nobody who listens there */
	if (res < 0)
		dial_failed(s, res);
	else
		dial_preamble(s);
}

/* What was late: the backend, or we, who have its answer and did not come to read it? */
static void try_timed_out(struct session *s)
{
	bool is_ours = !list_is_empty(&s->handshake);

	if (s->is_backlog_full)
		dial_note_detail(s, "the backlog is full");
	dial_failed(s, is_ours ? -ENOBUFS : -ETIMEDOUT);
}

void dial_on_deadline(struct session *s)
{
	uint64_t until_ms = s->is_queued ? s->waiter.node.deadline_ms : s->try_until_ms;

	if (!s->is_queued && !s->backend)
		ask_around_on_timer(s);
	else if (s->engine->now_ms < until_ms)
		look_at_client(s, until_ms);
	else if (s->is_queued)
		session_close(s, CLOSE_QUEUE_TIMEOUT, BY_RINGMAIN);
	else
		try_timed_out(s);
}

void dial_extend(struct session *s, uint64_t until_ms)
{
	s->try_until_ms = until_ms;
	set_look_timer(s, until_ms);
}

void dial_note_detail(struct session *s, const char *why)
{
	struct facts *facts = facts_of(s);

	if (!facts)
		return;
	snprintf(facts->dial_detail, sizeof(facts->dial_detail), "%s", why);
	s->detail = facts->dial_detail;
}

/* ---- all tries ----------------------------------------------------------- */

static void dial_give_up(struct session *s, enum pool_answer answer)
{
	if (s->dial_error < 0)
		session_close(s, reason_of(s->dial_error), BY_RINGMAIN);
	else if (answer == POOL_ALL_FULL)
		session_close(s, CLOSE_BACKENDS_FULL, BY_RINGMAIN);
	else
		session_close(s, CLOSE_NO_BACKEND, BY_RINGMAIN);
}

void dial_next(struct session *s)
{
	enum pool_answer answer = choose_backend(s);

	if (!s->wanted && (answer == POOL_ALL_FULL || answer == POOL_WAITING))
		alarm_note_full(proxy_alarm(s->engine->proxy, pool_config(s->pool)),
				s->engine->now_ms);
	if (s->backend)
		dial_connect(s);
	else if (answer == POOL_WAITING)
		wait_in_queue(s);
	else if (answer == POOL_ALL_FULL && s->wanted)
		ask_around_wait(s);
	else
		dial_give_up(s, answer);
}

/* ---- the queue ----------------------------------------------------------- */

/* Of the client in the queue, which may wait for long: that it speaks, ends or dies. */
static void watch_client(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];

	if (client->recv.in_kernel)
		return;
	client->recv.done = queue_on_client;
	io_poll(s->engine->ring, &client->recv, client->fd, POLLIN | POLLRDHUP);
}

static bool has_said_something(struct session *s)
{
	return !buf_queue_is_empty(&backend_side(s)->waiting);
}

/* In TLS it has to be read whether it says good-bye. */
static void read_first_word(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct lane *up = &s->lanes[LANE_UP];
	struct buf *buf;
	int n;

	buf = buf_get_or_piece(&s->engine->bufs, &greet_queue_of(s)->share);
	n = buf ? sock_read(client->fd, buf->bytes, greet_queue_room(s, buf_room(buf))) : 0;
	if (n <= 0) { /* there is no memory for it: it is looked at now and then */
		if (buf)
			buf_put(&s->engine->bufs, buf);
		return;
	}
	buf->end = (uint32_t)n;
	crypt_received(up, buf);
	if (s->is_queued && up->state == LANE_OPEN && !has_said_something(s))
		watch_client(s);
}

static void queue_look_at_client(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		watch_client(s);
	else if (n < 0 || sock_is_gone(client->fd))
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	else if (client->tls && n == 0)
		crypt_ended(&s->lanes[LANE_UP]);
	else if (n == 0)
		dial_on_client_end(s);
	else if (client->tls && !has_said_something(s))
		read_first_word(s);
}

static void queue_on_client(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, recv));

	(void)res;
	(void)flags;
	op->done = lane_on_recv;
	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (s->phase == SESSION_RELAYING)
		lane_pull(&s->lanes[LANE_UP]);
	else if (s->is_queued)
		queue_look_at_client(s);
}

static void wait_in_queue(struct session *s)
{
	s->is_queued = true;
	set_look_timer(s, s->waiter.node.deadline_ms);
	if (s->lanes[LANE_UP].state == LANE_OPEN)
		watch_client(s);
	else
		dial_on_client_end(s);
}

void dial_called(struct session *s)
{
	struct backend *backend = s->waiter.backend;

	CHECK(s->is_queued);
	s->is_queued = false;
	if (s->phase == SESSION_CLOSING) {
		give_back(s, backend);
		session_op_returned(s);
		return;
	}
	s->dialing_ms = s->engine->now_ms; /* the time in the queue had its own limit */
	s->backend = backend;
	dial_connect(s);
}

void dial_resume(struct session *s)
{
	CHECK(s->phase == SESSION_DIALING);
	s->dialing_ms = s->engine->now_ms; /* nor is this the backends' time */
	dial_connect(s);
}

void dial_leave_queue(struct session *s)
{
	if (s->is_queued && pool_leave(s->pool, &s->waiter))
		s->is_queued = false; /* else it is being called: the word is on its way */
}

void dial_on_client_end(struct session *s)
{
	if (s->is_queued && !has_said_something(s))
		session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
}

void dial_start(struct session *s)
{
	session_enter(s, SESSION_DIALING);
	s->dialing_ms = s->engine->now_ms;
	choose_prepare(s);
	dial_next(s);
}
