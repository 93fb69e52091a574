/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/acceptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/sock.h"
#include "session/admission.h"
#include "session/fd_reserve.h"
#include "session/host.h"
#include "state/generation.h"
#include "worker/handover.h"
#include "worker/relisten.h"
#include "worker/session_life.h"

/*
 * A pause for want of room or descriptors: the first is short, it doubles up
 * to the longest while the trouble lasts.
 */
#define PAUSE_FIRST_MS 10
#define PAUSE_LONGEST_MS 100

#define TROUBLE_LOG_MS 1000

/*
 * From when a listening socket takes no more SYNs until it stops, or is closed: handshakes
 * that have begun end meanwhile, and a client asks again after a second.
 */
#define HANDSHAKES_END_MS 900

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
static void acceptor_on_stop_listening(struct timer *timer);
static void acceptor_on_leave(struct timer *timer);
static bool acceptor_try_listen(struct acceptor *a);

void acceptor_open(struct acceptor *a, struct host *host, const struct generation_socket *socket,
		   struct generation *generation)
{
	a->host = host;
	a->listener = socket->listener;
	a->generation = generation;
	a->id = socket->id;
	a->fd = socket->fd;
	a->is_closing = false;
	a->is_tcp = socket->is_tcp;
	a->is_covered = socket->is_covered;
	a->is_leaving = false;
	a->held_fd = -1;
	a->pause_ms = PAUSE_FIRST_MS;
	io_op_init(&a->accept, acceptor_on_accept);
	io_op_init(&a->cancel, acceptor_on_cancelled);
	timer_init(&a->retry, acceptor_on_retry);
	timer_init(&a->stop_listening, acceptor_on_stop_listening);
	timer_init(&a->leave, acceptor_on_leave);
	a->paused = LISTENER_OPEN;
	a->has_stopped = false;
	a->relisten = (struct relisten){ 0 };
	acceptor_arm(a);
	acceptor_apply_pause(a);
}

/* A listener that leaves is what it was in its last generation. */
static const struct listener_config *config_of(const struct acceptor *a)
{
	return generation_listener(a->generation, a->listener->slot)->config;
}

static bool acceptor_may_take_many(const struct acceptor *a)
{
	const struct listener_config *config = config_of(a);
	const struct runtime *runtime = a->host->runtime;
	uint64_t may_come = (uint64_t)config->backlog * runtime->workers_n;

	return runtime_free_slots(runtime, a->listener) >= ROOM_FOR_MANY + may_come &&
	       config->sessions_per_s_max == 0 && !fds_are_short(runtime);
}

static void acceptor_arm(struct acceptor *a)
{
	if (a->accept.in_kernel || a->is_closing || a->held_fd >= 0 || a->has_stopped ||
	    a->paused == LISTENER_WAITS)
		return;
	if (fds_are_short(a->host->runtime))
		acceptor_pause(a);
	else
		io_accept(a->host->loop.ring, &a->accept, a->fd, acceptor_may_take_many(a));
}

static void acceptor_cancel(struct acceptor *a)
{
	if (a->accept.in_kernel && !a->cancel.in_kernel)
		io_cancel(a->host->loop.ring, &a->cancel, &a->accept);
}

/* ---- trouble ------------------------------------------------------------- */

static void acceptor_pause(struct acceptor *a)
{
	counters_add(&a->host->counters->accept_pauses, 1);
	timer_set(&a->host->loop.timers, &a->retry, a->host->loop.now_ms + a->pause_ms);
	a->pause_ms = MIN(a->pause_ms * 2, PAUSE_LONGEST_MS);
}

static void log_trouble(struct acceptor *a, int err)
{
	struct log_line line;
	uint64_t suppressed;

	if (!log_rate_allows(&a->trouble, a->host->loop.now_ms, TROUBLE_LOG_MS, &suppressed))
		return;
	if (!log_begin(&line, LOG_WARN, "cannot accept, trying again"))
		return;
	log_text(&line, "listener", config_of(a)->name);
	log_errno(&line, "error", err);
	log_u64(&line, "suppressed", suppressed);
	log_end(&line);
}

/* The first time that a limit is hit is told; after that the counters tell. */
static void log_full(struct acceptor *a)
{
	const struct listener *l = a->listener;
	struct runtime *runtime = a->host->runtime;
	unsigned own_max = config_of(a)->sessions_max;
	bool is_own = own_max > 0 && atomic_load(&l->sessions) >= own_max;
	struct log_line line;

	if (atomic_exchange(is_own ? &a->listener->was_full : &runtime->was_full, true))
		return;
	if (!log_begin(&line, LOG_WARN, "max_sessions reached, new connections wait"))
		return;
	log_text(&line, "section", is_own ? "listener" : "global");
	log_text(&line, "listener", config_of(a)->name);
	log_u64(&line, "max_sessions", is_own ? own_max : runtime->sessions_max);
	log_end(&line);
}

/* Another worker may have the same socket, and be the first to have stopped it. */
static bool acceptor_is_to_refuse(const struct acceptor *a)
{
	return atomic_load(&a->listener->pause) == LISTENER_REFUSES;
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
		if (!acceptor_is_to_refuse(a))
			log_trouble(a, err);
		acceptor_pause(a);
	}
}

static void acceptor_on_retry(struct timer *timer)
{
	acceptor_resume(container_of(timer, struct acceptor, retry));
}

/* ---- a new connection ---------------------------------------------------- */

/* One more in this second? If not, says when to ask again. */
static bool is_in_time(struct acceptor *a, uint64_t *ret_wait_ns)
{
	unsigned per_second = config_of(a)->sessions_per_s_max;
	const struct bucket_rate rate = { .per_second = per_second, .burst = MAX(per_second, 1) };
	uint64_t now_ns = clock_now_ns();

	if (per_second == 0 || bucket_shared_take(&a->listener->new_sessions, &rate, 1, now_ns))
		return true;
	*ret_wait_ns = bucket_shared_wait_ns(&a->listener->new_sessions, &rate, 1, now_ns);
	return false;
}

static void reject_connection(struct acceptor *a, int fd, uint32_t source)
{
	sock_close_abort(fd);
	admission_leave(a->listener, source);
}

/* It stays accepted and unserved until there is room for it, and with it all behind it wait. */
static void hold_connection(struct acceptor *a, const struct accepted *accepted)
{
	if (a->held_fd >= 0) { /* other workers took the room that this accept was for */
		reject_connection(a, accepted->fd, accepted->source);
		return;
	}
	a->held_fd = accepted->fd;
	a->held_source = accepted->source;
}

/* False when the client was rejected. Behind a proxy its address is not known yet: see preread. */
static bool is_admitted(struct acceptor *a, int fd, uint32_t *ret_source)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	enum admission answer;
	struct addr client;

	*ret_source = ADMISSION_NO_SOURCE;
	if (!admission_asks(a->host, a->listener) ||
	    config_of(a)->proxy_protocol != PROXY_HEADER_OFF)
		return true;
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0) {
		close(fd); /* it has gone already */
		return false;
	}
	addr_from_sockaddr(&client, (struct sockaddr *)&ss, len);
	addr_unmap(&client);
	answer = admission_ask(a->host, a->listener, &client, ret_source);
	if (answer == ADMISSION_GRANTED)
		return true;
	admission_reject(a->listener, fd, answer);
	return false;
}

static void wait_for_room(struct acceptor *a, const struct accepted *accepted)
{
	log_full(a);
	hold_connection(a, accepted);
	acceptor_pause(a);
}

/* Was it accepted before it was known that files are short? One may wait, and no more. */
static bool has_to_wait_for_files(const struct acceptor *a)
{
	return !a->is_closing && a->held_fd < 0 && fds_are_short(a->host->runtime);
}

/* Makes a session of who may come in, once its listener has room for one more and it is time. */
static void admit_connection(struct acceptor *a, const struct accepted *accepted)
{
	struct host *h = a->host;
	uint64_t wait_ns;

	if (runtime_free_slots(h->runtime, a->listener) ==
	    0) { /* asking again shall not use up the rate */
		wait_for_room(a, accepted);
		return;
	}
	if (has_to_wait_for_files(a)) {
		log_trouble(a, -EMFILE);
		hold_connection(a, accepted);
		acceptor_pause(a);
		return;
	}
	if (!is_in_time(a, &wait_ns)) {
		hold_connection(a, accepted);
		timer_set(&h->loop.timers, &a->retry, h->loop.now_ms + wait_ns / NS_PER_MS + 1);
		return;
	}
	if (!runtime_acquire_slot(h->runtime, a->listener)) { /* another worker was faster */
		wait_for_room(a, accepted);
		return;
	}
	a->pause_ms = PAUSE_FIRST_MS;
	handover_give(h, accepted);
}

/*
 * A unix socket cannot listen again once it has stopped; and the clients of one that is covered
 * would come to a listener that is not theirs.
 */
static bool acceptor_refuses_by_hand(const struct acceptor *a)
{
	return !a->is_tcp || a->is_covered;
}

/* A client that is rejected is so at once, whatever is full, and takes no slot. */
static void acceptor_take(struct acceptor *a, int fd)
{
	struct accepted accepted = {
		.listener = a->listener,
		.generation = a->generation,
		.fd = fd,
		.is_tcp = a->is_tcp,
	};

	if (a->paused == LISTENER_REFUSES && acceptor_refuses_by_hand(a))
		sock_close_abort(fd);
	else if (is_admitted(a, fd, &accepted.source))
		admit_connection(a, &accepted);
}

void acceptor_resume(struct acceptor *a)
{
	const struct accepted held = {
		.listener = a->listener,
		.generation = a->generation,
		.fd = a->held_fd,
		.source = a->held_source,
		.is_tcp = a->is_tcp,
	};

	timer_stop(&a->host->loop.timers, &a->retry);
	if (a->relisten.has_failed && !acceptor_try_listen(a))
		return;
	a->held_fd = -1;
	if (held.fd >= 0)
		admit_connection(a, &held);
	acceptor_arm(a);
}

/* ---- the operator's pauses ------------------------------------------------ */

static void acceptor_empty_backlog(struct acceptor *a);

/*
 * It stays bound, so that it can listen again: see listen(2). A handshake that
 * is under way now would be reset; those have had HANDSHAKES_END_MS.
 */
static void acceptor_stop_listening(struct acceptor *a)
{
	if (a->accept.in_kernel || a->cancel.in_kernel)
		return;
	acceptor_empty_backlog(a);
	sock_stop_listening(a->fd);
}

static void acceptor_on_stop_listening(struct timer *timer)
{
	struct acceptor *a = container_of(timer, struct acceptor, stop_listening);

	a->has_stopped = true;
	acceptor_cancel(a);
	acceptor_stop_listening(a);
}

static void acceptor_refuse(struct acceptor *a)
{
	struct loop *loop = &a->host->loop;

	if (acceptor_refuses_by_hand(a) || a->has_stopped)
		return;
	(void)!sock_ignore_syns(a->fd, true);
	timer_set(&loop->timers, &a->stop_listening, loop->now_ms + HANDSHAKES_END_MS);
}

static bool acceptor_try_listen(struct acceptor *a)
{
	a->has_stopped = !relisten_try(&a->relisten, a->fd, a->listener);
	if (a->has_stopped)
		acceptor_pause(a);
	return !a->has_stopped;
}

static void acceptor_listen_again(struct acceptor *a)
{
	timer_stop(&a->host->loop.timers, &a->stop_listening);
	if (!a->is_tcp)
		return;
	(void)!sock_ignore_syns(a->fd, false);
	if (!a->has_stopped)
		return;
	sock_set_nonblocking(a->fd, false);
	(void)acceptor_try_listen(a);
}

void acceptor_apply_pause(struct acceptor *a)
{
	enum listener_pause wanted = atomic_load(&a->listener->pause);

	if (a->is_closing || a->is_leaving || wanted == a->paused)
		return;
	if (a->paused == LISTENER_REFUSES)
		acceptor_listen_again(a);
	a->paused = wanted;
	if (wanted == LISTENER_REFUSES) {
		relisten_forget(&a->relisten, a->listener);
		acceptor_refuse(a);
	}
	if (wanted == LISTENER_WAITS)
		acceptor_cancel(a);
	else if (!timer_is_set(&a->retry))
		acceptor_arm(a);
}

/* ---- another configuration ----------------------------------------------- */

/* One that is held was counted by a listener whose socket this is no more. */
static void let_go_of_source(struct acceptor *a)
{
	if (a->held_fd >= 0)
		admission_leave(a->listener, a->held_source);
	a->held_source = ADMISSION_NO_SOURCE;
}

static void acceptor_change_listener(struct acceptor *a, struct listener *listener)
{
	let_go_of_source(a);
	relisten_move(&a->relisten, a->listener, listener);
	a->listener = listener;
}

/* One that refuses goes on to do so, in the other way. */
static void acceptor_set_covered(struct acceptor *a, bool is_covered)
{
	const bool refuses = a->paused == LISTENER_REFUSES;

	if (refuses)
		acceptor_listen_again(a);
	a->is_covered = is_covered;
	if (refuses)
		acceptor_refuse(a);
	if (refuses && !timer_is_set(&a->retry))
		acceptor_arm(a);
}

void acceptor_pass(struct acceptor *a, const struct generation_socket *socket,
		   struct generation *generation)
{
	if (a->listener != socket->listener)
		acceptor_change_listener(a, socket->listener);
	a->generation = generation;
	if (a->is_covered != socket->is_covered)
		acceptor_set_covered(a, socket->is_covered);
	if (a->held_fd >= 0 || timer_is_set(&a->retry))
		acceptor_resume(a); /* what it waited for may be another limit now */
	else if (!acceptor_may_take_many(a))
		acceptor_cancel(a);
	acceptor_apply_pause(a);
}

/* ---- the end ------------------------------------------------------------- */

/* Closing the socket would reset those who wait in its queue: they become sessions first. */
static void acceptor_empty_backlog(struct acceptor *a)
{
	int fd;

	sock_set_nonblocking(a->fd, true);
	while ((fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		acceptor_take(a, fd);
}

static void acceptor_finish_closing(struct acceptor *a)
{
	if (a->fd < 0 || a->accept.in_kernel || a->cancel.in_kernel)
		return;
	if (!a->host->is_stopping)
		acceptor_empty_backlog(a);
	if (a->paused == LISTENER_REFUSES) /* whoever passed the socket to us still has it */
		acceptor_listen_again(a);
	relisten_forget(&a->relisten, a->listener);
	timer_stop(&a->host->loop.timers, &a->retry);
	timer_stop(&a->host->loop.timers, &a->leave);
	if (a->held_fd >= 0)
		reject_connection(a, a->held_fd, a->held_source);
	a->held_fd = -1;
	close(a->fd);
	a->fd = -1;
}

static void acceptor_on_accept(struct io_op *op, int res, unsigned flags)
{
	struct acceptor *a = container_of(op, struct acceptor, accept);

	if (res >= 0)
		acceptor_take(a, res);
	else if (!a->is_closing && !a->has_stopped)
		acceptor_failed(a, res);
	if (flags & IO_MORE) {
		if (!acceptor_may_take_many(a))
			acceptor_cancel(a);
		return;
	}
	if (a->is_closing)
		acceptor_finish_closing(a);
	else if (a->has_stopped)
		acceptor_stop_listening(a);
	else if (!timer_is_set(&a->retry))
		acceptor_arm(a);
}

static void acceptor_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	struct acceptor *a = container_of(op, struct acceptor, cancel);

	(void)res;
	(void)flags;
	if (!a->is_closing && !a->has_stopped && a->paused != LISTENER_WAITS)
		return;
	acceptor_cancel(a); /* if it came too late for one accept and too early for the next */
	if (a->is_closing)
		acceptor_finish_closing(a);
	else if (a->has_stopped)
		acceptor_stop_listening(a);
}

static void acceptor_on_leave(struct timer *timer)
{
	acceptor_close(container_of(timer, struct acceptor, leave));
}

/* One that refuses has no handshakes to end. */
void acceptor_leave(struct acceptor *a)
{
	struct loop *loop = &a->host->loop;

	if (!a->is_tcp || a->paused == LISTENER_REFUSES || a->has_stopped ||
	    sock_leave_syns(a->fd) < 0) {
		acceptor_close(a);
		return;
	}
	a->is_leaving = true;
	a->paused = LISTENER_OPEN; /* those who waited in its backlog will find no other */
	timer_set(&loop->timers, &a->leave, loop->now_ms + HANDSHAKES_END_MS);
	if (!timer_is_set(&a->retry))
		acceptor_arm(a);
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
