/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool_choose.h"

#include "base/check.h"

enum pool_answer pool_explain(const struct pool *pool, const struct pool_ask *ask)
{
	unsigned ready = 0;

	for (unsigned t = 0; t < pool->tiers_open; t++)
		ready += pool->ready_in[t];
	for (unsigned i = 0; i < ask->tried_n; i++) {
		const struct backend_status *s = pool->status[ask->tried[i]];

		ready -= s && s->is_ready && s->tier < pool->tiers_open;
	}
	return ready > 0 ? POOL_ALL_FULL : POOL_NONE_READY;
}

/* Is @a the better choice, by tier and then by load? */
static bool is_better(const struct pool *pool, unsigned a, unsigned b)
{
	const struct backend_load *la = &pool->loads[a], *lb = &pool->loads[b];

	if (pool->status[a]->tier != pool->status[b]->tier)
		return pool->status[a]->tier < pool->status[b]->tier;
	return (uint64_t)la->sessions * lb->weight < (uint64_t)lb->sessions * la->weight;
}

/*
 * For a session that has tried all of the open tiers, or finds them full where
 * that is to open others: the best of these. This looks at all backends, but
 * only a session comes here that could not connect to any of those that are
 * believed to be healthy, or that would have to wait.
 */
static int pick_from_closed_tiers(const struct pool *pool, const struct pool_ask *ask)
{
	int best = -1;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend_status *s = pool->status[i];

		if (!s || s->tier < pool->tiers_open || !s->is_ready ||
		    backend_is_full(&pool->loads[i]) || ask_has_tried(ask, i))
			continue;
		if (best < 0 || is_better(pool, i, (unsigned)best))
			best = (int)i;
	}
	return best;
}

/*
 * Nobody waits for room here, and all that are left say that they have none:
 * the one with the fewest sessions may tell the client so itself.
 */
static int pick_refusing(const struct pool *pool, const struct pool_ask *ask)
{
	int best = -1;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend_status *s = pool->status[i];

		if (!s || !s->is_ready || !s->health.is_full || ask_has_tried(ask, i))
			continue;
		if (s->backend.config->sessions_max > 0 &&
		    pool->loads[i].sessions >= s->backend.config->sessions_max)
			continue;
		if (best < 0 || is_better(pool, i, (unsigned)best))
			best = (int)i;
	}
	return best;
}

/* Gives the index of the best, or -1 and the reason. */
static int find_best(struct pool *pool, const struct pool_ask *ask, enum pool_answer *ret_why)
{
	int index = pool->balancer->ops->pick(pool->balancer, ask);

	*ret_why = POOL_PICKED;
	if (index >= 0)
		return index;
	*ret_why = pool_explain(pool, ask);
	if (*ret_why == POOL_ALL_FULL && pool->config->overflow) {
		index = pick_from_closed_tiers(pool, ask);
		if (index >= 0) {
			*ret_why = POOL_PICKED;
			return index;
		}
	}
	if (*ret_why == POOL_ALL_FULL && pool->config->queue_max == 0) {
		index = pick_refusing(pool, ask);
		*ret_why = index >= 0 ? POOL_PICKED : POOL_ALL_FULL;
		return index;
	}
	if (*ret_why != POOL_NONE_READY || ask->tried_n == 0)
		return -1;
	index = pick_from_closed_tiers(pool, ask);
	if (index >= 0)
		*ret_why = POOL_PICKED;
	return index;
}

void pool_take_slot(struct pool *pool, unsigned index)
{
	struct backend *backend = &pool->status[index]->backend;

	backend_set_sessions(pool, index, pool->loads[index].sessions + 1);
	atomic_store_explicit(&backend->picked, backend->picked + 1, memory_order_relaxed);
}

int pool_choose(struct pool *pool, const struct pool_ask *ask, uint64_t now_ms,
		enum pool_answer *ret_why)
{
	int index;

	CHECK(ask->tried_n <= POOL_TRIES_MAX);
	do /* the checks' thread may have been kept from looking at the clock */
		index = find_best(pool, ask, ret_why);
	while (index >= 0 && backend_expire_role(pool, (unsigned)index, now_ms));
	if (index >= 0)
		pool_take_slot(pool, (unsigned)index);
	return index;
}

void pool_release_slot(struct pool *pool, unsigned index)
{
	CHECK(pool->loads[index].sessions > 0);
	backend_set_sessions(pool, index, pool->loads[index].sessions - 1);
}
