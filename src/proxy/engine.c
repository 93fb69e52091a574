/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "proto/pgsql.h"
#include "proxy/dial.h"
#include "proxy/facts.h"
#include "proxy/greet.h"
#include "proxy/greet_tls.h"
#include "proxy/lane.h"
#include "proxy/side.h"

#define NS_PER_MS 1000000ull

/*
 * Of a turn, after which the relay goes on; one handshake is always done, and
 * the worst kind, with a key of RSA 4096, takes some milliseconds.
 */
#define HANDSHAKES_NS_PER_TURN (1 * NS_PER_MS)

/* How often it is looked whether handshake_rate, or memory, lets another one begin. */
#define GREET_QUEUES_MS 5

/* With nothing to do a turn still ends once in a while. */
#define IDLE_WAIT_MS 60000

static void engine_on_mail(struct io_op *op, int res, unsigned flags);
static void engine_on_mail_cancelled(struct io_op *op, int res, unsigned flags);
static void engine_answer_calls(struct engine *e);

/* ---- create, destroy ----------------------------------------------------- */

static void engine_read_mail(struct engine *e)
{
	io_read(e->ring, &e->mail_op, e->mail_fd, e->mail, sizeof(e->mail));
}

static void open_acceptors(struct engine *e, const struct engine_options *options)
{
	e->acceptors_n = options->sockets_n;
	for (size_t n = 0; n < e->acceptors_n; n++)
		acceptor_open(&e->acceptors[n], e, &options->sockets[n]);
}

static void close_taken(const struct engine_options *options)
{
	for (size_t n = 0; n < options->sockets_n; n++)
		close(options->sockets[n].fd);
	close(options->mail_fd);
}

int engine_init(struct engine *e, const struct engine_options *options, const char **ret_step)
{
	int err;

	*e = (struct engine){
		.proxy = options->proxy,
		.worker = options->worker,
		.mail_fd = options->mail_fd,
		.counters = &options->proxy->counters[options->worker],
		.now_ms = clock_now_ms(),
		.epoch = (uint64_t)time(NULL),
	};
	list_init(&e->starved);
	list_init(&e->reapable);
	list_init(&e->handshakes_begun);
	list_init(&e->handshakes_new);
	list_init(&e->greet_queues_busy);
	timers_init(&e->timers, e->now_ms);
	io_op_init(&e->mail_op, engine_on_mail);
	io_op_init(&e->mail_cancel, engine_on_mail_cancelled);

	*ret_step = "memory";
	err = -ENOMEM;
	e->acceptors = calloc(MAX(options->sockets_n, 1), sizeof(*e->acceptors));
	if (!e->acceptors)
		goto fail;
	e->greet_queues = greet_queues_create(options->proxy->listeners_n);
	if (!e->greet_queues)
		goto fail_acceptors;
	err = slab_init(&e->sessions, sizeof(struct session), options->proxy->sessions_max);
	if (err < 0)
		goto fail_greet_queues;
	err = slab_init(&e->facts, sizeof(struct facts), options->proxy->sessions_max);
	if (err < 0)
		goto fail_sessions;
	err = slab_init(&e->watches, sizeof(struct pgsql_watch), options->proxy->sessions_max);
	if (err < 0)
		goto fail_facts;
	err = buf_pool_init(&e->bufs, options->buffers);
	if (err < 0)
		goto fail_watches;
	err = ring_create(&options->ring, &e->bufs, &e->ring, ret_step);
	if (err < 0)
		goto fail_bufs;

	files_init(e, options->pipes);
	return 0;

fail_bufs:
	buf_pool_finish(&e->bufs);
fail_watches:
	slab_finish(&e->watches);
fail_facts:
	slab_finish(&e->facts);
fail_sessions:
	slab_finish(&e->sessions);
fail_greet_queues:
	free(e->greet_queues);
fail_acceptors:
	free(e->acceptors);
fail:
	close_taken(options);
	return err;
}

void engine_start(struct engine *e, const struct engine_options *options)
{
	engine_read_mail(e);
	open_acceptors(e, options);
}

void engine_finish(struct engine *e)
{
	CHECK(e->sessions.used == 0);
	CHECK(!e->mail_op.in_kernel);
	ring_destroy(e->ring);
	files_finish(e);
	pipe_pool_finish(&e->pipes);
	buf_pool_finish(&e->bufs);
	slab_finish(&e->watches);
	slab_finish(&e->facts);
	slab_finish(&e->sessions);
	free(e->greet_queues);
	free(e->acceptors);
	close(e->mail_fd);
}

/* ---- the loop ------------------------------------------------------------ */

static uint64_t wait_allowed_ns(const struct engine *e)
{
	uint64_t next_ms = timers_next_ms(&e->timers);

	if (!list_is_empty(&e->handshakes_begun) || !list_is_empty(&e->handshakes_new) ||
	    proxy_has_called(e->proxy, e->worker))
		return 0;
	if (!list_is_empty(&e->starved) && ring_buffers_available(e->ring) > 0)
		return 0; /* what ended in this turn left buffers for the next */
	if (!list_is_empty(&e->greet_queues_busy))
		next_ms = MIN(next_ms, e->now_ms + GREET_QUEUES_MS);
	if (next_ms <= e->now_ms)
		return 0;
	return MIN(next_ms - e->now_ms, IDLE_WAIT_MS) * NS_PER_MS;
}

/* As many as can have a buffer now; the others keep their place in the line. */
static void feed_starved(struct engine *e)
{
	unsigned meals = ring_buffers_available(e->ring);
	struct list line;

	list_init(&line);
	list_move_all(&line, &e->starved);
	for (; meals > 0 && !list_is_empty(&line); meals--)
		side_feed(container_of(line.next, struct side, starved));
	while (!list_is_empty(&line)) {
		struct list *node = list_take_first(&line);

		list_append(&e->starved, node);
	}
}

/* One that has begun holds more memory than one that has not, and has waited before. */
static struct session *next_handshake(struct engine *e)
{
	struct list *node = list_take_first(&e->handshakes_begun);

	if (!node)
		node = list_take_first(&e->handshakes_new);
	return node ? container_of(node, struct session, handshake) : NULL;
}

/* One may cost milliseconds, and the relay has no time to lose. */
static void work_on_handshakes(struct engine *e)
{
	struct session *s = next_handshake(e);
	uint64_t until_ns;

	if (!s)
		return;
	ring_submit(e->ring); /* what the relay sends goes out first */
	until_ns = clock_now_ns() + HANDSHAKES_NS_PER_TURN;
	while (s) {
		if (s->phase == SESSION_DIALING)
			dial_work(s);
		else
			greet_work(s);
		s = clock_now_ns() < until_ns ? next_handshake(e) : NULL;
	}
}

void engine_push_later(struct engine *e, struct lane *lane)
{
	if (e->pushes_n > 0 && e->pushes[e->pushes_n - 1] == lane)
		return;
	if (e->pushes_n < ENGINE_PUSHES_MAX)
		e->pushes[e->pushes_n++] = lane;
	else
		lane_push(lane);
}

static void push(struct engine *e)
{
	for (unsigned n = 0; n < e->pushes_n; n++)
		lane_push(e->pushes[n]);
	e->pushes_n = 0;
}

static void reap(struct engine *e)
{
	struct list *node;

	while ((node = list_take_first(&e->reapable)))
		session_reap(container_of(node, struct session, reap));
}

void engine_work(struct engine *e, uint64_t now_ms)
{
	e->now_ms = now_ms;
	ring_dispatch(e->ring);
	engine_answer_calls(e); /* before their timers */
	push(e);
	timers_run(&e->timers, e->now_ms);
	if (!list_is_empty(&e->greet_queues_busy))
		greet_queues_work(e);
	work_on_handshakes(e);
	if (!list_is_empty(&e->starved))
		feed_starved(e);
	reap(e);
}

int engine_turn(struct engine *e)
{
	int err = ring_wait(e->ring, wait_allowed_ns(e));

	if (err == 0)
		engine_work(e, clock_now_ms());
	return err;
}

bool engine_is_over(const struct engine *e)
{
	if (!e->is_draining || proxy_expects_sessions(e->proxy, e->worker))
		return false;
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (!acceptor_is_closed(&e->acceptors[n]))
			return false;
	return true;
}

/* The mailbox is the last to go: a letter in it may carry a socket. */
static int engine_close_mail(struct engine *e)
{
	int err = 0;

	if (e->mail_op.in_kernel)
		io_cancel(e->ring, &e->mail_cancel, &e->mail_op);
	e->is_mail_closed = true;
	while (err == 0 && (e->mail_op.in_kernel || e->mail_cancel.in_kernel))
		err = engine_turn(e);
	return err;
}

int engine_run(struct engine *e)
{
	int err = 0;

	while (err == 0 && !engine_is_over(e))
		err = engine_turn(e);
	return err < 0 ? err : engine_close_mail(e);
}

void engine_on_session_end(struct engine *e)
{
	atomic_fetch_sub(&e->proxy->peers[e->worker].sessions, 1);
	files_on_session_end(e);
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (e->acceptors[n].parked_fd >= 0)
			acceptor_resume(&e->acceptors[n]);
}

/* ---- orders -------------------------------------------------------------- */

void engine_drain(struct engine *e)
{
	if (e->is_draining)
		return;
	e->is_draining = true;
	for (size_t n = 0; n < e->acceptors_n; n++)
		acceptor_close(&e->acceptors[n]);
	proxy_worker_drains(e->proxy);
}

void engine_stop(struct engine *e, enum close_reason why)
{
	e->is_stopping = true;
	engine_drain(e);
	for (uint32_t n = 0; n < e->sessions.touched; n++) {
		struct session *s = slab_at(&e->sessions, n);

		if (s)
			session_close(s, why, BY_RINGMAIN);
	}
}

/* In every turn: the letter that says so may have found no room. */
static void engine_answer_calls(struct engine *e)
{
	struct session *s;

	if (!proxy_has_called(e->proxy, e->worker))
		return;
	s = proxy_take_called(e->proxy, e->worker);
	while (s) {
		struct session *next = s->called_next;

		dial_called(s);
		s = next;
	}
}

static void engine_open_letter(struct engine *e, const struct mail *mail)
{
	switch ((enum mail_kind)mail->kind) {
	case MAIL_SOCKET:
		acceptor_adopt(e, mail);
		break;
	case MAIL_CALLED: /* they are wake-ups: see engine_answer_calls() and engine_obey() */
	case MAIL_ORDER:
		break;
	}
}

/*
 * After every read of the mailbox, whatever was in it: the letter of an order
 * may have found the box full.
 */
static void engine_obey(struct engine *e)
{
	enum worker_order order = atomic_load(&e->proxy->order);

	if (order == e->obeyed)
		return;
	e->obeyed = order;
	if (order == ORDER_DRAIN)
		engine_drain(e);
	else
		engine_stop(e, order == ORDER_STOP ? CLOSE_SHUTDOWN : CLOSE_DRAIN_TIMEOUT);
}

static void engine_on_mail(struct io_op *op, int res, unsigned flags)
{
	struct engine *e = container_of(op, struct engine, mail_op);

	(void)flags;
	for (int n = 0; n < res / (int)sizeof(struct mail); n++)
		engine_open_letter(e, &e->mail[n]);
	engine_obey(e);
	if (!e->is_mail_closed)
		engine_read_mail(e);
}

static void engine_on_mail_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}
