/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What changes who may be picked: operator, health, weights, time. */

#include "balance/pool.h"

#include "pool_inside.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

/* A ramp takes this many steps, or as many as it takes to have them this far apart. */
#define RAMP_STEPS 128
#define RAMP_STEP_MS 100

const char *const backend_state_names[BACKEND_STATES] = {
	[BACKEND_READY] = "ready", [BACKEND_DRAIN] = "drain",     [BACKEND_DOWN] = "down",
	[BACKEND_MAINT] = "maint", [BACKEND_EJECTED] = "ejected",
};

void member_set_places(struct pool *pool, unsigned index)
{
	uint64_t max = pool->backends[index].config->sessions_max;
	unsigned part = pool->members[index].part;

	if (max == 0)
		max = UINT32_MAX;
	else
		max = (max * part + POOL_PART_ALL - 1) / POOL_PART_ALL;
	pool->candidates[index].places = (uint32_t)max;
}

void member_admit(struct pool *pool, unsigned index)
{
	struct candidate *c = &pool->candidates[index];
	const struct member *m = &pool->members[index];
	bool may = m->is_ready && m->tier < pool->tiers_open && !candidate_is_full(c);
	const struct balancer_ops *ops = pool->balancer->ops;

	if (may == c->is_in)
		return;
	c->is_in = may;
	if (may && ops->join)
		ops->join(pool->balancer, index);
	else if (!may && ops->leave)
		ops->leave(pool->balancer, index);
	if (may && pool->queue.stats.waiting > 0)
		pool->has_call = true;
}

void member_set_sessions(struct pool *pool, unsigned index, unsigned sessions)
{
	struct candidate *c = &pool->candidates[index];

	c->sessions = sessions;
	atomic_store_explicit(&pool->backends[index].sessions, sessions, memory_order_relaxed);
	if (c->is_in == candidate_is_full(c))
		member_admit(pool, index); /* it has become full, or is so no longer */
	if (c->is_in && pool->balancer->ops->on_load)
		pool->balancer->ops->on_load(pool->balancer, index);
}

void pool_open_tiers(struct pool *pool)
{
	unsigned wanted = MAX(pool->config->tier_ready_min, 1);
	unsigned ready = 0, open = 0;

	while (open < POOL_TIERS_MAX && ready < wanted)
		ready += pool->ready_in[open++];
	if (open == pool->tiers_open)
		return;
	pool->tiers_open = open;
	for (unsigned i = 0; i < pool->n; i++)
		member_admit(pool, i);
}

static void set_effective_weight(struct pool *pool, unsigned index)
{
	struct candidate *c = &pool->candidates[index];
	const struct member *m = &pool->members[index];
	uint32_t before = c->weight;

	c->weight = m->weight * m->part;
	if (c->is_in && c->weight > 0 && c->weight != before && pool->balancer->ops->on_weight)
		pool->balancer->ops->on_weight(pool->balancer, index, before);
}

static void set_part(struct pool *pool, unsigned index, unsigned part)
{
	struct member *m = &pool->members[index];

	pool->ramping_n -= m->part < POOL_PART_ALL;
	m->part = part;
	pool->ramping_n += m->part < POOL_PART_ALL;
	member_set_places(pool, index);
	set_effective_weight(pool, index);
}

static void start_ramp(struct pool *pool, unsigned index)
{
	if (pool->config->slow_start_ms == 0 || pool->balancer->ops->is_static)
		return;
	pool->members[index].has_ramp_start = false;
	set_part(pool, index, POOL_PART_MIN);
}

static void set_ready(struct pool *pool, unsigned index, bool is_ready)
{
	struct member *m = &pool->members[index];

	if (m->is_ready == is_ready)
		return;
	m->is_ready = is_ready;
	pool->ready_n += is_ready ? 1 : -1u;
	pool->ready_in[m->tier] += is_ready ? 1 : -1u;
}

static void show_state(struct pool *pool, unsigned index, enum backend_state state)
{
	atomic_store_explicit(&pool->backends[index].state, state, memory_order_relaxed);
}

/* Who leaves does so with the weight it was in with, who joins has its new one. */
void member_review(struct pool *pool, unsigned index)
{
	struct member *m = &pool->members[index];
	enum backend_state state = health_state(&m->health);
	bool is_back = state == BACKEND_READY && m->was_out;

	show_state(pool, index, state);
	set_ready(pool, index, state == BACKEND_READY && m->weight > 0);
	if (!m->is_ready)
		member_admit(pool, index);

	if (is_back)
		start_ramp(pool, index);
	else if (state != BACKEND_READY)
		set_part(pool, index, POOL_PART_ALL);
	if (state == BACKEND_READY)
		m->was_ready = true;
	m->was_out = m->was_ready && state != BACKEND_READY &&
		     (m->was_out || state != BACKEND_DRAIN);
	set_effective_weight(pool, index);
	member_admit(pool, index);
	pool_open_tiers(pool);
}

static void set_ejected(struct pool *pool, struct health *health, bool is_ejected)
{
	pool->ejected_n += (unsigned)is_ejected - (unsigned)health->is_ejected;
	health->is_ejected = is_ejected;
}

void pool_set_state(struct pool *pool, struct backend *backend, enum backend_state state)
{
	struct health *health = &pool->members[backend->index].health;

	CHECK(state < BACKEND_STATES);
	CHECK(state != BACKEND_EJECTED);
	pthread_mutex_lock(&pool->lock);
	health->wanted = state;
	if (state == BACKEND_READY) {
		health->is_up = true;
		health->streak = 0;
		health->failures_in_row = 0;
		set_ejected(pool, health, false);
	}
	member_review(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
}

/* Puts a balancer that was built for other weights in the place of the old one, which it gives. */
static struct balancer *swap_balancer(struct pool *pool, struct balancer *b)
{
	struct balancer *old = pool->balancer;

	b->random = old->random;
	pool->balancer = b;
	for (unsigned i = 0; i < pool->n; i++)
		if (pool->candidates[i].is_in)
			b->ops->join(b, i);
	return old;
}

/* Builds a balancer for the present weights, but @weight for @index. */
static struct balancer *rebuild(struct pool *pool, unsigned index, unsigned weight)
{
	unsigned *weights = calloc(pool->n + 1, sizeof(*weights));
	struct balancer *b;

	if (!weights)
		return NULL;
	for (size_t i = 0; i < pool->n; i++)
		weights[i] = pool->members[i].weight;
	weights[index] = weight;
	b = pool_build_balancer(pool, weights);
	free(weights);
	return b;
}

int pool_set_weight(struct pool *pool, struct backend *backend, unsigned weight)
{
	unsigned i = backend->index;
	struct balancer *other = NULL;
	int err = 0;

	CHECK(weight <= POOL_WEIGHT_MAX);
	pthread_mutex_lock(&pool->building);
	if (pool->balancer->ops->fits && !pool->balancer->ops->fits(pool->balancer, i, weight)) {
		other = rebuild(pool, i, weight);
		if (!other)
			err = -ENOMEM;
	}
	if (err == 0) {
		pthread_mutex_lock(&pool->lock);
		if (other)
			other = swap_balancer(pool, other);
		pool->weighted_n += (weight > 0) - (pool->members[i].weight > 0);
		pool->members[i].weight = weight;
		member_review(pool, i);
		pthread_mutex_unlock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->building);
	if (other)
		other->ops->destroy(other);
	return err;
}

static uint32_t draw(struct pool *pool)
{
	return (uint32_t)(balancer_random(pool->balancer) >> 32);
}

/* Under the pool's lock, as all that is counted of a backend. */
static void count_result(struct backend *backend, enum health_result result)
{
	atomic_uint_fast64_t *const counters[HEALTH_RESULTS] = {
		[HEALTH_FINE] = &backend->connects,
		[HEALTH_FAILED] = &backend->connect_failures,
		[HEALTH_LOCAL] = &backend->local_failures,
	};

	atomic_store_explicit(counters[result], *counters[result] + 1, memory_order_relaxed);
}

enum health_change pool_on_connect(struct pool *pool, struct backend *backend,
				   enum health_result result, uint64_t now_ms)
{
	struct health *health = &pool->members[backend->index].health;
	enum health_change change;

	pthread_mutex_lock(&pool->lock);
	struct health_group group = { .eject = &pool->config->eject,
				      .members = pool->weighted_n,
				      .out = pool->weighted_n - pool->ready_n };

	change = health_on_connect(health, &group, result, now_ms, draw(pool));
	atomic_store_explicit(&backend->failures_in_row, health->failures_in_row,
			      memory_order_relaxed);
	count_result(backend, result);
	if (change == HEALTH_EJECTED) {
		atomic_store(&backend->blamed_failures, health->blamed_failures);
		atomic_store(&backend->blamed_connects, health->blamed_connects);
		pool->ejected_n++;
		member_review(pool, backend->index);
	}
	pthread_mutex_unlock(&pool->lock);
	return change;
}

enum health_change pool_on_check(struct pool *pool, struct backend *backend, bool passed,
				 uint64_t *ret_delay_ms)
{
	struct health *health = &pool->members[backend->index].health;
	enum health_change change;

	pthread_mutex_lock(&pool->lock);
	change = health_on_check(health, &pool->config->check, passed);
	*ret_delay_ms = health_check_delay_ms(health, &pool->config->check, draw(pool));
	if (change != HEALTH_SAME)
		member_review(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
	return change;
}

uint64_t pool_first_check_ms(struct pool *pool)
{
	uint64_t ms;

	pthread_mutex_lock(&pool->lock);
	ms = health_first_delay_ms(&pool->config->check, draw(pool));
	pthread_mutex_unlock(&pool->lock);
	return ms;
}

/* Linear, from a tenth to all of it. */
static unsigned ramp_part(const struct pool *pool, uint64_t since_ms)
{
	uint64_t ms = pool->config->slow_start_ms;

	if (since_ms >= ms)
		return POOL_PART_ALL;
	return POOL_PART_MIN +
	       (unsigned)((unsigned __int128)since_ms * (POOL_PART_ALL - POOL_PART_MIN) / ms);
}

/* Takes a step that is due; gives when the next one is. */
static uint64_t ramp(struct pool *pool, unsigned index, uint64_t now_ms)
{
	struct member *m = &pool->members[index];
	uint64_t step_ms = MAX(pool->config->slow_start_ms / RAMP_STEPS, RAMP_STEP_MS);

	if (m->part == POOL_PART_ALL)
		return POOL_NEVER;
	if (!m->has_ramp_start) {
		m->has_ramp_start = true;
		m->ramp_start_ms = now_ms;
	} else if (now_ms < m->ramp_next_ms) {
		return m->ramp_next_ms;
	}
	m->ramp_next_ms = MIN(now_ms + step_ms, m->ramp_start_ms + pool->config->slow_start_ms);
	set_part(pool, index, ramp_part(pool, now_ms - m->ramp_start_ms));
	member_admit(pool, index); /* it may have places again */
	return m->part == POOL_PART_ALL ? POOL_NEVER : m->ramp_next_ms;
}

/* Ends the ejection of @index when it is over; gives when it is to be looked at again. */
static uint64_t end_ejection(struct pool *pool, unsigned index, uint64_t now_ms,
			     struct backend **ret_returned)
{
	struct health *health = &pool->members[index].health;

	if (!health->is_ejected)
		return POOL_NEVER;
	if (*ret_returned || health_on_time(health, now_ms) != HEALTH_RETURNED)
		return MAX(health->eject_end_ms, now_ms);
	pool->ejected_n--;
	*ret_returned = &pool->backends[index];
	member_review(pool, index);
	return POOL_NEVER;
}

uint64_t pool_tick(struct pool *pool, uint64_t now_ms, struct backend **ret_returned)
{
	uint64_t next_ms = POOL_NEVER;

	*ret_returned = NULL;
	pthread_mutex_lock(&pool->lock);
	if (pool->ejected_n + pool->ramping_n > 0) {
		for (unsigned i = 0; i < pool->n; i++) {
			uint64_t end_ms = end_ejection(pool, i, now_ms, ret_returned);
			uint64_t step_ms = ramp(pool, i, now_ms);

			next_ms = MIN(next_ms, MIN(end_ms, step_ms));
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return next_ms;
}
