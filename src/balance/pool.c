/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/pool.h"

#include "pool_inside.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any number; but another one makes other digests, so every node has this. */
#define DIGEST_SEED 0x72696e676d61696e

static const struct balancer_ops *const balancers[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = &roundrobin_ops, [BALANCE_LEASTCONN] = &leastconn_ops,
	[BALANCE_RANDOM] = &random_ops,         [BALANCE_MAGLEV] = &maglev_ops,
	[BALANCE_FIRST] = &first_ops,
};

unsigned pool_tier_of(const struct backend_config *backend)
{
	return MIN(backend->tier, POOL_TIERS_MAX - 1);
}

static int create_arrays(struct pool *pool)
{
	size_t n = pool->n + 1; /* never of no bytes */

	pool->backends = aligned_alloc(CACHE_LINE_BYTES, n * sizeof(*pool->backends));
	pool->candidates = calloc(n, sizeof(*pool->candidates));
	pool->members = calloc(n, sizeof(*pool->members));
	if (!pool->backends || !pool->candidates || !pool->members)
		return -1;
	memset(pool->backends, 0, n * sizeof(*pool->backends));
	return 0;
}

static void init_members(struct pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend_config *config = &pool->config->backends[i];
		struct member *m = &pool->members[i];

		pool->backends[i].config = config;
		pool->backends[i].index = i;
		health_init(&m->health, &pool->config->check);
		m->weight = MIN(config->weight, POOL_WEIGHT_MAX);
		m->tier = pool_tier_of(config);
		m->part = POOL_PART_ALL;
		member_set_places(pool, i);
		pool->weighted_n += m->weight > 0;
	}
}

/* See pool_set_weight(): the weights may not change meanwhile, the rest may. */
struct balancer *pool_build_balancer(const struct pool *pool, const unsigned *weights)
{
	const struct balancer_ops *ops = balancers[pool->config->balance];
	struct balancer *b = ops->create(pool->config, weights);

	if (!b)
		return NULL;
	b->ops = ops;
	b->candidates = pool->candidates;
	b->n = pool->n;
	b->random = pool->random;
	return b;
}

static int create_balancer(struct pool *pool)
{
	unsigned *weights = calloc(pool->n + 1, sizeof(*weights));

	if (!weights)
		return -1;
	for (size_t i = 0; i < pool->n; i++)
		weights[i] = pool->members[i].weight;
	pool->balancer = pool_build_balancer(pool, weights);
	free(weights);
	return pool->balancer ? 0 : -1;
}

struct pool *pool_create(const struct pool_config *config)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	CHECK(config->backends_n <= POOL_BACKENDS_MAX);
	CHECK(config->balance < BALANCE_KINDS);
	if (!pool)
		return NULL;
	pool->config = config;
	pool->n = config->backends_n;
	pool->random = hash_text(config->name, (uintptr_t)pool);
	pthread_mutex_init(&pool->building, NULL);
	pthread_mutex_init(&pool->lock, NULL);
	queue_init(&pool->queue, config->queue_max, config->queue_timeout_ms);
	if (create_arrays(pool) < 0)
		goto fail;
	init_members(pool);
	if (create_balancer(pool) < 0)
		goto fail;
	for (unsigned i = 0; i < pool->n; i++)
		member_review(pool, i);
	pool_open_tiers(pool);
	return pool;

fail:
	pool_destroy(pool);
	return NULL;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	CHECK(pool->queue.stats.waiting == 0);
	if (pool->balancer) {
		for (unsigned i = 0; i < pool->n; i++)
			CHECK(pool->candidates[i].sessions == 0);
		pool->balancer->ops->destroy(pool->balancer);
	}
	pthread_mutex_destroy(&pool->building);
	pthread_mutex_destroy(&pool->lock);
	free(pool->backends);
	free(pool->candidates);
	free(pool->members);
	free(pool);
}

enum pool_answer pool_explain(const struct pool *pool, const struct pool_ask *ask)
{
	unsigned ready = 0;

	for (unsigned t = 0; t < pool->tiers_open; t++)
		ready += pool->ready_in[t];
	for (unsigned i = 0; i < ask->tried_n; i++) {
		const struct member *m = &pool->members[ask->tried[i]];

		ready -= m->is_ready && m->tier < pool->tiers_open;
	}
	return ready > 0 ? POOL_ALL_FULL : POOL_NONE_READY;
}

/* Is @a the better choice, by tier and then by load? */
static bool is_better(const struct pool *pool, unsigned a, unsigned b)
{
	const struct candidate *ca = &pool->candidates[a], *cb = &pool->candidates[b];

	if (pool->members[a].tier != pool->members[b].tier)
		return pool->members[a].tier < pool->members[b].tier;
	return (uint64_t)ca->sessions * cb->weight < (uint64_t)cb->sessions * ca->weight;
}

/*
 * For a session that has tried all of the open tiers: the best of the others.
 * This looks at all backends, but only a session comes here that could not
 * connect to any of those that are believed to be well.
 */
static int pick_from_closed_tiers(const struct pool *pool, const struct pool_ask *ask)
{
	int best = -1;

	for (unsigned i = 0; i < pool->n; i++) {
		const struct member *m = &pool->members[i];

		if (m->tier < pool->tiers_open || !m->is_ready ||
		    candidate_is_full(&pool->candidates[i]) || ask_has_tried(ask, i))
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
	if (*ret_why != POOL_NONE_READY || ask->tried_n == 0)
		return -1;
	index = pick_from_closed_tiers(pool, ask);
	if (index >= 0)
		*ret_why = POOL_PICKED;
	return index;
}

static void take_place(struct pool *pool, unsigned index)
{
	struct backend *backend = &pool->backends[index];

	member_set_sessions(pool, index, pool->candidates[index].sessions + 1);
	atomic_store_explicit(&backend->picked, backend->picked + 1, memory_order_relaxed);
}

int pool_choose(struct pool *pool, const struct pool_ask *ask, enum pool_answer *ret_why)
{
	int index;

	CHECK(ask->tried_n <= POOL_TRIES_MAX);
	index = find_best(pool, ask, ret_why);
	if (index >= 0)
		take_place(pool, (unsigned)index);
	return index;
}

struct backend *pool_pick(struct pool *pool, const struct pool_ask *ask, enum pool_answer *ret_why)
{
	int index;

	pthread_mutex_lock(&pool->lock);
	index = pool_choose(pool, ask, ret_why);
	pthread_mutex_unlock(&pool->lock);
	return index >= 0 ? &pool->backends[index] : NULL;
}

bool pool_take(struct pool *pool, struct backend *backend)
{
	unsigned i = backend->index;
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = pool->members[i].is_ready && !candidate_is_full(&pool->candidates[i]);
	if (may)
		take_place(pool, i);
	pthread_mutex_unlock(&pool->lock);
	return may;
}

bool pool_take_beyond(struct pool *pool, struct backend *backend)
{
	struct member *m = &pool->members[backend->index];
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = m->beyond < POOL_BEYOND_MAX;
	if (may) {
		m->beyond++;
		take_place(pool, backend->index);
	}
	pthread_mutex_unlock(&pool->lock);
	return may;
}

static void give_place_back(struct pool *pool, unsigned i)
{
	CHECK(pool->candidates[i].sessions > 0);
	member_set_sessions(pool, i, pool->candidates[i].sessions - 1);
}

void pool_release(struct pool *pool, struct backend *backend)
{
	pthread_mutex_lock(&pool->lock);
	give_place_back(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
}

void pool_release_beyond(struct pool *pool, struct backend *backend)
{
	struct member *m = &pool->members[backend->index];

	pthread_mutex_lock(&pool->lock);
	CHECK(m->beyond > 0);
	m->beyond--;
	give_place_back(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
}

bool pool_route(struct pool *pool, const struct pool_ask *ask, struct pool_route *ret_route)
{
	pthread_mutex_lock(&pool->lock);
	bool does_hash = pool->balancer->ops->route;

	if (does_hash)
		pool->balancer->ops->route(pool->balancer, ask, ret_route);
	pthread_mutex_unlock(&pool->lock);
	return does_hash;
}

/* ---- digest ---- */

/* In text, which is the same on machines of either byte order. */
static uint64_t digest_settings(const struct pool_config *c, uint64_t seed)
{
	char text[128];

	snprintf(text, sizeof(text), "hash=%s/%u/%u hash_balance=%u min_ready=%u",
		 client_key_names[c->hash.kind], c->hash.bits4, c->hash.bits6,
		 c->hash_balance_percent, c->tier_ready_min);
	return hash_text(text, seed);
}

/* Without the zone, a number that each machine gives to its own links. Weights are in the table. */
static uint64_t digest_backend(const struct backend_config *b)
{
	char text[CONFIG_NAME_BYTES + ADDR_TEXT_BYTES + 64], addr_text[ADDR_TEXT_BYTES];
	struct addr addr = b->addr;

	if (addr_family(&addr) == AF_INET6)
		addr.in6.sin6_scope_id = 0;
	snprintf(text, sizeof(text), "%s %s max_sessions=%u tier=%u", b->name,
		 addr_format(&addr, addr_text), b->sessions_max, b->tier);
	return hash_text(text, DIGEST_SEED);
}

/* The table itself is never changed: only a change of weights puts another in its place. */
uint64_t pool_digest(struct pool *pool)
{
	uint64_t digest;

	if (!pool->balancer->ops->digest)
		return 0;
	pthread_mutex_lock(&pool->building);
	digest = pool->balancer->ops->digest(pool->balancer);
	pthread_mutex_unlock(&pool->building);

	digest = digest_settings(pool->config, digest);
	for (size_t i = 0; i < pool->n; i++)
		digest += digest_backend(&pool->config->backends[i]);
	return digest;
}

bool pool_digest_add(struct pool *pool, uint64_t *digest)
{
	const bool does_hash = pool->balancer->ops->digest;

	if (does_hash)
		*digest += hash_text(pool->config->name, pool_digest(pool));
	return does_hash;
}

/* ---- the rest ---- */

void pool_seed(struct pool *pool, uint64_t seed)
{
	pthread_mutex_lock(&pool->lock);
	pool->random = seed;
	pool->balancer->random = seed;
	pthread_mutex_unlock(&pool->lock);
}

unsigned pool_ready(struct pool *pool)
{
	unsigned ready;

	pthread_mutex_lock(&pool->lock);
	ready = pool->ready_n;
	pthread_mutex_unlock(&pool->lock);
	return ready;
}

const struct pool_config *pool_config(const struct pool *pool)
{
	return pool->config;
}

size_t pool_backends(const struct pool *pool)
{
	return pool->n;
}

struct backend *pool_backend(struct pool *pool, size_t index)
{
	CHECK(index < pool->n);
	return &pool->backends[index];
}

unsigned pool_weight(struct pool *pool, const struct backend *backend)
{
	unsigned weight;

	pthread_mutex_lock(&pool->lock);
	weight = pool->members[backend->index].weight;
	pthread_mutex_unlock(&pool->lock);
	return weight;
}
