/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_HOST_H
#define SESSION_HOST_H

/*
 * What a worker has for its sessions: the loop, memory, lists of those that
 * wait, counters. One thread owns it. What the worker does with it is in
 * worker/engine.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/list.h"
#include "base/log.h"
#include "base/slab.h"
#include "io/loop.h"
#include "net/pipe.h"
#include "session/session.h"
#include "state/generation.h"
#include "state/runtime.h"

#define HOST_PUSHES_MAX 64

struct session_facts;
struct waiting;

/* See session/fd_reserve.h. */
struct fd_reserve {
	struct list waiting; /* sides of backends that are to be dialed, in order */
	struct timer retry;
	int spare_fd;       /* -1: it is in use */
	unsigned pipes_max; /* when there are enough */
	bool is_short;      /* counted in runtime.workers_short */
	struct log_rate warned;
};

struct host {
	struct loop loop;
	struct runtime *runtime;
	unsigned worker;
	/* By enum session_phase. */
	const struct phase_handlers *const *phases;
	struct pipe_pool pipes;
	struct fd_reserve fds;
	struct slab sessions;
	struct slab infos;       /* struct conn_info */
	struct slab states;      /* struct protocol_state */
	struct slab watches;     /* protocol_state.watch */
	struct buf_share *early; /* of each listener: see session/early_bytes.h */
	uint64_t sessions_begun;
	struct session_facts *failures; /* the last QUERY_FAILURES_MAX of them */
	uint64_t failures_n;            /* ever */
	uint16_t local_addr_turns[2];   /* of IPv4 and of IPv6: see local_addr.h */
	uint64_t epoch; /* when it was started, wall clock: makes ids unique over restarts */
	struct lane *pushes[HOST_PUSHES_MAX]; /* see lane_push_later() */
	unsigned pushes_n;
	struct list waiting_for_buffer; /* sides */
	struct list reapable;           /* sessions that are over */
	/* Sessions whose costly work can go on; and where it can begin, which come later. */
	struct list turns_begun, turns_new;
	struct waiting *waiting;  /* by slot of the listener: see preread/waiting.h */
	struct list waiting_busy; /* those of them in which somebody may go on */
	struct log_rate rejections;
	struct {                   /* see worker/evict.h */
		unsigned seen;     /* of runtime.evictions */
		uint32_t slot;     /* where the look under way goes on */
		uint64_t next_ms;  /* when; TIMER_NEVER: there is none */
		uint64_t again_ms; /* when the next one begins; TIMER_NEVER: none does */
	} evict;
	bool is_draining;          /* it accepts no more */
	bool is_stopping;          /* and begins no more */
	struct counters *counters; /* its own */
};

/* ---- of a session -------------------------------------------------------- */

static inline const struct phase_handlers *session_handlers(const struct session *s)
{
	return s->host->phases[s->phase];
}

/* What its client's TLS is made from, if it ends here. */
static inline struct tls_server *session_tls_server(const struct session *s)
{
	return generation_listener(s->generation, s->listener->slot)->tls;
}

/* What this worker counts of the session's listener and pool. */
static inline struct listener_counters *session_counters(const struct session *s)
{
	return &s->host->counters->listeners[s->listener->slot];
}

static inline struct pool_counters *session_pool_counters(const struct session *s)
{
	return &s->host->counters->pools[pool_slot(s->pool)];
}

/* So often it is looked whether a client is still there that is not read, as while it dials. */
#define CLIENT_LOOK_MS 500

/* The session's timer is for the next look, or for @until_ms. */
static inline void session_set_look_timer(struct session *s, uint64_t until_ms)
{
	const uint64_t look_ms = s->host->loop.now_ms + CLIENT_LOOK_MS;

	timer_set(&s->host->loop.timers, &s->timer, MIN(until_ms, look_ms));
}

/*
 * A handshake costs up to milliseconds of CPU: it is for later, when there is
 * time for it in a turn. Those that have @begun come first.
 */
static inline void session_wait_for_turn(struct session *s, bool has_begun)
{
	list_remove(&s->turn);
	list_append(has_begun ? &s->host->turns_begun : &s->host->turns_new, &s->turn);
}

#endif
