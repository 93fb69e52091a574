/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool_balancer.h"

#include <stdlib.h>

static const struct balancer_ops *const balancers[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = &roundrobin_ops, [BALANCE_LEASTCONN] = &leastconn_ops,
	[BALANCE_RANDOM] = &random_ops,         [BALANCE_MAGLEV] = &maglev_ops,
	[BALANCE_FIRST] = &first_ops,
};

static struct balancer *build(const struct pool *pool, const unsigned *weights)
{
	const struct balancer_ops *ops = balancers[pool->config->balance];
	struct balancer *b = ops->create(pool->config, weights);

	if (!b)
		return NULL;
	b->ops = ops;
	b->loads = pool->loads;
	b->n = pool->n;
	b->random = pool->random;
	return b;
}

struct balancer *pool_build_balancer(const struct pool *pool, size_t index, unsigned weight)
{
	unsigned *weights = calloc(pool->n + 1, sizeof(*weights));
	struct balancer *b;

	if (!weights)
		return NULL;
	for (size_t i = 0; i < pool->n; i++)
		weights[i] = pool->status[i].weight;
	weights[index] = weight;
	b = build(pool, weights);
	free(weights);
	return b;
}

struct balancer *pool_swap_balancer(struct pool *pool, struct balancer *b)
{
	struct balancer *old = pool->balancer;

	b->random = old->random;
	pool->balancer = b;
	for (unsigned i = 0; i < pool->n; i++)
		if (pool->loads[i].is_in)
			b->ops->join(b, i);
	return old;
}
