/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool_balancer.h"

#include <errno.h>
#include <stdlib.h>

static const struct balancer_ops *const balancers[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = &roundrobin_ops, [BALANCE_LEASTCONN] = &leastconn_ops,
	[BALANCE_RANDOM] = &random_ops,         [BALANCE_MAGLEV] = &maglev_ops,
	[BALANCE_FIRST] = &first_ops,
};

struct balancer *pool_create_balancer(const struct balancer_setup *setup)
{
	const struct balancer_ops *ops = balancers[setup->config->balance];
	struct balancer *b = ops->create(setup);

	if (b)
		b->ops = ops;
	return b;
}

unsigned pool_table_weight(unsigned weight, bool is_set, unsigned configured)
{
	return is_set && weight == 0 ? configured : weight;
}

static struct balancer_member member_of(const struct backend_status *s)
{
	const struct backend_config *config = s->backend.config;

	return (struct balancer_member){
		.name = config->name,
		.index = s->backend.index,
		.weight = pool_table_weight(s->weight, s->is_weight_set, config->weight),
		.tier = s->tier,
	};
}

int pool_build_balancer(const struct pool *pool, const struct backend_status *changed,
			unsigned weight, struct balancer **ret_balancer)
{
	struct balancer_setup setup = {
		.config = pool->config,
		.members_n = pool->config->backends_n,
		.n = pool->n,
	};
	struct balancer_member *members = calloc(setup.members_n + 1, sizeof(*members));

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < pool->n; i++) {
		const struct backend_status *s = pool->status[i];

		if (!s || s->is_leaving)
			continue;
		members[s->position] = member_of(s);
		if (s == changed)
			members[s->position].weight = weight;
	}
	setup.members = members;
	*ret_balancer = pool_create_balancer(&setup);
	free(members);
	return *ret_balancer ? 0 : -ENOMEM;
}

struct balancer *pool_swap_balancer(struct pool *pool, struct balancer *b)
{
	struct balancer *old = pool->balancer;

	b->loads = pool->loads;
	b->n = pool->n;
	b->random = old ? old->random : pool->random;
	pool->balancer = b;
	for (unsigned i = 0; i < pool->n; i++)
		if (pool->loads[i].is_in && b->ops->join)
			b->ops->join(b, i);
	return old;
}
