/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_POOL_BACKENDS_H
#define POOL_POOL_BACKENDS_H

/*
 * The inside of a pool, and who of its backends may be picked: for pool*.c
 * alone.
 */

#include "balance/backend.h"
#include "balance/balancer.h"
#include "pool/health.h"
#include "pool/queue.h"
#include "base/bucket.h"

#include <pthread.h>

/* Part of its weight and of its max_sessions that one in slow start may use, in 256ths. */
#define POOL_PART_ALL BALANCER_WEIGHT_UNIT
#define POOL_PART_MIN 26

/* Why one of which no check has told that yet is on standby. */
extern const char pool_role_unknown[];

/* A backend's own, so that it depends on no configuration of the whole. */
struct backend_copy {
	struct backend_config config;
	struct backend_copy *next; /* of those that were replaced */
	uint64_t replaced;         /* pool->generation since then */
};

struct backend_status {
	struct backend backend; /* as others see it */
	struct health health;
	unsigned weight;    /* as configured or set since */
	bool is_weight_set; /* by the operator: no configuration changes it */
	bool is_leaving;
	uint64_t left;     /* pool->generation since then */
	unsigned position; /* in the configuration */
	unsigned tier;
	unsigned beyond; /* see pool_take_beyond() */
	unsigned part;   /* POOL_PART_ALL unless in slow start */
	bool has_ramp_start;
	uint64_t ramp_start_ms;
	uint64_t ramp_next_ms;    /* when its next step is due */
	bool is_healthy;          /* of state ready and with weight */
	bool is_ready;            /* may be picked: as well as that, or in a panic */
	bool was_ready;           /* ever: what is down from the start does not come back slowly */
	bool was_out;             /* since then; draining or another role alone are not out */
	atomic_bool is_approved;  /* by the operator to be ready: see pool_take_approval() */
	atomic_bool is_doubted;   /* by sessions: see pool_doubt() */
	atomic_bool has_expired;  /* what was known of its role: see pool_take_expiry() */
	bool awaits_role;         /* it was not told yet what it is by the configuration's role */
	uint64_t burden_until_ms; /* while loads[].burden is not 0 */
	bool is_check_at_fault;   /* see pool_note_check_fault() */
	uint64_t proof;           /* pool->proofs when it last showed that it serves */
	char words[BACKEND_WORDS_BYTES];
};

/*
 * Everything below the lock is changed under it only. What struct backend
 * shows of it (state, sessions, counters) is a copy for readers without the
 * lock.
 *
 * Who has an index keeps it to its end; its status stays where it is, while
 * the arrays grow.
 */
struct pool {
	_Atomic(const struct pool_config *) config;
	size_t slot;
	uint64_t generation;           /* these two are the thread's that reconfigures */
	struct backend_copy *replaced; /* newest first */

	/* Taken before the lock: one change of weights, balancer or indexes at a time. */
	pthread_mutex_t building;
	pthread_mutex_t lock;
	size_t n; /* indexes */
	struct balancer *balancer;
	struct backend_load *loads;
	struct backend_status **status;    /* NULL: nobody has this index */
	unsigned weighted_n;               /* members with weight */
	unsigned ready_n;                  /* members that are healthy, of all tiers */
	unsigned ready_in[POOL_TIERS_MAX]; /* that may be picked */
	bool is_panicking;                 /* too few are healthy: whoever may be is picked */
	unsigned tiers_open;               /* tiers below this serve */
	unsigned ramping_n;
	unsigned ejected_n;
	unsigned burdened_n;
	uint64_t random;

	struct queue queue;
	uint64_t proofs;             /* how often any backend has shown that it serves */
	struct bucket hold_bucket;   /* of those who were held and are let go */
	bool wants_recheck;          /* see pool_take_recheck() */
	bool is_paced;               /* it was empty when somebody could have been */
	atomic_bool may_serve_queue; /* somebody joined the balancer since all waiters were asked */
};

static inline struct backend_status *backend_status(struct backend *backend)
{
	return container_of(backend, struct backend_status, backend);
}

static inline struct backend_copy *backend_copy(const struct backend *backend)
{
	return (struct backend_copy *)(uintptr_t)backend->config; /* its first member */
}

static inline bool backend_is_full(const struct backend_load *l)
{
	return l->sessions >= l->slots;
}

/* The lock is held in all of these. */
/* How many sessions may it have, by its max_sessions and its slow start? */
void backend_set_slots(struct pool *pool, unsigned index);
/* Lets the balancer know whether @index may be picked. */
void backend_admit(struct pool *pool, unsigned index);
/* It serves: those who were held, for they tried it in vain, may try it again. */
void backend_prove(struct pool *pool, unsigned index);
void backend_set_sessions(struct pool *pool, unsigned index, unsigned sessions);
/* It has failed again, or, when its time has passed (gives when), is forgiven. */
void backend_burden(struct pool *pool, unsigned index, uint64_t now_ms);
uint64_t backend_unburden(struct pool *pool, unsigned index, uint64_t now_ms);
/* Of its weight and its max_sessions: POOL_PART_MIN .. POOL_PART_ALL. */
void backend_set_part(struct pool *pool, unsigned index, unsigned part);
/* Looks again at everything that follows from its state and weight. */
void backend_review(struct pool *pool, unsigned index);
/* Decides on its state, which has been that since @now_ms if it is another one, and reviews it. */
void backend_restate(struct pool *pool, unsigned index, uint64_t now_ms);
/*
 * It is of @tier and @weight from now on and has as many slots as its
 * configuration says. Nobody who leaves; the balancer is told by backend_review().
 */
void backend_reconfigure(struct pool *pool, unsigned index, unsigned tier, unsigned weight);
void backend_set_ejected(struct pool *pool, struct backend_status *s, bool is_ejected);
/* It leaves, or comes, and is to be reviewed. */
void backend_leave(struct pool *pool, unsigned index);
void backend_enter(struct pool *pool, unsigned index, bool starts_slowly);
/* If what is known of its role is too old: true, and it is on standby then. */
bool backend_expire_role(struct pool *pool, unsigned index, uint64_t now_ms);
/* See pool_awaits_checks(). */
bool pool_is_undecided(const struct pool *pool);
/* Opens as many tiers as are needed. */
void pool_open_tiers(struct pool *pool);

#endif
