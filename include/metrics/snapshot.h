/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_SNAPSHOT_H
#define METRICS_SNAPSHOT_H

/*
 * How things are, in plain numbers and words, for whoever shows them: one
 * thing at a time, each a copy taken under its lock, so that showing many
 * holds up nobody. For the main thread. Texts are borrowed, and live as long as
 * the configuration that they are of.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"
#include "state/counters.h"
#include "state/runtime.h"

struct listener_snapshot {
	const char *name, *pool;         /* pool: NULL when routes alone decide */
	unsigned sessions, sessions_max; /* max 0: no limit of its own */
	uint64_t begun, ended, bytes[LANES];
	uint64_t rejected; /* clients that were not let in */
};

void snapshot_listener(const struct runtime *runtime, const struct listener *listener,
		       struct listener_snapshot *ret);

struct pool_snapshot {
	const char *name, *balance;
	unsigned backends, ready, standby, sessions;
	struct queue_stats queue;
};

void snapshot_pool(struct pool *pool, struct pool_snapshot *ret);

#define SNAPSHOT_WHY_BYTES 256

struct backend_snapshot {
	const char *pool, *name;
	struct backend_facts facts;
	const char *why_by; /* who found it so: "operator", "checks", "role", "sessions"; or NULL */
	char why[SNAPSHOT_WHY_BYTES]; /* what they found; may be "" */
	uint64_t since_ms;            /* how long it has been in its state */
	const char *role; /* as its checks have found it out, where that is asked; or NULL */
	uint64_t lag_bytes, lag_ms; /* or BACKEND_LAG_UNKNOWN */
	unsigned sessions;
	uint64_t picked, connects, failures;
	const struct addr *addr;
};

void snapshot_backend(const struct runtime *runtime, struct pool *pool, struct backend *backend,
		      uint64_t now_ms, struct backend_snapshot *ret);

/* By name; NULL, or false, when there is none. */
struct listener *snapshot_find_listener(const struct runtime *runtime, const char *name);
struct pool *snapshot_find_pool(const struct runtime *runtime, const char *name);
MUST_CHECK bool snapshot_find_backend(const struct runtime *runtime, const char *pool_name,
				      const char *name, struct pool **ret_pool,
				      struct backend **ret_backend);

#endif
