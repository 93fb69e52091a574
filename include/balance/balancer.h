/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_BALANCER_H
#define BALANCE_BALANCER_H

/*
 * What a balancer is to its pool. The pool decides who may be picked at all
 * (ready, weight above zero, a slot free, its tier serving) and tells the
 * balancer who joins, who leaves and whose load or weight changed. A pick
 * allocates nothing, and takes less than a microsecond at POOL_BACKENDS_MAX.
 * All calls but create() and destroy() come under the pool's lock.
 *
 * Only the pool and the balancers include this.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balance/ask.h"
#include "base/def.h"
#include "config/config.h"

/* Effective weights are 256ths of configured ones, so that slow start can ramp a weight of 1. */
#define BALANCER_WEIGHT_UNIT 256
#define BALANCER_WEIGHT_MAX (POOL_WEIGHT_MAX * BALANCER_WEIGHT_UNIT)

/*
 * One backend as balancers see it, and all of it that a pick looks at: small,
 * so that those of a thousand stay in a processor's nearest cache.
 */
struct backend_load {
	uint32_t weight; /* effective, 1 .. BALANCER_WEIGHT_MAX while it is in */
	uint32_t sessions;
	uint32_t slots; /* effective sessions_max; UINT32_MAX: no limit */
	bool is_in;     /* may be picked: between join() and leave() */
	/*
	 * Of one that failed lately: so many sessions more it is to be thought
	 * to have, for it has few because it fails.
	 */
	uint16_t burden;
};

/* What balancers compare that go by it. */
static inline uint64_t backend_load_sessions(const struct backend_load *load)
{
	return (uint64_t)load->sessions + load->burden;
}

/* Embedded in each balancer's own state; filled in by the pool after create(). */
struct balancer {
	const struct balancer_ops *ops;
	const struct backend_load *loads; /* the pool's, by index */
	size_t n;                         /* indexes */
	uint64_t random;                  /* state of balancer_random() */
};

/* What it is built for. */
struct balancer_member {
	const char *name; /* not the same twice */
	unsigned index, weight, tier;
};

struct balancer_setup {
	/* Its settings, not its backends; borrowed for create(), as are @members. */
	const struct pool_config *config;
	const struct balancer_member *members; /* in the order of the configuration */
	size_t members_n;
	size_t n; /* indexes are below this; some may be nobody's, or be of who leaves */
};

struct balancer_ops {
	const char *name;
	/* The choice is laid down beforehand: slow start does not apply. */
	bool is_static;

	/* Nobody is in yet. NULL without memory. */
	struct balancer *(*create)(const struct balancer_setup *setup);
	void (*destroy)(struct balancer *b);

	/*
	 * loads[index] has its new values when these are called; but who
	 * leaves still has the weight it was in with.
	 */
	void (*join)(struct balancer *b, unsigned index);  /* may be NULL */
	void (*leave)(struct balancer *b, unsigned index); /* may be NULL */
	/* Sessions or burden changed while it is in. May be NULL. */
	void (*on_load)(struct balancer *b, unsigned index);
	/* The effective weight changed, from @before, while it is in. May be NULL. */
	void (*on_weight)(struct balancer *b, unsigned index, uint32_t before);

	/*
	 * Gives the index of one that is in and that @ask has not tried, or -1.
	 * If it is given, the pool takes a slot there: either leave() follows,
	 * or on_load() does, at once.
	 */
	int (*pick)(struct balancer *b, const struct pool_ask *ask);

	/* For those that hash; NULL for others. Same words as in pool.h. */
	void (*route)(const struct balancer *b, const struct pool_ask *ask,
		      struct pool_route *ret_route);
	uint64_t (*digest)(const struct balancer *b);
	/* Was it built for this weight? When not, the pool builds another. */
	bool (*fits)(const struct balancer *b, unsigned index, unsigned weight);
};

extern const struct balancer_ops roundrobin_ops;
extern const struct balancer_ops leastconn_ops;
extern const struct balancer_ops random_ops;
extern const struct balancer_ops maglev_ops;
extern const struct balancer_ops first_ops;

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a step of a counter, mixed. */
static inline uint64_t balancer_random(struct balancer *b)
{
	uint64_t z = b->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* A number below @n from 64 evenly spread bits, without a division. */
static inline uint64_t balancer_scale(uint64_t bits, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)bits * n) >> 64);
}

#endif
