/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/engine.h"

/*
 * A pause for want of room or descriptors: the first is short, it doubles up
 * to the longest while the trouble lasts.
 */
#define PAUSE_FIRST_MS 10
#define PAUSE_LONGEST_MS 100

#define TROUBLE_LOG_MS 1000

/*
 * With less room than this, connections are accepted one at a time, so that
 * the limit is exact and those over it wait in the kernel's backlog.
 */
#define ROOM_FOR_MANY 1024

static void acceptor_arm(struct acceptor *a);
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

static void acceptor_arm(struct acceptor *a)
{
	struct engine *e = a->engine;

	if (a->accept.in_kernel || a->is_closing || a->parked_fd >= 0)
		return;
	io_accept(e->ring, &a->accept, a->fd, proxy_room(e->proxy, a->listener) >= ROOM_FOR_MANY);
}

/* ---- trouble ------------------------------------------------------------------- */

static void acceptor_pause(struct acceptor *a)
{
	a->engine->counters.accept_pauses++;
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
	case EAGAIN:
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

/* ---- a new connection ------------------------------------------------------------ */

static void begin(struct engine *e, struct listener *listener, int fd, bool is_tcp)
{
	if (session_start(e, listener, fd, is_tcp))
		return;
	proxy_leave(e->proxy, listener);
	atomic_fetch_sub(&e->proxy->peers[e->worker].sessions, 1);
}

/* To the worker with the fewest sessions, which may be this one. Its place is taken. */
static void place(struct acceptor *a, int fd)
{
	struct engine *e = a->engine;
	unsigned target = proxy_least_loaded(e->proxy, e->worker);
	struct worker_peer *peer = &e->proxy->peers[target];
	struct mail mail = {
		.kind = MAIL_SOCKET,
		.fd = fd,
		.listener = a->listener_index,
		.is_tcp = a->is_tcp,
	};

	atomic_fetch_add(&peer->sessions, 1);
	if (target != e->worker) {
		if (!e->is_draining && mail_send(peer->mail_fd, &mail) == 0) {
			e->counters.handed_over++;
			return;
		}
		atomic_fetch_sub(&peer->sessions, 1);
		atomic_fetch_add(&e->proxy->peers[e->worker].sessions, 1);
	}
	begin(e, a->listener, fd, a->is_tcp);
}

static void acceptor_take(struct acceptor *a, int fd)
{
	if (proxy_admit(a->engine->proxy, a->listener)) {
		a->pause_ms = PAUSE_FIRST_MS;
		place(a, fd);
		return;
	}
	log_full(a);
	if (a->parked_fd >= 0) { /* other workers took the room that this accept was for */
		sock_close_abort(fd);
		return;
	}
	a->parked_fd = fd;
	acceptor_pause(a);
}

void acceptor_adopt(struct engine *engine, uint32_t listener_index, int fd, bool is_tcp)
{
	begin(engine, &engine->proxy->listeners[listener_index], fd, is_tcp);
}

void acceptor_resume(struct acceptor *a)
{
	int fd = a->parked_fd;

	timer_stop(&a->engine->timers, &a->retry);
	a->parked_fd = -1;
	if (fd >= 0)
		acceptor_take(a, fd);
	acceptor_arm(a);
}

/* ---- the end ----------------------------------------------------------------------- */

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
		sock_close_abort(a->parked_fd);
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
	if (flags & IO_MORE)
		return;
	if (a->is_closing)
		acceptor_finish_closing(a);
	else if (!timer_is_set(&a->retry))
		acceptor_arm(a);
}

static void acceptor_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	acceptor_finish_closing(container_of(op, struct acceptor, cancel));
}

void acceptor_close(struct acceptor *a)
{
	if (a->is_closing)
		return;
	a->is_closing = true;
	if (a->accept.in_kernel)
		io_cancel(a->engine->ring, &a->cancel, &a->accept);
	acceptor_finish_closing(a);
}

bool acceptor_is_closed(const struct acceptor *a)
{
	return a->fd < 0;
}
