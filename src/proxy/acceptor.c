/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/sock.h"
#include "proxy/admission.h"
#include "proxy/engine.h"
#include "proxy/files.h"

/*
 * A pause for want of room or descriptors: the first is short, it doubles up
 * to the longest while the trouble lasts.
 */
#define PAUSE_FIRST_MS 10
#define PAUSE_LONGEST_MS 100

#define TROUBLE_LOG_MS 1000

#define NS_PER_MS 1000000ull

/*
 * With less room than this, and than all that may wait in the backlogs of all
 * workers and be accepted in one turn, connections are accepted one at a time,
 * so that the limit is exact and those over it go on waiting.
 */
#define ROOM_FOR_MANY 1024

static void acceptor_arm(struct acceptor *a);
static void acceptor_pause(struct acceptor *a);
static void acceptor_on_accept(struct io_op *op, int res, unsigned flags);
static void acceptor_on_cancelled(struct io_op *op, int res, unsigned flags);
static void acceptor_on_retry(struct timer *timer);

void acceptor_open(struct acceptor *a, struct engine *engine, const struct acceptor_socket *socket)
{
	a->engine = engine;
	a->listener = socket->listener;
	a->listener_index = socket->listener_index;
	a->fd = socket->fd;
	a->is_tcp = socket->is_tcp;
	a->parked_fd = -1;
	a->pause_ms = PAUSE_FIRST_MS;
	io_op_init(&a->accept, acceptor_on_accept);
	io_op_init(&a->cancel, acceptor_on_cancelled);
	timer_init(&a->retry, acceptor_on_retry);
	acceptor_arm(a);
}

static bool acceptor_may_take_many(const struct acceptor *a)
{
	const struct listener_config *config = a->listener->config;
	const struct proxy *proxy = a->engine->proxy;
	uint64_t may_come = (uint64_t)config->backlog * proxy->workers_n;

	return proxy_room(proxy, a->listener) >= ROOM_FOR_MANY + may_come &&
	       config->sessions_per_s_max == 0 && !files_are_short(proxy);
}

static void acceptor_arm(struct acceptor *a)
{
	if (a->accept.in_kernel || a->is_closing || a->parked_fd >= 0)
		return;
	if (files_are_short(a->engine->proxy))
		acceptor_pause(a);
	else
		io_accept(a->engine->ring, &a->accept, a->fd, acceptor_may_take_many(a));
}

static void acceptor_cancel(struct acceptor *a)
{
	if (a->accept.in_kernel && !a->cancel.in_kernel)
		io_cancel(a->engine->ring, &a->cancel, &a->accept);
}

/* ---- trouble ------------------------------------------------------------- */

static void acceptor_pause(struct acceptor *a)
{
	counters_add(&a->engine->counters->accept_pauses, 1);
	timer_set(&a->engine->timers, &a->retry, a->engine->now_ms + a->pause_ms);
	a->pause_ms = MIN(a->pause_ms * 2, PAUSE_LONGEST_MS);
}

static void log_trouble(struct acceptor *a, int err)
{
	struct log_line line;
	uint64_t suppressed;

	if (!log_rate_allows(&a->trouble, a->engine->now_ms, TROUBLE_LOG_MS, &suppressed))
		return;
	if (!log_begin(&line, LOG_WARN, "cannot accept, trying again"))
		return;
	log_text(&line, "listener", a->listener->config->name);
	log_errno(&line, "error", err);
	log_u64(&line, "suppressed", suppressed);
	log_end(&line);
}

/* The first time that a limit is hit is told; after that the counters tell. */
static void log_full(struct acceptor *a)
{
	const struct listener *l = a->listener;
	struct proxy *proxy = a->engine->proxy;
	unsigned own_max = l->config->sessions_max;
	bool is_own = own_max > 0 && atomic_load(&l->sessions) >= own_max;
	struct log_line line;

	if (atomic_exchange(is_own ? &a->listener->was_full : &proxy->was_full, true))
		return;
	if (!log_begin(&line, LOG_WARN, "max_sessions reached, new connections wait"))
		return;
	log_text(&line, "section", is_own ? "listener" : "global");
	log_text(&line, "listener", l->config->name);
	log_u64(&line, "max_sessions", is_own ? own_max : proxy->sessions_max);
	log_end(&line);
}

static void acceptor_failed(struct acceptor *a, int err)
{
	switch (-err) {
	case ECONNABORTED: /* the client left before it was accepted */
	case EPROTO:
	case EINTR:
	case ECANCELED: /* there is no room for many any more */
		return;
	case EAGAIN: /* a worker that drains shares the socket: see acceptor_empty_backlog() */
		acceptor_pause(a);
		return;
	default:
		log_trouble(a, err);
		acceptor_pause(a);
	}
}

static void acceptor_on_retry(struct timer *timer)
{
	acceptor_resume(container_of(timer, struct acceptor, retry));
}

/* ---- a new connection ---------------------------------------------------- */

static void begin(struct engine *e, const struct newcomer *newcomer)
{
	if (!session_start(e, newcomer))
		atomic_fetch_sub(&e->proxy->peers[e->worker].sessions, 1);
}

/* To the worker with the fewest sessions, which may be this one. Its place is taken. */
static void place(struct acceptor *a, const struct newcomer *newcomer)
{
	struct engine *e = a->engine;
	unsigned target = proxy_least_loaded(e->proxy, e->worker);
	struct worker_peer *peer = &e->proxy->peers[target];
	struct mail mail = {
		.kind = MAIL_SOCKET,
		.fd = newcomer->fd,
		.listener = a->listener_index,
		.source = newcomer->source,
		.is_tcp = newcomer->is_tcp,
	};

	atomic_fetch_add(&peer->sessions, 1);
	if (target != e->worker) {
		if (!e->is_draining && mail_send(peer->mail_fd, &mail) == 0) {
			counters_add(&e->counters->handed_over, 1);
			return;
		}
		atomic_fetch_sub(&peer->sessions, 1);
		atomic_fetch_add(&e->proxy->peers[e->worker].sessions, 1);
	}
	begin(e, newcomer);
}

/* One more in this second? If not, says when to ask again. */
static bool is_in_time(struct acceptor *a, uint64_t *ret_wait_ns)
{
	unsigned per_second = a->listener->config->sessions_per_s_max;
	const struct bucket_rate rate = { .per_second = per_second, .burst = MAX(per_second, 1) };
	uint64_t now_ns = clock_now_ns();

	if (per_second == 0 || bucket_shared_take(&a->listener->new_sessions, &rate, 1, now_ns))
		return true;
	*ret_wait_ns = bucket_shared_wait_ns(&a->listener->new_sessions, &rate, 1, now_ns);
	return false;
}

static void send_away(struct acceptor *a, int fd, uint32_t source)
{
	sock_close_abort(fd);
	admission_leave(a->listener, source);
}

/* It stays accepted and unserved until there is room for it, and with it all behind it wait. */
static void park(struct acceptor *a, const struct newcomer *newcomer)
{
	if (a->parked_fd >= 0) { /* other workers took the room that this accept was for */
		send_away(a, newcomer->fd, newcomer->source);
		return;
	}
	a->parked_fd = newcomer->fd;
	a->parked_source = newcomer->source;
}

/* False when the client was turned away. Where a proxy introduces it, it is asked for later. */
static bool is_admitted(struct acceptor *a, int fd, uint32_t *ret_source)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	enum admission answer;
	struct addr client;

	*ret_source = ADMISSION_NO_SOURCE;
	if (!admission_asks(a->listener) || a->listener->config->proxy != PROXY_HEADER_OFF)
		return true;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0) {
		close(fd); /* it has gone already */
		return false;
	}
	addr_from_sockaddr(&client, (struct sockaddr *)&ss, len);
	addr_unmap(&client);
	answer = admission_ask(a->engine, a->listener, &client, ret_source);
	if (answer == ADMISSION_GRANTED)
		return true;
	admission_turn_away(a->listener, fd, answer);
	return false;
}

static void wait_for_room(struct acceptor *a, const struct newcomer *newcomer)
{
	log_full(a);
	park(a, newcomer);
	acceptor_pause(a);
}

/* Was it accepted before it was known that files are short? One may wait, and no more. */
static bool has_to_wait_for_files(const struct acceptor *a)
{
	return !a->is_closing && a->parked_fd < 0 && files_are_short(a->engine->proxy);
}

/* Makes a session of who may come in, once its listener has room for one more and it is time. */
static void seat(struct acceptor *a, const struct newcomer *newcomer)
{
	struct engine *e = a->engine;
	uint64_t wait_ns;

	if (proxy_room(e->proxy, a->listener) == 0) { /* asking again shall not use up the rate */
		wait_for_room(a, newcomer);
		return;
	}
	if (has_to_wait_for_files(a)) {
		log_trouble(a, -EMFILE);
		park(a, newcomer);
		acceptor_pause(a);
		return;
	}
	if (!is_in_time(a, &wait_ns)) {
		park(a, newcomer);
		timer_set(&e->timers, &a->retry, e->now_ms + wait_ns / NS_PER_MS + 1);
		return;
	}
	if (!proxy_admit(e->proxy, a->listener)) { /* another worker was faster */
		wait_for_room(a, newcomer);
		return;
	}
	a->pause_ms = PAUSE_FIRST_MS;
	place(a, newcomer);
}

/* Those who may not come in are none of the listener's: they wait for nothing, nobody for them. */
static void acceptor_take(struct acceptor *a, int fd)
{
	struct newcomer newcomer = { .listener = a->listener, .fd = fd, .is_tcp = a->is_tcp };

	if (is_admitted(a, fd, &newcomer.source))
		seat(a, &newcomer);
}

void acceptor_adopt(struct engine *engine, const struct mail *mail)
{
	const struct newcomer newcomer = {
		.listener = &engine->proxy->listeners[mail->listener],
		.fd = mail->fd,
		.source = mail->source,
		.is_tcp = mail->is_tcp,
	};

	begin(engine, &newcomer);
}

void acceptor_resume(struct acceptor *a)
{
	const struct newcomer parked = {
		.listener = a->listener,
		.fd = a->parked_fd,
		.source = a->parked_source,
		.is_tcp = a->is_tcp,
	};

	timer_stop(&a->engine->timers, &a->retry);
	a->parked_fd = -1;
	if (parked.fd >= 0)
		seat(a, &parked);
	acceptor_arm(a);
}

/* ---- the end ------------------------------------------------------------- */

/* Closing the socket would reset those who wait in its queue: they become sessions first. */
static void acceptor_empty_backlog(struct acceptor *a)
{
	int flags = fcntl(a->fd, F_GETFL);
	int fd;

	if (fcntl(a->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	while ((fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		acceptor_take(a, fd);
}

static void acceptor_finish_closing(struct acceptor *a)
{
	if (a->fd < 0 || a->accept.in_kernel || a->cancel.in_kernel)
		return;
	if (!a->engine->is_stopping)
		acceptor_empty_backlog(a);
	timer_stop(&a->engine->timers, &a->retry);
	if (a->parked_fd >= 0)
		send_away(a, a->parked_fd, a->parked_source);
	a->parked_fd = -1;
	close(a->fd);
	a->fd = -1;
}

static void acceptor_on_accept(struct io_op *op, int res, unsigned flags)
{
	struct acceptor *a = container_of(op, struct acceptor, accept);

	if (res >= 0)
		acceptor_take(a, res);
	else if (!a->is_closing)
		acceptor_failed(a, res);
	if (flags & IO_MORE) {
		if (!acceptor_may_take_many(a))
			acceptor_cancel(a);
		return;
	}
	if (a->is_closing)
		acceptor_finish_closing(a);
	else if (!timer_is_set(&a->retry))
		acceptor_arm(a);
}

static void acceptor_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	struct acceptor *a = container_of(op, struct acceptor, cancel);

	(void)res;
	(void)flags;
	if (!a->is_closing)
		return;
	acceptor_cancel(a); /* if it came too late for one accept and too early for the next */
	acceptor_finish_closing(a);
}

void acceptor_close(struct acceptor *a)
{
	if (a->is_closing)
		return;
	a->is_closing = true;
	acceptor_cancel(a);
	acceptor_finish_closing(a);
}

bool acceptor_is_closed(const struct acceptor *a)
{
	return a->fd < 0;
}
