/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_POOL_INSIDE_H
#define BALANCE_POOL_INSIDE_H

/*
 * The inside of a pool, for pool.c (picks) and pool_state.c (what changes who
 * may be picked) alone.
 */

#include "balance/balancer.h"
#include "balance/health.h"
#include "balance/pool.h"

#include <pthread.h>

/* Part of its weight and of its max_sessions that one in slow start may use, in 256ths. */
#define POOL_PART_ALL BALANCER_WEIGHT_UNIT
#define POOL_PART_MIN 26

struct member {
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
	struct candidate *candidates;
	struct member *members;
	unsigned weighted_n; /* members with weight */
	unsigned ready_n;    /* members that are ready, of all tiers and of each */
	unsigned ready_in[POOL_TIERS_MAX];
	unsigned tiers_open; /* tiers below this serve */
	unsigned ramping_n;
	unsigned ejected_n;
	uint64_t random;

	struct queue queue;
	atomic_bool has_call; /* somebody joined the balancer since all waiters were asked */
};

static inline bool candidate_is_full(const struct candidate *c)
{
	return c->sessions >= c->places;
}

/* The lock is held in all of these. */
/* How many sessions may it have, by its max_sessions and its slow start? */
void member_set_places(struct pool *pool, unsigned index);
/* Lets the balancer know whether @index may be picked. */
void member_admit(struct pool *pool, unsigned index);
void member_set_sessions(struct pool *pool, unsigned index, unsigned sessions);
/* Looks again at everything that follows from health and weight. */
void member_review(struct pool *pool, unsigned index);
/* Gives a balancer with nobody in yet, or NULL without memory. */
struct balancer *pool_build_balancer(const struct pool *pool, const unsigned *weights);
/* Why nobody of the open tiers could be picked, if nobody could. */
enum pool_answer pool_explain(const struct pool *pool, const struct pool_ask *ask);
/* Takes a place for @ask. Gives its index, or -1 and the reason. */
int pool_choose(struct pool *pool, const struct pool_ask *ask, enum pool_answer *ret_why);
/* Opens as many tiers as are needed. */
void pool_open_tiers(struct pool *pool);

#endif
