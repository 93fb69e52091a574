/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/pool.h"

#include "balance/balancer.h"
#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * Everything below the lock is changed under it only. What struct backend
 * shows of it (state, sessions, picked) is a copy for readers without the lock.
 */
struct pool {
	const struct pool_config *config;
	size_t n;
	struct backend *backends;

	pthread_mutex_t lock;
	struct balancer *balancer;
	struct candidate *candidates;
	unsigned *weights; /* as configured or set since */
};

const char *const backend_state_names[BACKEND_STATES] = {
	[BACKEND_READY] = "ready",
	[BACKEND_DRAIN] = "drain",
	[BACKEND_DOWN] = "down",
	[BACKEND_MAINT] = "maint",
	[BACKEND_EJECTED] = "ejected",
};

static const struct balancer_ops *const balancers[BALANCE_KINDS] = {
	[BALANCE_ROUNDROBIN] = &roundrobin_ops,
};

static bool is_full(const struct pool *pool, unsigned index)
{
	unsigned max = pool->backends[index].config->sessions_max;

	return max > 0 && pool->candidates[index].sessions >= max;
}

/* Would it serve, if it has a place? */
static bool is_serving(const struct pool *pool, unsigned index)
{
	return atomic_load_explicit(&pool->backends[index].state, memory_order_relaxed) ==
		       BACKEND_READY &&
	       pool->weights[index] > 0;
}

/* Lets the balancer know whether @index may be picked. */
static void admit(struct pool *pool, unsigned index)
{
	struct candidate *c = &pool->candidates[index];
	bool may = is_serving(pool, index) && !is_full(pool, index);

	if (may == c->is_in)
		return;
	c->is_in = may;
	if (may)
		pool->balancer->ops->join(pool->balancer, index);
	else
		pool->balancer->ops->leave(pool->balancer, index);
}

static void set_sessions(struct pool *pool, unsigned index, unsigned sessions)
{
	struct candidate *c = &pool->candidates[index];

	c->sessions = sessions;
	atomic_store_explicit(&pool->backends[index].sessions, sessions, memory_order_relaxed);
	admit(pool, index);
	if (c->is_in && pool->balancer->ops->on_load)
		pool->balancer->ops->on_load(pool->balancer, index);
}

static int create_arrays(struct pool *pool)
{
	size_t n = pool->n + 1; /* never of no bytes */

	pool->backends = aligned_alloc(CACHE_LINE_BYTES, n * sizeof(*pool->backends));
	pool->candidates = calloc(n, sizeof(*pool->candidates));
	pool->weights = calloc(n, sizeof(*pool->weights));
	if (!pool->backends || !pool->candidates || !pool->weights)
		return -1;
	memset(pool->backends, 0, n * sizeof(*pool->backends));
	return 0;
}

static void admit_all(struct pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend_config *config = &pool->config->backends[i];

		pool->backends[i].config = config;
		pool->backends[i].index = i;
		pool->weights[i] = MIN(config->weight, BALANCER_WEIGHT_MAX / BALANCER_WEIGHT_UNIT);
		pool->candidates[i].weight = pool->weights[i] * BALANCER_WEIGHT_UNIT;
		admit(pool, i);
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
	pthread_mutex_init(&pool->lock, NULL);
	if (create_arrays(pool) < 0)
		goto fail;
	pool->balancer = balancers[config->balance]->create(config);
	if (!pool->balancer)
		goto fail;
	pool->balancer->ops = balancers[config->balance];
	pool->balancer->candidates = pool->candidates;
	pool->balancer->n = pool->n;
	admit_all(pool);
	return pool;

fail:
	pool_destroy(pool);
	return NULL;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	for (unsigned i = 0; pool->balancer && i < pool->n; i++)
		CHECK(pool->candidates[i].sessions == 0);
	if (pool->balancer)
		pool->balancer->ops->destroy(pool->balancer);
	pthread_mutex_destroy(&pool->lock);
	free(pool->backends);
	free(pool->candidates);
	free(pool->weights);
	free(pool);
}

/* Why nobody could be picked. */
static enum pool_answer explain(const struct pool *pool, const struct pool_ask *ask)
{
	for (unsigned i = 0; i < pool->n; i++)
		if (is_serving(pool, i) && !ask_has_tried(ask, i))
			return POOL_ALL_FULL;
	return POOL_NONE_READY;
}

struct backend *pool_pick(struct pool *pool, const struct pool_ask *ask, enum pool_answer *ret_why)
{
	struct backend *backend = NULL;
	int index;

	DCHECK(ask->tried_n <= POOL_TRIES_MAX);
	pthread_mutex_lock(&pool->lock);
	index = pool->balancer->ops->pick(pool->balancer, ask);
	if (index < 0) {
		*ret_why = explain(pool, ask);
	} else {
		*ret_why = POOL_PICKED;
		DCHECK(pool->candidates[index].is_in);
		backend = &pool->backends[index];
		set_sessions(pool, backend->index, pool->candidates[index].sessions + 1);
		atomic_store_explicit(&backend->picked, backend->picked + 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&pool->lock);
	return backend;
}

void pool_release(struct pool *pool, struct backend *backend)
{
	unsigned i = backend->index;

	pthread_mutex_lock(&pool->lock);
	CHECK(pool->candidates[i].sessions > 0);
	set_sessions(pool, i, pool->candidates[i].sessions - 1);
	pthread_mutex_unlock(&pool->lock);
}

void pool_set_state(struct pool *pool, struct backend *backend, enum backend_state state)
{
	pthread_mutex_lock(&pool->lock);
	atomic_store_explicit(&backend->state, state, memory_order_relaxed);
	admit(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
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
