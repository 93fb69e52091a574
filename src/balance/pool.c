/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/pool.h"

#include "pool_backends.h"
#include "pool_balancer.h"
#include "pool_choose.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any number; but another one makes other digests, so every node has this. */
#define DIGEST_SEED 0x72696e676d61696e

static int create_arrays(struct pool *pool)
{
	size_t n = pool->n + 1; /* never of no bytes */

	pool->backends = aligned_alloc(CACHE_LINE_BYTES, n * sizeof(*pool->backends));
	pool->loads = calloc(n, sizeof(*pool->loads));
	pool->status = calloc(n, sizeof(*pool->status));
	if (!pool->backends || !pool->loads || !pool->status)
		return -1;
	memset(pool->backends, 0, n * sizeof(*pool->backends));
	return 0;
}

static void init_backends(struct pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend_config *config = &pool->config->backends[i];
		struct backend_status *s = &pool->status[i];

		pool->backends[i].config = config;
		pool->backends[i].index = i;
		health_init(&s->health, &pool->config->check);
		s->weight = MIN(config->weight, POOL_WEIGHT_MAX);
		CHECK(config->tier < POOL_TIERS_MAX);
		s->tier = config->tier;
		s->part = POOL_PART_ALL;
		backend_set_slots(pool, i);
		pool->weighted_n += s->weight > 0;
	}
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
	init_backends(pool);
	pool->balancer = pool_build_balancer(pool, pool->n, 0);
	if (!pool->balancer)
		goto fail;
	for (unsigned i = 0; i < pool->n; i++)
		backend_review(pool, i);
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
			CHECK(pool->loads[i].sessions == 0);
		pool->balancer->ops->destroy(pool->balancer);
	}
	pthread_mutex_destroy(&pool->building);
	pthread_mutex_destroy(&pool->lock);
	free(pool->backends);
	free(pool->loads);
	free(pool->status);
	free(pool);
}

bool pool_take(struct pool *pool, struct backend *backend)
{
	unsigned i = backend->index;
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = pool->status[i].is_ready && !backend_is_full(&pool->loads[i]);
	if (may)
		pool_take_slot(pool, i);
	pthread_mutex_unlock(&pool->lock);
	return may;
}

bool pool_take_beyond(struct pool *pool, struct backend *backend)
{
	struct backend_status *s = &pool->status[backend->index];
	bool may;

	pthread_mutex_lock(&pool->lock);
	may = s->beyond < POOL_BEYOND_MAX;
	if (may) {
		s->beyond++;
		pool_take_slot(pool, backend->index);
	}
	pthread_mutex_unlock(&pool->lock);
	return may;
}

void pool_release(struct pool *pool, struct backend *backend)
{
	pthread_mutex_lock(&pool->lock);
	pool_release_slot(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
}

void pool_release_beyond(struct pool *pool, struct backend *backend)
{
	struct backend_status *s = &pool->status[backend->index];

	pthread_mutex_lock(&pool->lock);
	CHECK(s->beyond > 0);
	s->beyond--;
	pool_release_slot(pool, backend->index);
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
