/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool_backends.h"

#include "base/check.h"

const char *const backend_state_names[BACKEND_STATES] = {
	[BACKEND_READY] = "ready",     [BACKEND_DRAIN] = "drain",     [BACKEND_DOWN] = "down",
	[BACKEND_MAINT] = "maint",     [BACKEND_EJECTED] = "ejected", [BACKEND_LEAVING] = "leaving",
	[BACKEND_STANDBY] = "standby",
};

const char *const backend_role_names[BACKEND_ROLES] = {
	[BACKEND_ROLE_UNKNOWN] = "unknown",
	[BACKEND_PRIMARY] = "primary",
	[BACKEND_REPLICA] = "replica",
};

void backend_set_slots(struct pool *pool, unsigned index)
{
	uint64_t max = pool->status[index]->backend.config->sessions_max;
	unsigned part = pool->status[index]->part;

	if (pool->status[index]->health.is_full)
		max = 0;
	else if (max == 0)
		max = UINT32_MAX;
	else
		max = (max * part + POOL_PART_ALL - 1) / POOL_PART_ALL;
	pool->loads[index].slots = (uint32_t)max;
}

void backend_prove(struct pool *pool, unsigned index)
{
	pool->status[index]->proof = ++pool->proofs;
	if (pool->queue.stats.held > 0)
		pool->may_serve_queue = true;
}

void backend_admit(struct pool *pool, unsigned index)
{
	struct backend_load *l = &pool->loads[index];
	const struct backend_status *s = pool->status[index];
	bool may = s->is_ready && s->tier < pool->tiers_open && !backend_is_full(l);
	const struct balancer_ops *ops = pool->balancer->ops;

	if (may == l->is_in)
		return;
	l->is_in = may;
	if (may && ops->join)
		ops->join(pool->balancer, index);
	else if (!may && ops->leave)
		ops->leave(pool->balancer, index);
	if (may)
		backend_prove(pool, index);
	if (may && pool->queue.stats.waiting > 0)
		pool->may_serve_queue = true;
}

void backend_set_sessions(struct pool *pool, unsigned index, unsigned sessions)
{
	struct backend_load *l = &pool->loads[index];
	const bool was_full = backend_is_full(l);

	l->sessions = sessions;
	if (was_full && !backend_is_full(l) && pool->config->overflow &&
	    pool->queue.stats.waiting > 0)
		pool->may_serve_queue = true; /* of whatever tier it is */
	atomic_store_explicit(&pool->status[index]->backend.sessions, sessions,
			      memory_order_relaxed);
	if (l->is_in == backend_is_full(l))
		backend_admit(pool, index); /* it has become full, or is so no longer */
	if (l->is_in && pool->balancer->ops->on_load)
		pool->balancer->ops->on_load(pool->balancer, index);
}

/* ---- one that fails --------------------------------------------------------- */

/* Times the average that it is to seem to have, by its last failures in a row. */
#define BURDENS_MAX 8

/* Sessions that one of them has, on average, and one. */
static uint64_t average_load(const struct pool *pool)
{
	uint64_t sessions = 0;

	for (unsigned i = 0; i < pool->n; i++)
		sessions += pool->loads[i].is_in ? pool->loads[i].sessions : 0;
	return sessions / MAX(pool->ready_n, 1) + 1;
}

static void set_burden(struct pool *pool, unsigned index, uint64_t burden)
{
	struct backend_load *l = &pool->loads[index];

	pool->burdened_n += (unsigned)(burden > 0) - (unsigned)(l->burden > 0);
	l->burden = (uint16_t)MIN(burden, UINT16_MAX);
	if (l->is_in && pool->balancer->ops->on_load)
		pool->balancer->ops->on_load(pool->balancer, index);
}

void backend_burden(struct pool *pool, unsigned index, uint64_t now_ms)
{
	struct backend_status *s = pool->status[index];
	unsigned failures = s->health.failures_in_row + s->health.unserved_in_row;

	if (s->is_leaving)
		return;
	s->burden_until_ms = now_ms + pool->config->eject.window_ms;
	set_burden(pool, index, MIN(failures, BURDENS_MAX) * average_load(pool));
}

uint64_t backend_unburden(struct pool *pool, unsigned index, uint64_t now_ms)
{
	const struct backend_status *s = pool->status[index];

	if (pool->loads[index].burden == 0)
		return UINT64_MAX;
	if (now_ms < s->burden_until_ms)
		return s->burden_until_ms;
	set_burden(pool, index, 0);
	return UINT64_MAX;
}

/* ---- tiers ------------------------------------------------------------------- */

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
		if (pool->status[i])
			backend_admit(pool, i);
}

static void set_effective_weight(struct pool *pool, unsigned index)
{
	struct backend_load *l = &pool->loads[index];
	const struct backend_status *s = pool->status[index];
	uint32_t before = l->weight;

	l->weight = s->weight * s->part;
	if (l->is_in && l->weight > 0 && l->weight != before && pool->balancer->ops->on_weight)
		pool->balancer->ops->on_weight(pool->balancer, index, before);
}

void backend_set_part(struct pool *pool, unsigned index, unsigned part)
{
	struct backend_status *s = pool->status[index];

	pool->ramping_n -= s->part < POOL_PART_ALL;
	s->part = part;
	pool->ramping_n += s->part < POOL_PART_ALL;
	backend_set_slots(pool, index);
	set_effective_weight(pool, index);
}

static void start_ramp(struct pool *pool, unsigned index)
{
	if (pool->config->slow_start_ms == 0 || pool->balancer->ops->is_static)
		return;
	pool->status[index]->has_ramp_start = false;
	backend_set_part(pool, index, POOL_PART_MIN);
}

static void set_ready(struct pool *pool, unsigned index, bool is_ready)
{
	struct backend_status *s = pool->status[index];

	if (s->is_ready == is_ready)
		return;
	s->is_ready = is_ready;
	pool->ready_in[s->tier] += is_ready ? 1 : -1u;
}

/* Nobody but checks and sessions has anything against it. */
static bool may_be_healthy(const struct backend_status *s)
{
	return !s->is_leaving && s->weight > 0 && s->health.admin_state == BACKEND_READY &&
	       !s->health.standby;
}

static void set_healthy(struct pool *pool, unsigned index, bool is_healthy)
{
	struct backend_status *s = pool->status[index];

	pool->ready_n += (unsigned)is_healthy - (unsigned)s->is_healthy;
	s->is_healthy = is_healthy;
	set_ready(pool, index, is_healthy || (pool->is_panicking && may_be_healthy(s)));
}

/* Too few are healthy, or enough again: that changes who of all the others may be picked. */
static void review_panic(struct pool *pool)
{
	const bool is = (uint64_t)pool->ready_n * 100 <
			(uint64_t)pool->weighted_n * pool->config->panic_percent;

	if (is == pool->is_panicking)
		return;
	pool->is_panicking = is;
	for (unsigned i = 0; i < pool->n; i++) {
		if (!pool->status[i])
			continue;
		set_healthy(pool, i, pool->status[i]->is_healthy);
		backend_admit(pool, i);
	}
}

/* A backend leaves the balancer with the weight that it had there, and joins with its new one. */
void backend_review(struct pool *pool, unsigned index)
{
	struct backend_status *s = pool->status[index];
	enum backend_state state = s->backend.state;
	bool is_back = state == BACKEND_READY && s->was_out;

	set_healthy(pool, index, state == BACKEND_READY && s->weight > 0);
	if (!s->is_ready)
		backend_admit(pool, index);

	if (is_back)
		start_ramp(pool, index);
	else if (state != BACKEND_READY)
		backend_set_part(pool, index, POOL_PART_ALL);
	if (state == BACKEND_READY)
		s->was_ready = true;
	s->was_out = s->was_ready && state != BACKEND_READY &&
		     (s->was_out || (state != BACKEND_DRAIN && state != BACKEND_STANDBY));
	set_effective_weight(pool, index);
	backend_admit(pool, index);
	review_panic(pool);
	pool_open_tiers(pool);
}

void backend_restate(struct pool *pool, unsigned index, uint64_t now_ms)
{
	const struct backend_status *s = pool->status[index];
	struct backend *backend = &pool->status[index]->backend;
	enum backend_state state = s->is_leaving ? BACKEND_LEAVING : health_state(&s->health);

	if (state != backend->state) {
		atomic_store_explicit(&backend->changed_ms, now_ms, memory_order_relaxed);
		atomic_store_explicit(&backend->state, state, memory_order_relaxed);
	}
	backend_review(pool, index);
}

const char pool_role_unknown[] = "role unknown";

bool backend_expire_role(struct pool *pool, unsigned index, uint64_t now_ms)
{
	struct backend_status *s = pool->status[index];

	if (role_is_any(&pool->config->role) || now_ms <= atomic_load(&s->backend.role_until_ms))
		return false;
	s->health.standby = pool_role_unknown;
	atomic_store(&s->has_expired, true);
	backend_restate(pool, index, now_ms);
	return true;
}

static bool is_unheard(const struct backend_status *s)
{
	const enum backend_state state = s->backend.state;
	const bool is_unknown = !s->health.is_checked || s->awaits_role;

	return is_unknown && s->health.admin_state == BACKEND_READY && s->weight > 0 &&
	       (state == BACKEND_STANDBY || state == BACKEND_DOWN);
}

bool pool_is_undecided(const struct pool *pool)
{
	for (unsigned i = 0; i < pool->n; i++)
		if (pool->status[i] && is_unheard(pool->status[i]))
			return true;
	return false;
}

/* ---- another configuration ---------------------------------------------------- */

void backend_reconfigure(struct pool *pool, unsigned index, unsigned tier, unsigned weight)
{
	struct backend_status *s = pool->status[index];

	CHECK(tier < POOL_TIERS_MAX);
	CHECK(!s->is_leaving);
	if (s->tier != tier)
		set_ready(pool, index, false);
	s->tier = tier;
	pool->weighted_n += (weight > 0) - (s->weight > 0);
	s->weight = weight;
	backend_set_slots(pool, index);
}

void backend_set_ejected(struct pool *pool, struct backend_status *s, bool is_ejected)
{
	pool->ejected_n += (unsigned)is_ejected - (unsigned)s->health.is_ejected;
	s->health.is_ejected = is_ejected;
}

void backend_leave(struct pool *pool, unsigned index)
{
	struct backend_status *s = pool->status[index];

	backend_set_ejected(pool, s, false);
	set_burden(pool, index, 0);
	pool->weighted_n -= s->weight > 0;
	s->weight = 0;
	s->is_weight_set = false;
	s->is_leaving = true;
}

/* An agent may say that it is not the one; who comes can be held until it has said what it is. */
static bool starts_down(const struct pool_config *config)
{
	return config->check.kind == CHECK_HTTP && config->hold.ms > 0;
}

/* Who starts slowly is seen as one that was out. */
void backend_enter(struct pool *pool, unsigned index, bool starts_slowly)
{
	struct backend_status *s = pool->status[index];

	health_init(&s->health, !starts_down(pool->config));
	s->health.standby = role_is_any(&pool->config->role) ? NULL : pool_role_unknown;
	atomic_store(&s->backend.role_until_ms, UINT64_MAX);
	s->awaits_role = false;
	s->backend.failures_in_row = s->backend.unserved_in_row = 0;
	s->backend.down_since_ms = s->backend.ejected_since_ms = 0;
	s->backend.changed_error = 0;
	s->is_check_at_fault = false;
	s->words[0] = '\0';
	s->is_leaving = false;
	s->was_ready = s->was_out = starts_slowly;
}
