/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_RUNTIME_H
#define STATE_RUNTIME_H

/*
 * What all threads share while ringmain runs: listeners and pools, each with a
 * slot of its own by which counters and tables find it, and how many sessions
 * there are. See state/runtime_life.h for its beginning and its
 * end. What one worker tells another: see state/peers.h; how
 * listeners and pools come and go: state/runtime_change.h.
 *
 * Slots that nobody has are among the others: of a listener config is NULL
 * then, and there is no pool.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "balance/limits.h"
#include "pool/pool.h"
#include "balance/stick.h"
#include "base/bucket.h"
#include "base/def.h"
#include "config/config.h"
#include "protocol/protocol.h"
#include "state/bans.h"
#include "state/pool_alert.h"

#define WORKERS_MAX 256

/* Slots for listeners, and as many for pools: more where the first configuration has many. */
#define RUNTIME_SLOTS_MIN 1024

struct cancel_keys;
struct counters;
struct generation;
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

/* The pause that the operator orders of a listener; its sessions go on. */
enum listener_pause {
	LISTENER_OPEN,
	LISTENER_WAITS,   /* new clients wait in the backlog */
	LISTENER_REFUSES, /* it listens no more, once the backlog was served */
	LISTENER_PAUSES,
};

/* "wait", "refuse"; NULL: it is not paused. */
extern const char *const listener_pause_names[LISTENER_PAUSES];

/*
 * It is what it is by its name and its protocol: with another protocol it
 * would be another one. The configuration is the newest that it has or had,
 * for a worker to look at until the end of its turn; what a session was promised is
 * in its generation.
 */
struct listener {
	_Atomic(const struct listener_config *) config;
	const struct protocol *protocol; /* NULL: what its clients say means nothing to us */
	size_t slot;
	_Atomic(struct limits *) limits;    /* of its clients' sources, or NULL */
	_Atomic(enum listener_pause) pause; /* see peers_pause() */
	atomic_uint
		cannot_listen; /* sockets that listen(2) failed for after a pause, and goes on to */
	atomic_int listen_error; /* of the last of these */
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full; /* the first hit of its limit was logged */
	struct bucket_shared log_lines;
	_Atomic uint64_t lines_left_out;               /* over log_rate, since that was last said */
	struct bucket_shared new_sessions, handshakes; /* how fast they may begin */
};

/* One worker as the others see it. */
struct worker_peer {
	CACHE_ALIGNED atomic_uint sessions;   /* with those on their way to it */
	_Atomic(struct pool_waiter *) served; /* its sessions that left a pool's queue, a stack */
	_Atomic(struct query *) queries;      /* for it to answer, a stack: see state/query.h */
	atomic_uint answered;                 /* the last of runtime.asked that it has seen */
	atomic_bool has_ended;                /* it answers none any more */
	atomic_int cpu_clock;                 /* of its thread, a clockid_t; 0: it has none */
	atomic_uint generation;               /* number of that to which it has passed */
	int inbox_fd;                         /* the write end of its inbox */
};

/* When all who dialed before a pool was reconfigured have ended doing so: see pool_collect(). */
struct pool_grace {
	uint64_t waits_for, until_ms; /* the pool's generation; 0: for none */
	uint64_t dial_ms;             /* that dialing may take, or could before */
	uint64_t passed;
};

/* What reloads have come to. */
struct reload_tally {
	uint64_t done, unchanged, failed;
	uint64_t last_ms;  /* when the last one was over, as started_ms; 0: there was none */
	bool has_failed;   /* the last one that read the configuration, */
	bool certs_failed; /* or the last that read certificates, as that does, too */
};

struct runtime {
	_Atomic(struct generation *) generation;     /* the newest */
	struct listener *listeners;                  /* by slot, as all that follow */
	size_t listeners_n;                          /* slots that anybody has or had */
	struct pool **pools;                         /* or NULL */
	_Atomic(struct stick *) *sticky;             /* or NULL */
	_Atomic(struct tls_client *) *tls_clients;   /* of the newest configuration; or NULL */
	_Atomic(struct tls_client *) *check_clients; /* of pools whose checks have their own */
	struct pool_alert *alerts;
	struct pool_grace *graces;
	size_t pools_n;
	size_t slots_max;          /* of listeners, and of pools */
	atomic_bool needs_clients; /* somebody decides by, or passes on, the client's address */
	_Atomic(struct cancel_keys *) cancel_keys; /* NULL: no listener's protocol has any */
	_Atomic(struct limits *) cancel_limits;    /* of requests with other keys; or NULL */
	struct worker_peer *peers;
	struct counters *counters; /* of each worker */
	struct bans bans;          /* of the operator */
	unsigned workers_n;
	unsigned sessions_max;
	uint64_t started_ms;
	uint64_t started_wall_ms;    /* since 1970; that clock may have been set since */
	struct reload_tally reloads; /* the main thread's */
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full;
	atomic_uint workers_draining;
	atomic_uint pauses; /* how often a listener's pause has changed */
	_Atomic(enum worker_order) order;
	_Atomic(struct query *) answers; /* of workers, a stack; answers_fd tells of them */
	atomic_uint asked;               /* how often workers were asked for a turn */
	atomic_uint evictions;           /* how often workers were told to look who is to go */
	int answers_fd;                  /* eventfd, the main thread's; -1: nobody asks */
	atomic_uint workers_short;       /* of descriptors: see session/fd_reserve.h */
};

/* Walks over the slots in which there is somebody. For the main thread. */
#define runtime_for_each_listener(runtime, l)                        \
	for (struct listener *l = (runtime)->listeners;              \
	     l < (runtime)->listeners + (runtime)->listeners_n; l++) \
		if (l->config)
#define runtime_for_each_pool(runtime, slot)                     \
	for (size_t slot = 0; slot < (runtime)->pools_n; slot++) \
		if ((runtime)->pools[slot])

/*
 * The newest configuration. For the main thread, until it publishes another
 * one; for a worker until the end of its turn.
 */
const struct config *runtime_config(const struct runtime *runtime);

/* Has every worker passed to the newest generation, with all its sockets? */
bool runtime_has_passed(const struct runtime *runtime);

/* Is it in the newest configuration no more? The same. */
bool runtime_listener_leaves(const struct runtime *runtime, size_t slot);
bool runtime_pool_leaves(const struct runtime *runtime, size_t slot);

/* The run-time pool of a pool of a generation's configuration. */
struct pool *runtime_pool(const struct runtime *runtime, const struct generation *generation,
			  const struct pool_config *config);
/* The table of clients that go back to a backend of @pool, or NULL. */
struct stick *runtime_sticky(const struct runtime *runtime, const struct pool *pool);
/* What the TLS of its new sessions is made from; NULL: it does not terminate TLS, or leaves. */
struct tls_server *runtime_tls_server(const struct runtime *runtime,
				      const struct listener *listener);
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
