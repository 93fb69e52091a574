/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_BALANCER_H
#define BALANCE_BALANCER_H

/*
 * What a balancer is to its pool. The pool decides who may be picked at all
 * (ready, weight above zero, a place free, its tier serving) and tells the
 * balancer who joins, who leaves and whose load or weight changed; the
 * balancer keeps whatever lets it choose among those in O(1) or O(log n),
 * without allocating. All calls come under the pool's lock.
 *
 * Only pool.c and the balancers include this.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "balance/pool.h"
#include "base/def.h"
#include "config/config.h"

/* Effective weights are in 256ths of a configured one, so that slow start can ramp a weight of 1. */
#define BALANCER_WEIGHT_UNIT 256
#define BALANCER_WEIGHT_MAX (256 * BALANCER_WEIGHT_UNIT)

/* One backend as balancers see it. */
struct candidate {
	uint32_t weight; /* effective, 1 .. BALANCER_WEIGHT_MAX while it is in */
	uint32_t sessions;
	bool is_in; /* may be picked: between join() and leave() */
};

/* Embedded first in each balancer's own state. */
struct balancer {
	const struct balancer_ops *ops;
	const struct candidate *candidates; /* the pool's, by index */
	size_t n;
};

struct balancer_ops {
	const char *name;

	/* Builds the state for the backends of @config, of which none is in. NULL without memory. */
	struct balancer *(*create)(const struct pool_config *config);
	void (*destroy)(struct balancer *b);

	/* candidates[index] has its new values when these are called. */
	void (*join)(struct balancer *b, unsigned index);
	void (*leave)(struct balancer *b, unsigned index);
	/* Sessions changed while it is in. May be NULL. */
	void (*on_load)(struct balancer *b, unsigned index);
	/* Weight changed, from @before, while it is in. */
	void (*on_weight)(struct balancer *b, unsigned index, uint32_t before);

	/*
	 * Gives the index of one that is in and that @ask has not tried, or -1.
	 * If it is given, the pool takes a place there: on_load() or leave() follows.
	 */
	int (*pick)(struct balancer *b, const struct pool_ask *ask);
};

extern const struct balancer_ops roundrobin_ops;

static inline bool ask_has_tried(const struct pool_ask *ask, unsigned index)
{
	for (unsigned i = 0; i < ask->tried_n; i++)
		if (ask->tried[i] == index)
			return true;
	return false;
}

#endif
