/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_POOL_BACKENDS_H
#define BALANCE_POOL_BACKENDS_H

/*
 * The inside of a pool, and who of its backends may be picked: for pool*.c
 * alone.
 */

#include "balance/backend.h"
#include "balance/balancer.h"
#include "balance/health.h"
#include "balance/queue.h"

#include <pthread.h>

/* Part of its weight and of its max_sessions that one in slow start may use, in 256ths. */
#define POOL_PART_ALL BALANCER_WEIGHT_UNIT
#define POOL_PART_MIN 26

struct backend_status {
	struct health health;
	unsigned weight; /* as configured or set since */
	unsigned tier;
	unsigned beyond; /* see pool_take_beyond() */
	unsigned part;   /* POOL_PART_ALL unless in slow start */
	bool has_ramp_start;
	uint64_t ramp_start_ms;
	uint64_t ramp_next_ms; /* when its next step is due */
	bool is_ready;         /* of state ready and with weight */
	bool was_ready;        /* ever: what is down from the start does not come back slowly */
	bool was_out;          /* since then; draining alone is not out */
};

/*
 * Everything below the lock is changed under it only. What struct backend
 * shows of it (state, sessions, counters) is a copy for readers without the
 * lock.
 */
struct pool {
	const struct pool_config *config;
	size_t n;
	struct backend *backends;

	pthread_mutex_t building; /* taken before the lock: one change of weights at a time */
	pthread_mutex_t lock;
	struct balancer *balancer;
	struct backend_load *loads;
	struct backend_status *status;
	unsigned weighted_n; /* members with weight */
	unsigned ready_n;    /* members that are ready, of all tiers and of each */
	unsigned ready_in[POOL_TIERS_MAX];
	unsigned tiers_open; /* tiers below this serve */
	unsigned ramping_n;
	unsigned ejected_n;
	uint64_t random;

	struct queue queue;
	atomic_bool may_serve_queue; /* somebody joined the balancer since all waiters were asked */
};

static inline bool backend_is_full(const struct backend_load *l)
{
	return l->sessions >= l->slots;
}

/* The lock is held in all of these. */
/* How many sessions may it have, by its max_sessions and its slow start? */
void backend_set_slots(struct pool *pool, unsigned index);
/* Lets the balancer know whether @index may be picked. */
void backend_admit(struct pool *pool, unsigned index);
void backend_set_sessions(struct pool *pool, unsigned index, unsigned sessions);
/* Of its weight and its max_sessions: POOL_PART_MIN .. POOL_PART_ALL. */
void backend_set_part(struct pool *pool, unsigned index, unsigned part);
/* Looks again at everything that follows from health and weight. */
void backend_review(struct pool *pool, unsigned index);
/* Opens as many tiers as are needed. */
void pool_open_tiers(struct pool *pool);

#endif
