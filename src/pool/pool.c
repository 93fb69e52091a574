/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool/pool.h"

#include "pool_backends.h"
#include "pool_choose.h"
#include "pool_plan.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdio.h>

/* Any number; but another one makes other digests, so every node has this. */
#define DIGEST_SEED 0x72696e676d61696e

/* ---- just this one ---- */

/* The backend of @id if the pool has it; the lock is held. */
static struct backend_status *find_id(struct pool *pool, uint64_t id)
{
	uint64_t i = pool_index_of_id(id);

	return i < pool->n && pool->status[i] && pool->status[i]->backend.id == id ? pool->status[i]
										   : NULL;
}

struct backend *pool_take(struct pool *pool, uint64_t id, uint64_t now_ms)
{
	const struct backend_status *may = NULL;
	struct backend_status *s;

	pthread_mutex_lock(&pool->lock);
	s = find_id(pool, id);
	if (s && s->is_ready && !backend_is_full(&pool->loads[s->backend.index]) &&
	    !backend_expire_role(pool, s->backend.index, now_ms))
		may = s;
	if (may)
		pool_take_slot(pool, s->backend.index);
	pthread_mutex_unlock(&pool->lock);
	return may ? &s->backend : NULL;
}

enum pool_answer pool_take_beyond(struct pool *pool, uint64_t id, struct backend **ret_backend)
{
	enum pool_answer answer = POOL_NONE_READY;
	struct backend_status *s;

	pthread_mutex_lock(&pool->lock);
	s = find_id(pool, id);
	if (s && s->beyond < POOL_BEYOND_MAX) {
		answer = POOL_PICKED;
		s->beyond++;
		pool_take_slot(pool, s->backend.index);
		*ret_backend = &s->backend;
	} else if (s) {
		answer = POOL_ALL_FULL;
	}
	pthread_mutex_unlock(&pool->lock);
	return answer;
}

static bool may_be_alive(const struct backend *backend)
{
	if (backend->state == BACKEND_LEAVING)
		return backend->sessions > 0;
	return backend->state != BACKEND_DOWN && backend->state != BACKEND_MAINT;
}

uint64_t pool_next_alive(struct pool *pool, uint64_t after)
{
	uint64_t next = 0;

	pthread_mutex_lock(&pool->lock);
	for (uint64_t i = after ? pool_index_of_id(after) + 1 : 0; i < pool->n && next == 0; i++)
		if (pool->status[i] && may_be_alive(&pool->status[i]->backend))
			next = pool->status[i]->backend.id;
	pthread_mutex_unlock(&pool->lock);
	return next;
}

void pool_release(struct pool *pool, struct backend *backend)
{
	pthread_mutex_lock(&pool->lock);
	pool_release_slot(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
}

void pool_release_beyond(struct pool *pool, struct backend *backend)
{
	struct backend_status *s = backend_status(backend);

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
static bool find_digest(struct pool *pool, uint64_t *ret_digest)
{
	const struct pool_config *config = pool->config;
	bool does_hash = pool->balancer->ops->digest;

	if (!does_hash)
		return false;
	*ret_digest = digest_settings(config, pool->balancer->ops->digest(pool->balancer));
	for (size_t i = 0; i < config->backends_n; i++)
		*ret_digest += digest_backend(&config->backends[i]);
	return true;
}

uint64_t pool_digest(struct pool *pool)
{
	uint64_t digest = 0;

	pthread_mutex_lock(&pool->building);
	(void)find_digest(pool, &digest);
	pthread_mutex_unlock(&pool->building);
	return digest;
}

bool pool_digest_add(struct pool *pool, uint64_t *digest)
{
	uint64_t own;
	bool does_hash;

	pthread_mutex_lock(&pool->building);
	does_hash = find_digest(pool, &own);
	if (does_hash)
		*digest += hash_text(pool->config->name, own);
	pthread_mutex_unlock(&pool->building);
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

bool pool_awaits_checks(struct pool *pool)
{
	bool does;

	pthread_mutex_lock(&pool->lock);
	does = pool_is_undecided(pool);
	pthread_mutex_unlock(&pool->lock);
	return does;
}

bool pool_is_panicking(struct pool *pool)
{
	bool is;

	pthread_mutex_lock(&pool->lock);
	is = pool->is_panicking;
	pthread_mutex_unlock(&pool->lock);
	return is;
}

const struct pool_config *pool_config(const struct pool *pool)
{
	return pool->config;
}

size_t pool_slot(const struct pool *pool)
{
	return pool->slot;
}

void pool_set_slot(struct pool *pool, size_t slot)
{
	pool->slot = slot;
}

size_t pool_backends(const struct pool *pool)
{
	return pool->n;
}

struct backend *pool_backend(struct pool *pool, size_t index)
{
	CHECK(index < pool->n);
	return pool->status[index] ? &pool->status[index]->backend : NULL;
}
