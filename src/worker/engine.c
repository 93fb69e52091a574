/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "dial/dial.h"
#include "preread/preread.h"
#include "preread/waiting.h"
#include "protocol/registry.h"
#include "relay/lane.h"
#include "session/conn_info.h"
#include "session/exit.h"
#include "session/fd_reserve.h"
#include "session/refusing.h"
#include "session/side.h"
#include "state/generation.h"
#include "state/peers.h"
#include "state/query.h"
#include "worker/answer.h"
#include "worker/evict.h"
#include "worker/handover.h"
#include "worker/session_life.h"

#define NS_PER_MS 1000000ull

/*
 * Of a turn, after which the relay goes on; one handshake is always done, and
 * the worst kind, with a key of RSA 4096, takes some milliseconds.
 */
#define HANDSHAKES_NS_PER_TURN (1 * NS_PER_MS)

/* How often it is looked whether handshake_rate, or memory, lets another one go on. */
#define WAITING_LOOK_MS 5

static struct engine *engine_of(struct loop *loop)
{
	return container_of(loop, struct engine, host.loop);
}

/* ---- a turn -------------------------------------------------------------- */

/* Its next turn finds them, too, if the message that says so found no room. */
static bool has_served(const struct host *h)
{
	return atomic_load_explicit(&h->runtime->peers[h->worker].served, memory_order_relaxed);
}

static uint64_t engine_wait_until_ms(const struct loop *loop)
{
	const struct host *h = container_of(loop, struct host, loop);

	if (!list_is_empty(&h->turns_begun) || !list_is_empty(&h->turns_new) || has_served(h))
		return 0;
	if (!list_is_empty(&h->waiting_for_buffer) && ring_buffers_available(loop->ring) > 0)
		return 0; /* what ended in this turn left buffers for the next */
	if (!list_is_empty(&h->waiting_busy))
		return loop->now_ms + WAITING_LOOK_MS;
	return h->evict.next_ms;
}

/* Before their timers. */
static void take_served(struct host *h)
{
	struct pool_waiter *waiter = peers_take_served(h->runtime, h->worker);

	while (waiter) {
		struct pool_waiter *next = waiter->served_next;

		dial_served(container_of(waiter, struct session, waiter));
		waiter = next;
	}
}

static void engine_completed(struct loop *loop)
{
	struct host *h = container_of(loop, struct host, loop);

	if (has_served(h))
		take_served(h);
	if (h->pushes_n > 0)
		lane_push_all(h);
}

/* One that has begun holds more memory than one that has not, and has waited before. */
static struct session *next_handshake(struct host *h)
{
	struct list *node = list_take_first(&h->turns_begun);

	if (!node)
		node = list_take_first(&h->turns_new);
	return node ? container_of(node, struct session, turn) : NULL;
}

/* One may cost milliseconds, and the relay has no time to lose. */
static void work_on_handshakes(struct host *h)
{
	struct session *s = next_handshake(h);
	uint64_t until_ns;

	if (!s)
		return;
	ring_submit(h->loop.ring); /* what the relay sends goes out first */
	until_ns = clock_now_ns() + HANDSHAKES_NS_PER_TURN;
	while (s) {
		session_handlers(s)->turn_came(s);
		s = clock_now_ns() < until_ns ? next_handshake(h) : NULL;
	}
}

/* As many as can have a buffer now; the others stay in order. */
static void hand_out_buffers(struct host *h)
{
	unsigned buffers = ring_buffers_available(h->loop.ring);
	struct list line;

	list_init(&line);
	list_move_all(&line, &h->waiting_for_buffer);
	for (; buffers > 0 && !list_is_empty(&line); buffers--)
		side_resume(container_of(line.next, struct side, waiting));
	while (!list_is_empty(&line)) {
		struct list *node = list_take_first(&line);

		list_append(&h->waiting_for_buffer, node);
	}
}

/* There may be room for a connection that was accepted and is held. */
static void on_session_end(struct engine *e)
{
	struct host *h = &e->host;

	atomic_fetch_sub(&h->runtime->peers[h->worker].sessions, 1);
	fd_reserve_on_session_end(h);
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (e->acceptors[n].held_fd >= 0)
			acceptor_resume(&e->acceptors[n]);
}

static void reap_sessions(struct engine *e)
{
	struct list *node;

	while ((node = list_take_first(&e->host.reapable))) {
		session_end(container_of(node, struct session, reap));
		on_session_end(e);
	}
}

/* The last sockets of older generations may have been closed: no session begins in these. */
static void note_passed(struct engine *e)
{
	struct host *h = &e->host;

	for (size_t n = 0; n < e->acceptors_n; n++) {
		const struct acceptor *a = &e->acceptors[n];

		if (a->generation != e->generation && !acceptor_is_closed(a))
			return;
	}
	e->is_passing = false;
	atomic_store(&h->runtime->peers[h->worker].generation, e->generation->number);
}

/* For who looks from another thread. */
static void show_usage(struct host *h)
{
	struct counters *c = h->counters;

	counters_set(&c->completions, h->loop.completions);
	counters_set(&c->buffers, h->loop.bufs.count);
	counters_set(&c->buffers_used, h->loop.bufs.count - ring_buffers_available(h->loop.ring));
	counters_set(&c->pieces_bytes, h->loop.bufs.pieces_bytes);
	counters_set(&c->pipes, h->pipes.open_n);
	counters_set(&c->pipes_used, h->pipes.open_n - h->pipes.free_n);
}

static void engine_turned(struct loop *loop)
{
	struct engine *e = engine_of(loop);
	struct host *h = &e->host;

	counters_add(&h->counters->turns, 1);
	if (!list_is_empty(&h->waiting_busy))
		preread_work(h);
	work_on_handshakes(h);
	if (h->evict.next_ms <= h->loop.now_ms)
		evict_work(h);
	if (!list_is_empty(&h->waiting_for_buffer))
		hand_out_buffers(h);
	reap_sessions(e);
	show_usage(h);
	if (e->is_passing)
		note_passed(e);
}

static const struct loop_hooks engine_hooks = {
	.wait_until_ms = engine_wait_until_ms,
	.completed = engine_completed,
	.turned = engine_turned,
};

/* ---- orders -------------------------------------------------------------- */

void engine_drain(struct engine *e)
{
	if (e->host.is_draining)
		return;
	e->host.is_draining = true;
	for (size_t n = 0; n < e->acceptors_n; n++)
		acceptor_close(&e->acceptors[n]);
	peers_worker_drains(e->host.runtime);
}

/* Who still waits for a backend is told so, unless there is no time left. */
static void close_last(struct session *s, enum close_reason why)
{
	if (why == CLOSE_DRAIN_TIMEOUT)
		refusing_tell(s, why, BY_RINGMAIN);
	else
		session_close(s, why, BY_RINGMAIN);
}

void engine_stop(struct engine *e, enum close_reason why)
{
	struct slab *sessions = &e->host.sessions;

	e->host.is_stopping = true;
	engine_drain(e);
	for (uint32_t n = 0; n < sessions->touched; n++) {
		struct session *s = slab_at(sessions, n);

		if (s)
			close_last(s, why);
	}
}

/* ---- another generation -------------------------------------------------- */

static const struct generation_socket *sockets_of(const struct engine *e,
						  const struct generation *g)
{
	return g->sockets + g->sockets_n * e->host.worker;
}

static const struct generation_socket *find_socket(const struct engine *e,
						   const struct generation *g, uint64_t id)
{
	const struct generation_socket *all = sockets_of(e, g);
	size_t from = 0, to = g->sockets_n;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (all[middle].id == id)
			return &all[middle];
		if (all[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

static void pass_acceptor(struct engine *e, struct acceptor *a, struct generation *g)
{
	const struct generation_socket *socket = find_socket(e, g, a->id);

	if (!socket || a->is_closing)
		acceptor_close(a);
	else if (socket->is_leaving)
		acceptor_leave(a);
	else
		acceptor_pass(a, socket, g);
}

/* The main thread sees to it that there are no more than that. */
static struct acceptor *free_acceptor(struct engine *e)
{
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (acceptor_is_closed(&e->acceptors[n]))
			return &e->acceptors[n];
	CHECK(e->acceptors_n < e->acceptors_max);
	return &e->acceptors[e->acceptors_n++];
}

static void open_new_sockets(struct engine *e, struct generation *g)
{
	const struct generation_socket *all = sockets_of(e, g);

	for (size_t n = 0; n < g->sockets_n; n++) {
		struct acceptor *a;

		if (!all[n].is_new)
			continue;
		a = free_acceptor(e);
		acceptor_open(a, &e->host, &all[n], g);
		if (e->host.is_draining)
			acceptor_close(a);
	}
}

/* Before a message is looked at: whoever sent it may have passed already. */
static void engine_follow_generation(struct engine *e)
{
	struct generation *g = atomic_load(&e->host.runtime->generation);

	if (g == e->generation)
		return;
	e->generation = g;
	e->is_passing = true;
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (!acceptor_is_closed(&e->acceptors[n]))
			pass_acceptor(e, &e->acceptors[n], g);
	open_new_sockets(e, g);
}

/*
 * After every read of the inbox, whatever was in it: the message of an order
 * may have found it full.
 */
static void engine_follow_order(struct engine *e)
{
	enum worker_order order = atomic_load(&e->host.runtime->order);

	if (order == e->order)
		return;
	e->order = order;
	if (order == ORDER_DRAIN)
		engine_drain(e);
	else
		engine_stop(e, order == ORDER_STOP ? CLOSE_SHUTDOWN : CLOSE_DRAIN_TIMEOUT);
}

static void engine_apply_pauses(struct engine *e)
{
	unsigned pauses = atomic_load(&e->host.runtime->pauses);

	for (size_t n = 0; e->pauses != pauses && n < e->acceptors_n; n++)
		acceptor_apply_pause(&e->acceptors[n]);
	e->pauses = pauses;
}

/* Others have done their work by waking the loop: see take_served(), engine_follow_order(). */
static void engine_on_messages(struct loop_reader *reader, int res)
{
	struct engine *e = container_of(reader, struct engine, inbox);
	/* Taken first: a QUERY_TURN asks for what was ordered before it. */
	struct query *queries = query_take(e->host.runtime, e->host.worker);

	engine_follow_generation(e);
	for (int n = 0; n < res / (int)sizeof(struct message); n++)
		if (e->messages[n].kind == MESSAGE_CONNECTION)
			handover_take(&e->host, &e->messages[n]);
	peers_answer(e->host.runtime, e->host.worker);
	engine_apply_pauses(e);
	answer_queries(&e->host, queries);
	evict_notice(&e->host);
	engine_follow_order(e);
}

/* ---- create, destroy ----------------------------------------------------- */

static void open_acceptors(struct engine *e, const struct engine_options *options)
{
	e->acceptors_n = options->sockets_n;
	e->generation = e->host.runtime->generation;
	for (size_t n = 0; n < e->acceptors_n; n++)
		acceptor_open(&e->acceptors[n], &e->host, &options->sockets[n], e->generation);
}

static void close_taken(const struct engine_options *options)
{
	for (size_t n = 0; n < options->sockets_n; n++)
		close(options->sockets[n].fd);
	close(options->inbox_fd);
}

static int init_slabs(struct host *h)
{
	const struct {
		struct slab *slab;
		size_t bytes;
	} slabs[] = {
		{ &h->sessions, sizeof(struct session) },
		{ &h->infos, sizeof(struct conn_info) },
		{ &h->states, sizeof(struct protocol_state) },
		{ &h->watches, protocol_watch_bytes_max() },
	};
	int err = 0;

	for (size_t n = 0; n < ARRAY_LEN(slabs) && err == 0; n++)
		err = slab_init(slabs[n].slab, slabs[n].bytes, h->runtime->sessions_max);
	return err;
}

static void free_memory(struct engine *e)
{
	struct host *h = &e->host;

	slab_finish(&h->watches);
	slab_finish(&h->states);
	slab_finish(&h->infos);
	slab_finish(&h->sessions);
	free(h->failures);
	free(h->early);
	free(h->waiting);
	free(e->acceptors);
}

/* 0 or -ENOMEM: then free_memory() gives back what there is. */
static int get_memory(struct engine *e, const struct engine_options *options)
{
	struct host *h = &e->host;
	size_t listeners_max = h->runtime->slots_max;

	e->acceptors_max = MAX(MAX(options->sockets_n, options->sockets_max), 1);
	e->acceptors = calloc(e->acceptors_max, sizeof(*e->acceptors));
	h->waiting = waiting_create(listeners_max);
	h->early = calloc(listeners_max, sizeof(*h->early));
	h->failures = calloc(QUERY_FAILURES_MAX, sizeof(*h->failures));
	if (!e->acceptors || !h->waiting || !h->early || !h->failures)
		return -ENOMEM;
	return init_slabs(h);
}

static void init_lists(struct host *h)
{
	list_init(&h->waiting_for_buffer);
	list_init(&h->reapable);
	list_init(&h->turns_begun);
	list_init(&h->turns_new);
	list_init(&h->waiting_busy);
	evict_init(h);
}

int engine_init(struct engine *e, const struct engine_options *options, const char **ret_step)
{
	const struct loop_options loop = {
		.ring = options->ring,
		.buffers = options->buffers,
		.hooks = &engine_hooks,
	};
	int err;

	*e = (struct engine){
		.inbox_fd = options->inbox_fd,
		.host = {
			.runtime = options->runtime,
			.worker = options->worker,
			.phases = session_phases,
			.counters = &options->runtime->counters[options->worker],
			.epoch = (uint64_t)time(NULL),
		},
	};
	init_lists(&e->host);
	*ret_step = "memory";
	err = get_memory(e, options);
	if (err == 0)
		err = loop_init(&e->host.loop, &loop, ret_step);
	if (err < 0) {
		free_memory(e);
		close_taken(options);
		return err;
	}
	fd_reserve_init(&e->host, options->pipes);
	return 0;
}

void engine_start(struct engine *e, const struct engine_options *options)
{
	e->inbox = (struct loop_reader){
		.loop = &e->host.loop,
		.fd = e->inbox_fd,
		.bytes = e->messages,
		.room = sizeof(e->messages),
		.arrived = engine_on_messages,
	};
	loop_reader_start(&e->inbox);
	open_acceptors(e, options);
}

void engine_finish(struct engine *e)
{
	CHECK(e->host.sessions.used == 0);
	CHECK(loop_reader_is_idle(&e->inbox));
	fd_reserve_finish(&e->host);
	pipe_pool_finish(&e->host.pipes);
	loop_finish(&e->host.loop);
	free_memory(e);
	close(e->inbox_fd);
}

/* ---- the loop ------------------------------------------------------------ */

bool engine_is_over(const struct engine *e)
{
	if (!e->host.is_draining || peers_expects_sessions(e->host.runtime, e->host.worker))
		return false;
	for (size_t n = 0; n < e->acceptors_n; n++)
		if (!acceptor_is_closed(&e->acceptors[n]))
			return false;
	return true;
}

/* The inbox is the last to go: a message in it may carry a socket. */
static int close_inbox(struct engine *e)
{
	int err = 0;

	loop_reader_stop(&e->inbox);
	while (err == 0 && !loop_reader_is_idle(&e->inbox))
		err = loop_turn(&e->host.loop);
	return err;
}

int engine_run(struct engine *e)
{
	int err = 0;

	while (err == 0 && !engine_is_over(e))
		err = loop_turn(&e->host.loop);
	query_worker_ends(e->host.runtime, e->host.worker);
	return err < 0 ? err : close_inbox(e);
}
