/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What changes who may be picked: operator, health, weights, time. */

#include "pool/pool.h"

#include "pool_backends.h"
#include "pool_balancer.h"
#include "pool_choose.h"

#include "base/check.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

/* A ramp takes this many steps, or as many as it takes to have them this far apart. */
#define RAMP_STEPS 128
#define RAMP_STEP_MS 100

void pool_set_state(struct pool *pool, struct backend *backend, enum backend_state state,
		    uint64_t now_ms)
{
	struct backend_status *s = backend_status(backend);
	struct health *health = &s->health;

	CHECK(state < BACKEND_EJECTED);
	pthread_mutex_lock(&pool->lock);
	if (!s->is_leaving) {
		/* Else it takes back what was said before, and says nothing of who is primary. */
		const bool is_approval = state == BACKEND_READY &&
					 health->admin_state == BACKEND_READY;

		health->admin_state = state;
		if (is_approval)
			atomic_store(&s->is_approved, true);
		if (state == BACKEND_READY) {
			health->is_up = true;
			health->streak = 0;
			health->failures_in_row = health->unserved_in_row = 0;
			backend->unserved_in_row = 0;
			(void)backend_unburden(pool, backend->index, POOL_NEVER);
			backend_set_ejected(pool, s, false);
		}
		backend_restate(pool, backend->index, now_ms);
	}
	pthread_mutex_unlock(&pool->lock);
}

void pool_clear_state(struct pool *pool, struct backend *backend, uint64_t now_ms)
{
	struct backend_status *s = backend_status(backend);

	pthread_mutex_lock(&pool->lock);
	s->health.admin_state = BACKEND_READY;
	backend_restate(pool, backend->index, now_ms);
	pthread_mutex_unlock(&pool->lock);
}

/* What its operator takes out by a weight of 0 keeps its slots, so that no other's keys move. */
static int change_weight(struct pool *pool, struct backend_status *s, unsigned wanted)
{
	const struct balancer *b = pool->balancer;
	bool is_set = wanted != POOL_WEIGHT_CONFIGURED;
	unsigned weight = is_set ? wanted : s->backend.config->weight;
	bool may_stay = !b->ops->fits || (is_set && weight == 0);
	struct balancer *other = NULL;

	if (!may_stay && !b->ops->fits(b, s->backend.index, weight) &&
	    pool_build_balancer(pool, s, weight, &other) < 0)
		return -ENOMEM;
	pthread_mutex_lock(&pool->lock);
	if (other)
		other = pool_swap_balancer(pool, other);
	s->is_weight_set = is_set;
	backend_reconfigure(pool, s->backend.index, s->tier, weight);
	backend_review(pool, s->backend.index);
	pthread_mutex_unlock(&pool->lock);
	if (other)
		other->ops->destroy(other);
	return 0;
}

int pool_set_weight(struct pool *pool, struct backend *backend, unsigned weight)
{
	struct backend_status *s = backend_status(backend);
	int err;

	CHECK(weight <= POOL_WEIGHT_MAX || weight == POOL_WEIGHT_CONFIGURED);
	pthread_mutex_lock(&pool->building);
	err = s->is_leaving ? 0 : change_weight(pool, s, weight);
	pthread_mutex_unlock(&pool->building);
	return err;
}

void pool_inspect(struct pool *pool, const struct backend *backend, struct backend_facts *ret)
{
	const struct backend_status *s =
		container_of(backend, const struct backend_status, backend);

	pthread_mutex_lock(&pool->lock);
	*ret = (struct backend_facts){
		.state = backend->state,
		.changed_ms = backend->changed_ms,
		.admin_state = s->health.admin_state,
		.standby = s->health.standby,
		.weight = s->weight,
		.ramp_percent = s->part * 100 / POOL_PART_ALL,
		.tier = s->tier,
		.eject_end_ms = s->health.is_ejected ? s->health.eject_end_ms : 0,
		.is_full = s->health.is_full,
		.is_check_at_fault = s->is_check_at_fault,
	};
	memcpy(ret->words, s->words, sizeof(ret->words));
	pthread_mutex_unlock(&pool->lock);
}

void pool_note_words(struct pool *pool, struct backend *backend, const char *words)
{
	struct backend_status *s = backend_status(backend);

	pthread_mutex_lock(&pool->lock);
	text_copy_cut(s->words, sizeof(s->words), words ? words : "");
	pthread_mutex_unlock(&pool->lock);
}

void pool_note_check_fault(struct pool *pool, struct backend *backend, const char *words)
{
	struct backend_status *s = backend_status(backend);

	pool_note_words(pool, backend, words);
	pthread_mutex_lock(&pool->lock);
	s->is_check_at_fault = words;
	pthread_mutex_unlock(&pool->lock);
}

static uint32_t draw_random(struct pool *pool)
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
		[HEALTH_EXCUSED] = &backend->connect_failures,
	};

	atomic_store_explicit(counters[result], *counters[result] + 1, memory_order_relaxed);
}

static struct health_group group_of(const struct pool *pool)
{
	return (struct health_group){ .eject = &pool->config->eject,
				      .members = pool->weighted_n,
				      .out = pool->weighted_n - pool->ready_n };
}

static void note_ejection(struct pool *pool, struct backend_status *s, enum health_change change,
			  uint64_t now_ms)
{
	if (change != HEALTH_EJECTED)
		return;
	atomic_store(&s->backend.blamed_failures, s->health.blamed_failures);
	atomic_store(&s->backend.blamed_connects, s->health.blamed_connects);
	pool->ejected_n++;
	backend_restate(pool, s->backend.index, now_ms);
}

enum health_change pool_on_connect(struct pool *pool, struct backend *backend,
				   enum health_result result, uint64_t now_ms)
{
	struct backend_status *s = backend_status(backend);
	struct health *health = &s->health;
	enum health_change change;

	pthread_mutex_lock(&pool->lock);
	const struct health_group group = group_of(pool);

	change = s->is_leaving
			 ? HEALTH_SAME
			 : health_on_connect(health, &group, result, now_ms, draw_random(pool));
	atomic_store_explicit(&backend->failures_in_row, health->failures_in_row,
			      memory_order_relaxed);
	count_result(backend, result);
	pool->wants_recheck |= result == HEALTH_FAILED;
	if (result == HEALTH_FINE)
		backend_prove(pool, backend->index);
	if (result == HEALTH_FAILED)
		backend_burden(pool, backend->index, now_ms);
	note_ejection(pool, s, change, now_ms);
	pthread_mutex_unlock(&pool->lock);
	return change;
}

static bool others_serve(const struct pool *pool, const struct backend *backend, uint64_t now_ms)
{
	for (unsigned i = 0; i < pool->n; i++) {
		const struct backend *other = pool->status[i] ? &pool->status[i]->backend : NULL;

		if (other && other != backend && other->state == BACKEND_READY &&
		    other->unserved_in_row == 0 && other->served_ms > 0 &&
		    now_ms - other->served_ms < pool->config->eject.window_ms)
			return true;
	}
	return false;
}

/* No client is the reason that it says it is not ready: it may have been started again. */
static bool is_doubtful(const struct health *health, const struct unserved *session)
{
	return session->kind == REFUSAL_NOT_READY && health->networks_n == HEALTH_NETWORKS;
}

enum health_change pool_on_unserved(struct pool *pool, struct backend *backend,
				    const struct unserved *session, uint64_t now_ms)
{
	struct backend_status *s = backend_status(backend);
	enum health_change change = HEALTH_SAME;

	pthread_mutex_lock(&pool->lock);
	if (!s->is_leaving) {
		struct health_group group = group_of(pool);

		group.others_serve = others_serve(pool, backend, now_ms);
		change = health_on_unserved(&s->health, &group, session, now_ms, draw_random(pool));
		atomic_store(&backend->unserved_in_row, s->health.unserved_in_row);
		if (is_doubtful(&s->health, session))
			pool_doubt(backend);
		pool->wants_recheck |= session->is_certain;
		backend_burden(pool, backend->index, now_ms);
		note_ejection(pool, s, change, now_ms);
	}
	pthread_mutex_unlock(&pool->lock);
	return change;
}

void pool_on_served(struct pool *pool, struct backend *backend, uint64_t began_ms, uint64_t now_ms)
{
	struct health *health = &backend_status(backend)->health;

	atomic_store_explicit(&backend->served_ms, now_ms, memory_order_relaxed);
	if (atomic_load_explicit(&backend->unserved_in_row, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&pool->lock);
	health_on_served(health, began_ms);
	atomic_store(&backend->unserved_in_row, health->unserved_in_row);
	pthread_mutex_unlock(&pool->lock);
}

/* It is full, or not any more, by its own words. */
static void review_fullness(struct pool *pool, struct backend_status *s)
{
	backend_set_slots(pool, s->backend.index);
	backend_admit(pool, s->backend.index);
}

enum health_change pool_on_check(struct pool *pool, struct backend *backend,
				 enum health_answer answer, uint64_t now_ms, uint64_t *ret_delay_ms)
{
	struct backend_status *s = backend_status(backend);
	struct health *health = &s->health;
	enum health_change change;

	pthread_mutex_lock(&pool->lock);
	change = s->is_leaving ? HEALTH_SAME
			       : health_on_check(health, &pool->config->check, answer);
	*ret_delay_ms = health_check_delay_ms(health, &pool->config->check, draw_random(pool));
	if (change == HEALTH_FILLED || change == HEALTH_HAS_ROOM)
		review_fullness(pool, s);
	else if (change != HEALTH_SAME)
		backend_restate(pool, backend->index, now_ms);
	if (answer == HEALTH_ANSWER_PASSED || answer == HEALTH_ANSWER_NEEDED)
		backend_prove(pool, backend->index);
	pthread_mutex_unlock(&pool->lock);
	return change;
}

void pool_set_standby(struct pool *pool, struct backend *backend, const char *why, uint64_t now_ms)
{
	struct backend_status *s = backend_status(backend);

	pthread_mutex_lock(&pool->lock);
	if (!s->is_leaving) {
		s->health.standby = why;
		s->awaits_role = false;
		backend_restate(pool, backend->index, now_ms);
	}
	pthread_mutex_unlock(&pool->lock);
}

/* Asked of each backend at each check of any: it takes no lock. */
static bool take(atomic_bool *flag)
{
	return atomic_load(flag) && atomic_exchange(flag, false);
}

bool pool_take_approval(struct backend *backend)
{
	return take(&backend_status(backend)->is_approved);
}

bool pool_take_expiry(struct backend *backend)
{
	return take(&backend_status(backend)->has_expired);
}

void pool_doubt(struct backend *backend)
{
	atomic_store(&backend_status(backend)->is_doubted, true);
}

bool pool_take_doubt(struct backend *backend)
{
	return take(&backend_status(backend)->is_doubted);
}

bool pool_take_recheck(struct pool *pool)
{
	bool was;

	pthread_mutex_lock(&pool->lock);
	was = pool->wants_recheck;
	pool->wants_recheck = false;
	pthread_mutex_unlock(&pool->lock);
	return was;
}

uint64_t pool_first_check_ms(struct pool *pool)
{
	uint64_t ms;

	pthread_mutex_lock(&pool->lock);
	ms = health_first_delay_ms(&pool->config->check, draw_random(pool));
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
	struct backend_status *s = pool->status[index];
	uint64_t step_ms = MAX(pool->config->slow_start_ms / RAMP_STEPS, RAMP_STEP_MS);

	if (s->part == POOL_PART_ALL)
		return POOL_NEVER;
	if (!s->has_ramp_start) {
		s->has_ramp_start = true;
		s->ramp_start_ms = now_ms;
	} else if (now_ms < s->ramp_next_ms) {
		return s->ramp_next_ms;
	}
	s->ramp_next_ms = MIN(now_ms + step_ms, s->ramp_start_ms + pool->config->slow_start_ms);
	backend_set_part(pool, index, ramp_part(pool, now_ms - s->ramp_start_ms));
	backend_admit(pool, index); /* it may have slots again */
	return s->part == POOL_PART_ALL ? POOL_NEVER : s->ramp_next_ms;
}

/* Ends the ejection of @index when it is over; gives when it is to be looked at again. */
static uint64_t end_ejection(struct pool *pool, unsigned index, uint64_t now_ms,
			     struct backend **ret_returned)
{
	struct health *health = &pool->status[index]->health;

	if (!health->is_ejected)
		return POOL_NEVER;
	if (*ret_returned || health_on_time(health, now_ms) != HEALTH_RETURNED)
		return MAX(health->eject_end_ms, now_ms);
	pool->ejected_n--;
	*ret_returned = &pool->status[index]->backend;
	(*ret_returned)->unserved_in_row = 0;
	backend_restate(pool, index, now_ms);
	return POOL_NEVER;
}

uint64_t pool_tick(struct pool *pool, uint64_t now_ms, struct backend **ret_returned)
{
	uint64_t next_ms;

	*ret_returned = NULL;
	pthread_mutex_lock(&pool->lock);
	next_ms = pool_pace(pool, now_ms);
	if (pool->ejected_n + pool->ramping_n + pool->burdened_n > 0) {
		for (unsigned i = 0; i < pool->n; i++) {
			if (!pool->status[i])
				continue;

			uint64_t end_ms = end_ejection(pool, i, now_ms, ret_returned);
			uint64_t step_ms = ramp(pool, i, now_ms);
			uint64_t forgiven_ms = backend_unburden(pool, i, now_ms);

			next_ms = MIN(next_ms, MIN(MIN(end_ms, step_ms), forgiven_ms));
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return next_ms;
}
