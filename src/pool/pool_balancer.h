/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_POOL_BALANCER_H
#define POOL_POOL_BALANCER_H

/* Which balancer a pool has: one made of its configuration, or of new weights. */

#include "pool_backends.h"

/* Builds the one that @setup's configuration asks for. NULL without memory. */
struct balancer *pool_create_balancer(const struct balancer_setup *setup);

/*
 * Builds one for the present weights, but @weight for @changed. Returns 0 or
 * -ENOMEM. The weights may not change meanwhile, the rest may.
 */
int pool_build_balancer(const struct pool *pool, const struct backend_status *changed,
			unsigned weight, struct balancer **ret_balancer);

/*
 * The weight in a table that is built when that of @s is @weight. What its
 * operator takes out by a weight of 0 keeps its slots, so that no other's keys
 * move.
 */
unsigned pool_table_weight(unsigned weight, bool is_set, unsigned configured);

/* Under the lock: puts @b in the place of the old one, which it gives. */
struct balancer *pool_swap_balancer(struct pool *pool, struct balancer *b);

#endif
