/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_POOL_PICK_H
#define UNIT_POOL_PICK_H

/* A pick of a session that does not wait, while nobody does who could be served. */

#include "pool/pool.h"

/* Takes a slot, to be given back by pool_release(). NULL, and why, when there is none. */
static inline struct backend *pool_pick(struct pool *pool, const struct pool_ask *ask,
					enum pool_answer *ret_why)
{
	struct pool_waiter waiter = { .ask = *ask };

	*ret_why = pool_pick_or_wait(pool, &waiter, 0);
	if (*ret_why == POOL_WAITING) {
		(void)!pool_leave(pool, &waiter);
		*ret_why = POOL_ALL_FULL;
	}
	return waiter.backend;
}

#endif
