/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_ENGINE_H
#define PROXY_ENGINE_H

/*
 * Everything that one worker owns, and its loop:
 *
 *   wait for completions -> callbacks -> pushes -> timers -> handshakes -> starved -> reap ...
 *
 * One thread creates, runs and destroys an engine. Other threads reach it by
 * its mailbox only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/timer.h"
#include "io/buf.h"
#include "io/ring.h"
#include "net/pipe.h"
#include "proxy/acceptor.h"
#include "proxy/counters.h"
#include "proxy/files.h"
#include "proxy/greet_queue.h"
#include "proxy/mail.h"
#include "proxy/proxy.h"
#include "proxy/session.h"

#define ENGINE_MAIL_MAX 64 /* letters read at a time */
#define ENGINE_PUSHES_MAX 64

struct engine_options {
	struct proxy *proxy;
	unsigned worker;
	struct ring_options ring;
	unsigned buffers;
	unsigned pipes;
	const struct acceptor_socket *sockets; /* to accept on; the engine takes them */
	size_t sockets_n;
	int mail_fd; /* read end of its mailbox; the engine takes it */
};

struct engine {
	struct proxy *proxy;
	unsigned worker;
	struct ring *ring;
	uint64_t now_ms; /* of this turn */
	struct buf_pool bufs;
	struct pipe_pool pipes;
	struct files files;
	struct timers timers;
	struct slab sessions;
	uint64_t sessions_begun;
	uint16_t origin_turns[2]; /* of IPv4 and of IPv6: see origin.h */
	uint64_t epoch; /* when it was started, wall clock: makes ids unique over restarts */
	struct lane *pushes[ENGINE_PUSHES_MAX]; /* see engine_push_later() */
	unsigned pushes_n;
	struct list starved;  /* sides that wait for a buffer */
	struct list reapable; /* sessions that are over */
	/* Sessions whose handshake can go on, and those whose can begin, which come after them. */
	struct list handshakes_begun, handshakes_new;
	struct greet_queue *greet_queues; /* by index of the listener */
	struct list greet_queues_busy;
	struct slab facts;
	struct slab watches; /* struct pgsql_watch */
	struct acceptor *acceptors;
	size_t acceptors_n;
	int mail_fd;
	struct io_op mail_op;
	struct io_op mail_cancel;
	struct mail mail[ENGINE_MAIL_MAX];
	struct log_rate refusals;
	enum worker_order obeyed; /* the last one */
	bool is_draining;
	bool is_stopping;
	bool is_mail_closed;
	struct counters *counters; /* its own */
};

/* On failure gives back everything it took, and in *ret_step the call that failed. */
MUST_CHECK int engine_init(struct engine *engine, const struct engine_options *options,
			   const char **ret_step);
/* Begins to accept and to read its mailbox; @options as they were. */
void engine_start(struct engine *engine, const struct engine_options *options);
/* It has ended its run, or was never started: then the listening sockets stay the caller's. */
void engine_finish(struct engine *engine);

/* Runs until it is drained or stopped and the last session has ended. 0 or -errno of the ring. */
MUST_CHECK int engine_run(struct engine *engine);

/* One round of the loop; waits at most until the next timer. */
MUST_CHECK int engine_turn(struct engine *engine);
/* The part of a turn after the wait. */
void engine_work(struct engine *engine, uint64_t now_ms);
bool engine_is_over(const struct engine *engine);

/* Accept nothing more; or that, and end every session. */
void engine_drain(struct engine *engine);
void engine_stop(struct engine *engine, enum close_reason why);

/*
 * Calls lane_push() when all that has arrived in this turn was received: more
 * may follow of a stream, and one send takes it all.
 */
void engine_push_later(struct engine *engine, struct lane *lane);

/* What this worker counts of @listener. */
static inline struct listener_counters *engine_counters_of(const struct engine *engine,
							   const struct listener *listener)
{
	return &engine->counters->listeners[listener->index];
}

/* And of the session's listener and pool. */
static inline struct listener_counters *session_counters(const struct session *s)
{
	return engine_counters_of(s->engine, s->listener);
}

static inline struct pool_counters *session_pool_counters(const struct session *s)
{
	const struct pool_config *first = s->engine->proxy->config->pools;

	return &s->engine->counters->pools[pool_config(s->pool) - first];
}

/* A session ended: there may be room for one that waits. */
void engine_on_session_end(struct engine *engine);

#endif
