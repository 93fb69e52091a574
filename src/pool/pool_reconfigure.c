/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A pool gets another configuration: what is to become of whom is planned,
 * and all memory taken, before the lock; then it is done at once.
 */

#include "pool/pool.h"

#include "pool_balancer.h"
#include "pool_plan.h"

#include "base/check.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the lock is held ------------------------------------------------------------ */

static void swap_arrays(struct plan *plan)
{
	struct pool *pool = plan->pool;
	struct backend_status **status = pool->status;
	struct backend_load *loads = pool->loads;

	if (!plan->status)
		return;
	for (size_t i = 0; i < pool->n; i++) {
		plan->status[i] = status[i];
		plan->loads[i] = loads[i];
	}
	pool->status = plan->status;
	pool->loads = plan->loads;
	pool->n = plan->n;
	plan->status = status;
	plan->loads = loads;
}

/* The new one has nobody in until readmit_all(). */
static void swap_balancer(struct plan *plan)
{
	struct pool *pool = plan->pool;

	if (!plan->balancer)
		return;
	for (size_t i = 0; i < pool->n; i++)
		pool->loads[i].is_in = false;
	plan->balancer = pool_swap_balancer(pool, plan->balancer);
}

/* Those who are not in the configuration; of @n indexes, as there were before. */
static void let_go(const struct plan *plan, size_t n, uint64_t now_ms)
{
	struct pool *pool = plan->pool;

	for (unsigned i = 0; i < n; i++) {
		struct backend_status *s = pool->status[i];

		if (!s || s->is_leaving || plan->stays[i])
			continue;
		s->left = pool->generation;
		backend_leave(pool, i);
		backend_restate(pool, i, now_ms);
	}
}

static void replace_copy(struct pool *pool, struct backend *backend, struct backend_copy *copy)
{
	struct backend_copy *old = backend_copy(backend);

	old->replaced = pool->generation;
	old->next = pool->replaced;
	pool->replaced = old;
	backend->config = &copy->config;
}

/* Without checks nobody would find out that it is up again. */
static void end_checks(struct health *health)
{
	health->is_up = true;
	health->is_checked = false;
	health->is_full = false;
	health->streak = 0;
}

/* Where no role is wanted any more, none is on standby. */
static void end_roles(struct pool *pool, uint64_t now_ms)
{
	for (unsigned i = 0; i < pool->n; i++) {
		struct backend_status *s = pool->status[i];

		if (!s || !s->health.standby || s->is_leaving)
			continue;
		s->health.standby = NULL;
		s->awaits_role = false;
		backend_restate(pool, i, now_ms);
	}
}

/*
 * Another role is wanted: what is known of them has to be looked at again, by who tells roles.
 * Until then who comes is held, as at a start.
 */
static void begin_roles(struct pool *pool, uint64_t now_ms)
{
	for (unsigned i = 0; i < pool->n; i++) {
		struct backend_status *s = pool->status[i];

		if (!s || s->is_leaving)
			continue;
		s->health.standby = pool_role_unknown;
		s->awaits_role = true;
		atomic_store(&s->backend.role_until_ms, UINT64_MAX);
		backend_restate(pool, i, now_ms);
	}
}

static bool is_another_role(const struct role_settings *old, const struct role_settings *new)
{
	return role_is_any(old) || old->wanted != new->wanted;
}

/* @is_other: it is not the one that was wanted before. */
static void review_roles(struct pool *pool, bool is_other, uint64_t now_ms)
{
	if (role_is_any(&pool->config->role))
		end_roles(pool, now_ms);
	else if (is_other)
		begin_roles(pool, now_ms);
}

static void enter(const struct plan *plan, struct entry *e, bool starts_slowly, uint64_t now_ms)
{
	struct backend_status *s = e->status;

	plan->pool->status[s->backend.index] = s;
	backend_enter(plan->pool, s->backend.index, starts_slowly);
	if (e->named)
		s->health.admin_state = e->named->health.admin_state;
	s->is_weight_set = e->is_weight_set;
	s->backend.changed_ms = now_ms;
}

static void apply_entry(const struct plan *plan, unsigned position, bool starts_slowly,
			uint64_t now_ms)
{
	struct entry *e = &plan->entries[position];
	struct backend_status *s = e->status;

	s->position = position;
	if (!e->enters && !e->copy && !plan->ends_checks)
		return;
	if (e->copy)
		replace_copy(plan->pool, &s->backend, e->copy);
	e->copy = NULL;
	if (e->enters)
		enter(plan, e, starts_slowly, now_ms);
	else if (plan->ends_checks)
		end_checks(&s->health);
	e->is_new = false; /* it is the pool's */
	backend_reconfigure(plan->pool, s->backend.index, plan->config->backends[position].tier,
			    e->weight);
	backend_restate(plan->pool, s->backend.index, now_ms);
}

/* First those who stay: whether somebody serves decides how others start. */
static void apply_entries(const struct plan *plan, uint64_t now_ms)
{
	bool has_server;

	for (unsigned n = 0; n < plan->config->backends_n; n++)
		if (!plan->entries[n].enters)
			apply_entry(plan, n, false, now_ms);
	has_server = plan->pool->ready_n > 0;
	for (unsigned n = 0; n < plan->config->backends_n; n++)
		if (plan->entries[n].enters)
			apply_entry(plan, n, has_server, now_ms);
}

static void readmit_all(struct pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++) {
		if (!pool->status[i])
			continue;
		if (pool->balancer->ops->is_static && pool->status[i]->part < POOL_PART_ALL)
			backend_set_part(pool, i, POOL_PART_ALL);
		backend_admit(pool, i);
	}
}

/* What is in @plan then is to be freed. */
static void carry_out(struct plan *plan, uint64_t now_ms)
{
	struct pool *pool = plan->pool;
	size_t n = pool->n;
	bool is_other_role;

	pthread_mutex_lock(&pool->lock);
	is_other_role = pool->config && is_another_role(&pool->config->role, &plan->config->role);
	pool->generation++;
	pool->config = plan->config;
	queue_set_limits(&pool->queue, plan->config->queue_max, plan->config->queue_timeout_ms);
	swap_arrays(plan);
	swap_balancer(plan);
	let_go(plan, n, now_ms);
	apply_entries(plan, now_ms);
	review_roles(pool, is_other_role, now_ms);
	pool_open_tiers(pool);
	if (plan->balancer)
		readmit_all(pool);
	pthread_mutex_unlock(&pool->lock);
}

struct pool_change {
	struct plan plan;
};

static void finish_change(struct pool_change *change)
{
	pthread_mutex_unlock(&change->plan.pool->building);
	pool_plan_finish(&change->plan);
	free(change);
}

int pool_change_prepare(struct pool *pool, const struct pool_config *config,
			struct pool_change **ret_change)
{
	struct pool_change *change = calloc(1, sizeof(*change));
	int err;

	CHECK(config->backends_n <= POOL_BACKENDS_MAX);
	CHECK(config->balance < BALANCE_KINDS);
	if (!change)
		return -ENOMEM;
	change->plan.pool = pool;
	change->plan.config = config;
	pthread_mutex_lock(&pool->building);
	err = pool_plan_make(&change->plan);
	if (err == 0)
		*ret_change = change;
	else
		finish_change(change);
	return err;
}

void pool_change_commit(struct pool_change *change, uint64_t now_ms)
{
	carry_out(&change->plan, now_ms);
	finish_change(change);
}

void pool_change_abandon(struct pool_change *change)
{
	if (change)
		finish_change(change);
}

int pool_reconfigure(struct pool *pool, const struct pool_config *config)
{
	struct pool_change *change;
	int err = pool_change_prepare(pool, config, &change);

	if (err == 0)
		pool_change_commit(change, 0);
	return err;
}

struct pool *pool_create(const struct pool_config *config)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->random = hash_text(config->name, (uintptr_t)pool);
	pthread_mutex_init(&pool->building, NULL);
	pthread_mutex_init(&pool->lock, NULL);
	queue_init(&pool->queue, config->queue_max, config->queue_timeout_ms);
	if (pool_reconfigure(pool, config) < 0) {
		pool_destroy(pool);
		return NULL;
	}
	pool->generation = 0;
	return pool;
}

void pool_destroy(struct pool *pool)
{
	if (!pool)
		return;
	CHECK(pool->queue.stats.waiting == 0);
	for (unsigned i = 0; i < pool->n; i++) {
		CHECK(pool->loads[i].sessions == 0);
		pool_free_backend(pool->status[i]);
	}
	pool_free_replaced(pool, pool->generation);
	if (pool->balancer)
		pool->balancer->ops->destroy(pool->balancer);
	pthread_mutex_destroy(&pool->building);
	pthread_mutex_destroy(&pool->lock);
	free(pool->loads);
	free(pool->status);
	free(pool);
}

uint64_t pool_generation(const struct pool *pool)
{
	return pool->generation;
}

/* ---- those who leave ------------------------------------------------------------- */

void pool_hold(struct backend *backend)
{
	atomic_fetch_add(&backend->holders, 1);
}

void pool_unhold(struct backend *backend)
{
	CHECK(atomic_fetch_sub(&backend->holders, 1) > 0);
}

/* Nobody comes to it any more: who has neither a slot nor a hold gets none. */
static bool is_unused(const struct backend *backend)
{
	return atomic_load(&backend->sessions) == 0 && atomic_load(&backend->holders) == 0;
}

/* Gives it, out of the pool, or NULL: a request to cancel may just have come to it. */
static struct backend_status *take_out(struct pool *pool, unsigned index)
{
	struct backend_status *s = pool->status[index];

	pthread_mutex_lock(&pool->lock);
	if (is_unused(&s->backend)) {
		pool->status[index] = NULL;
		pool->loads[index] = (struct backend_load){ 0 };
	} else {
		s = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	return s;
}

unsigned pool_collect(struct pool *pool, uint64_t passed)
{
	unsigned leaving = 0;

	pthread_mutex_lock(&pool->building);
	for (unsigned i = 0; i < pool->n; i++) {
		struct backend_status *s = pool->status[i], *gone = NULL;

		if (!s || !s->is_leaving)
			continue;
		if (s->left <= passed && is_unused(&s->backend))
			gone = take_out(pool, i);
		pool_free_backend(gone);
		leaving += gone == NULL;
	}
	pool_free_replaced(pool, passed);
	pthread_mutex_unlock(&pool->building);
	return leaving;
}
