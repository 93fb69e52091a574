/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PROXY_H
#define PROXY_PROXY_H

/*
 * What all workers share: the configuration at run time, its pools and
 * listeners, and how many sessions each worker has. Created by the main
 * thread before the workers start, destroyed after they ended.
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

#define WORKERS_MAX 256

struct alarm;
struct cancels;
struct counters;
struct session;
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

struct listener {
	const struct listener_config *config;
	size_t index;
	struct tls_server *tls; /* borrowed; NULL: it does not terminate TLS */
	struct limits *limits;  /* of its clients' sources, or NULL */
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full;                          /* the first hit of its limit was logged */
	struct bucket_shared new_sessions, handshakes; /* how fast they may begin */
};

/* One worker as the others see it. */
struct worker_peer {
	CACHE_ALIGNED atomic_uint sessions; /* with those on their way to it */
	_Atomic(struct session *) called;   /* its sessions that left a pool's queue, a stack */
	int mail_fd;                        /* the write end of its mailbox */
};

struct proxy {
	const struct config *config;
	const struct tls_contexts *tls; /* made of it */
	struct listener *listeners;
	size_t listeners_n;
	struct pool **pools;
	struct stick **sticks; /* of the pool of the same index, or NULL */
	struct alarm *alarms;  /* of the pool of the same index */
	size_t pools_n;
	bool needs_clients;      /* somebody decides by, or passes on, the client's address */
	struct cancels *cancels; /* NULL: no listener speaks PostgreSQL */
	struct worker_peer *peers;
	struct counters *counters; /* of each worker */
	unsigned workers_n;
	unsigned sessions_max;
	uint64_t started_ms;
	CACHE_ALIGNED atomic_uint sessions;
	atomic_bool was_full;
	atomic_uint workers_draining;
	_Atomic(enum worker_order) order;
	atomic_uint workers_short; /* of files: see files.h */
};

/* Keeps @config and what was made of it, @tls. Returns NULL without memory. */
MUST_CHECK struct proxy *proxy_create(const struct config *config, const struct tls_contexts *tls,
				      unsigned workers_n, unsigned sessions_max);
/* No session may be left. Accepts NULL. */
void proxy_destroy(struct proxy *proxy);

/* The run-time pool of a pool of the configuration. */
struct pool *proxy_pool(const struct proxy *proxy, const struct pool_config *config);

/* What its TLS sessions are made from; NULL: it speaks to its backends in clear. */
struct tls_client *proxy_tls_client(const struct proxy *proxy, const struct pool_config *config);

/* Its stick table, or NULL. */
struct stick *proxy_stick(const struct proxy *proxy, const struct pool_config *config);

/*
 * A fingerprint of all that decides where hashed clients go, to compare nodes
 * with; false when no pool hashes.
 */
MUST_CHECK bool proxy_digest(const struct proxy *proxy, uint64_t *ret_digest);

/* What is to be told of it. */
struct alarm *proxy_alarm(const struct proxy *proxy, const struct pool_config *config);

/*
 * Takes a place for one session of @listener, or says no: the listener's or
 * the process's limit is reached.
 */
MUST_CHECK bool proxy_admit(struct proxy *proxy, struct listener *listener);
void proxy_leave(struct proxy *proxy, struct listener *listener);

/* How many sessions could still be admitted on @listener. */
unsigned proxy_room(const struct proxy *proxy, const struct listener *listener);

/* The worker that a new session should go to, seen from worker @self. */
unsigned proxy_least_loaded(const struct proxy *proxy, unsigned self);

/*
 * Places may have become free at @pool: those who wait for one get it, and
 * their workers the word. From any thread.
 */
void proxy_call_waiting(struct proxy *proxy, struct pool *pool, uint64_t now_ms);
/* Were sessions of the worker called that it has not taken yet? Cheap. */
bool proxy_has_called(const struct proxy *proxy, unsigned worker);
/* Takes all of the worker's sessions that were called, linked by called_next; NULL for none. */
MUST_CHECK struct session *proxy_take_called(struct proxy *proxy, unsigned worker);

/*
 * Gives an order to all workers. Never waits: a worker whose mailbox is full
 * looks at the order when it has read some of it.
 */
void proxy_order(struct proxy *proxy, enum worker_order order);

/*
 * ORDER_STOP while a worker has failed or is stuck: the others do not wait for
 * what it may still hand over to them.
 */
void proxy_abandon(struct proxy *proxy);

/*
 * A worker accepts and hands over no more. When all do, each is woken once
 * more to see that nothing can be on its way to it any longer.
 */
void proxy_worker_drains(struct proxy *proxy);
/* Has @worker sessions, or may one still be handed over to it? */
bool proxy_expects_sessions(const struct proxy *proxy, unsigned worker);

#endif
