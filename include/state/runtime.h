/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_RUNTIME_H
#define STATE_RUNTIME_H

/*
 * What all threads share while ringmain runs: listeners and pools, each with a
 * slot of its own by which counters and tables find it, and how many sessions
 * there are. Created by the main thread before the workers start, destroyed
 * after they ended. What one worker tells another: see state/peers.h.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance/limits.h"
#include "balance/pool.h"
#include "balance/stick.h"
#include "base/bucket.h"
#include "base/def.h"
#include "config/config.h"
#include "protocol/protocol.h"
#include "state/bans.h"
#include "state/pool_alert.h"

#define WORKERS_MAX 256

struct cancel_keys;
struct counters;
struct query;
struct tls_client;
struct tls_contexts;
struct tls_server;

/* What all workers are told to do; each includes those before it. */
enum worker_order {
	ORDER_NONE,
	ORDER_DRAIN,         /* accept nothing more, let sessions end */
	ORDER_DRAIN_TIMEOUT, /* they had their time */
	ORDER_STOP,          /* end every session now */
};

/* What the operator wishes of a listener; its sessions go on. */
enum listener_pause {
	LISTENER_OPEN,
	LISTENER_WAITS,   /* new clients wait in the backlog */
	LISTENER_REFUSES, /* it listens no more, once the backlog was served */
};

struct listener {
	const struct listener_config *config;
	const struct protocol *protocol; /* NULL: what its clients say means nothing to us */
	size_t slot;
	struct tls_server *tls;             /* borrowed; NULL: it does not terminate TLS */
	struct limits *limits;              /* of its clients' sources, or NULL */
	_Atomic(enum listener_pause) pause; /* see peers_pause() */
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full; /* the first hit of its limit was logged */
	struct bucket_shared log_lines;
	struct bucket_shared new_sessions, handshakes; /* how fast they may begin */
};

/* One worker as the others see it. */
struct worker_peer {
	CACHE_ALIGNED atomic_uint sessions;   /* with those on their way to it */
	_Atomic(struct pool_waiter *) served; /* its sessions that left a pool's queue, a stack */
	_Atomic(struct query *) queries;      /* for it to answer, a stack: see state/query.h */
	atomic_uint answered;                 /* the last of runtime.asked that it has seen */
	atomic_bool has_ended;                /* it answers none any more */
	int inbox_fd;                         /* the write end of its inbox */
};

struct runtime {
	const struct config *config;
	const struct tls_contexts *tls; /* made of it */
	struct listener *listeners;     /* by slot, as all that follow */
	size_t listeners_n;
	struct pool **pools;
	struct stick **sticky; /* or NULL */
	struct pool_alert *alerts;
	size_t pools_n;
	bool needs_clients; /* somebody decides by, or passes on, the client's address */
	struct cancel_keys *cancel_keys; /* NULL: no listener's protocol has any */
	struct limits *cancel_limits;    /* of requests with other keys, by source; or NULL */
	struct worker_peer *peers;
	struct counters *counters; /* of each worker */
	struct bans bans;          /* of the operator */
	unsigned workers_n;
	unsigned sessions_max;
	uint64_t started_ms;
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full;
	atomic_uint workers_draining;
	atomic_uint pauses; /* how often a listener's pause has changed */
	_Atomic(enum worker_order) order;
	_Atomic(struct query *) answers; /* of workers, a stack; answers_fd tells of them */
	atomic_uint asked;               /* how often workers were asked for a turn */
	int answers_fd;                  /* eventfd, the main thread's; -1: nobody asks */
	atomic_uint workers_short;       /* of descriptors: see session/fd_reserve.h */
};

/* Keeps @config and what was made of it, @tls. Returns NULL without memory. */
MUST_CHECK struct runtime *runtime_create(const struct config *config,
					  const struct tls_contexts *tls, unsigned workers_n,
					  unsigned sessions_max);
/* No session may be left. Accepts NULL. */
void runtime_destroy(struct runtime *runtime);

/* The run-time pool of a pool of the configuration. */
struct pool *runtime_pool(const struct runtime *runtime, const struct pool_config *config);
/* The table of clients that go back to a backend of @pool, or NULL. */
struct stick *runtime_sticky(const struct runtime *runtime, const struct pool *pool);
/* What its TLS sessions are made from; NULL: it speaks to its backends in clear. */
struct tls_client *runtime_tls_client(const struct runtime *runtime, const struct pool *pool);
/* The same of its checks. */
struct tls_client *runtime_check_tls(const struct runtime *runtime, const struct pool *pool);
/* What is to be told of it. */
struct pool_alert *runtime_alert(const struct runtime *runtime, const struct pool *pool);

/*
 * A fingerprint of all that decides where hashed clients go, to compare nodes
 * with; false when no pool hashes.
 */
MUST_CHECK bool runtime_digest(const struct runtime *runtime, uint64_t *ret_digest);

/*
 * Takes a slot for one session of @listener, or says no: the listener's or the
 * process's max_sessions is reached.
 */
MUST_CHECK bool runtime_acquire_slot(struct runtime *runtime, struct listener *listener);
void runtime_release_slot(struct runtime *runtime, struct listener *listener);

/* How many sessions could still begin on @listener. */
unsigned runtime_free_slots(const struct runtime *runtime, const struct listener *listener);

#endif
