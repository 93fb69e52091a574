/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_ASK_H
#define BALANCE_ASK_H

/* What a session asks its pool, the pool its balancer, and what they may answer. */

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

#define POOL_TRIES_MAX CONFIG_TRIES_MAX /* different backends that one session may try */
/* Of one pool: a pick that looks at all of them holds the lock for less than a microsecond. */
#define POOL_BACKENDS_MAX CONFIG_BACKENDS_MAX
#define POOL_INDEXES_MAX (4 * POOL_BACKENDS_MAX) /* with those that leave */
#define POOL_WEIGHT_MAX 256
#define POOL_TIERS_MAX CONFIG_TIERS_MAX

struct pool_ask {
	uint64_t key; /* hash of what keeps a client on its backend; unused by most balancers */
	uint16_t tried[POOL_TRIES_MAX];
	uint8_t tried_n;
};

enum pool_answer {
	POOL_PICKED,
	POOL_NONE_READY, /* every backend is down, draining, of weight 0 or tried already */
	POOL_ALL_FULL,   /* some are ready, each has its max_sessions */
	POOL_WAITING,    /* see pool_pick_or_wait() */
	POOL_ANSWERS,
};

/* Where a key goes and why, without taking a slot. */
struct pool_route {
	uint32_t slot, slots; /* of the table; 0 of 0 where the balancer does not hash */
	int home;             /* index of the slot's owner, -1 when it has none */
	int chosen;           /* index of who would get it now, or -1 */
	unsigned steps;       /* from home to there */
};

static inline bool ask_has_tried(const struct pool_ask *ask, unsigned index)
{
	for (unsigned i = 0; i < ask->tried_n; i++)
		if (ask->tried[i] == index)
			return true;
	return false;
}

#endif
