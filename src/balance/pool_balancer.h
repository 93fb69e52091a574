/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_POOL_BALANCER_H
#define BALANCE_POOL_BALANCER_H

/* Which balancer a pool has: one made of its configuration, or of new weights. */

#include "pool_backends.h"

/*
 * Builds one for the present weights, but @weight for @index, which may be
 * the number of backends: of none. Nobody is in yet. NULL without memory. The
 * weights may not change meanwhile, the rest may.
 */
struct balancer *pool_build_balancer(const struct pool *pool, size_t index, unsigned weight);

/* Under the lock: puts @b in the place of the old one, which it gives. */
struct balancer *pool_swap_balancer(struct pool *pool, struct balancer *b);

#endif
