/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool_plan.h"

#include "pool_balancer.h"

#include "base/check.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An id is a number that nobody else ever has, and in its low bits the backend's index. */
#define ID_INDEX_BITS 16
static_assert(POOL_INDEXES_MAX < 1u << ID_INDEX_BITS, "an index fits into an id");

/* ---- one backend's memory ------------------------------------------------------ */

static uint64_t new_id(unsigned index)
{
	static _Atomic uint64_t last;

	return (atomic_fetch_add(&last, 1) + 1) << ID_INDEX_BITS | index;
}

uint64_t pool_index_of_id(uint64_t id)
{
	return id & ((1u << ID_INDEX_BITS) - 1);
}

static struct backend_copy *copy_config(const struct backend_config *config)
{
	struct backend_copy *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->config = *config;
	copy->config.weight = MIN(config->weight, POOL_WEIGHT_MAX);
	copy->config.location = copy->config.addr_location = (struct config_location){ 0 };
	return copy;
}

/* Without its configuration: what picks look at is to lie together. */
static struct backend_status *create_backend(void)
{
	struct backend_status *s = aligned_alloc(CACHE_LINE_BYTES, sizeof(*s));

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->part = POOL_PART_ALL;
	return s;
}

void pool_free_backend(struct backend_status *s)
{
	if (!s)
		return;
	free(backend_copy(&s->backend));
	free(s);
}

void pool_free_replaced(struct pool *pool, uint64_t passed)
{
	struct backend_copy **at = &pool->replaced, *copy;

	while (*at && (*at)->replaced > passed)
		at = &(*at)->next;
	while ((copy = *at)) {
		*at = copy->next;
		free(copy);
	}
}

/* ---- the plan: who is who ------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct backend_status *const *one = a, *const *other = b;

	return strcmp((*one)->backend.config->name, (*other)->backend.config->name);
}

static int list_known(struct plan *plan)
{
	const struct pool *pool = plan->pool;

	plan->known = calloc(pool->n + 1, sizeof(struct backend_status *));
	plan->stays = calloc(pool->n + 1, sizeof(*plan->stays));
	if (!plan->known || !plan->stays)
		return -ENOMEM;
	for (size_t i = 0; i < pool->n; i++)
		if (pool->status[i])
			plan->known[plan->known_n++] = pool->status[i];
	qsort(plan->known, plan->known_n, sizeof(struct backend_status *), by_name);
	return 0;
}

/* The first of those whose name is not before @name. */
static size_t first_of_name(const struct plan *plan, const char *name)
{
	size_t from = 0, to = plan->known_n;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (strcmp(plan->known[middle]->backend.config->name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* Who has this name and address; and who has the name in the present configuration. */
static struct backend_status *find_known(const struct plan *plan,
					 const struct backend_config *wanted,
					 const struct backend_status **ret_named)
{
	struct backend_status *found = NULL;

	*ret_named = NULL;
	for (size_t i = first_of_name(plan, wanted->name); i < plan->known_n; i++) {
		const struct backend_config *c = plan->known[i]->backend.config;

		if (strcmp(c->name, wanted->name) != 0)
			break;
		if (!plan->known[i]->is_leaving)
			*ret_named = plan->known[i];
		if (addr_is_equal(&c->addr, &wanted->addr))
			found = plan->known[i];
	}
	return found;
}

static bool is_same_spec(const struct addr_spec *a, const struct addr_spec *b)
{
	return strcmp(a->host, b->host) == 0 && a->port_first == b->port_first &&
	       a->port_last == b->port_last && a->is_unix == b->is_unix && a->is_name == b->is_name;
}

static bool has_changed(const struct backend_config *own, const struct backend_config *wanted)
{
	return own->weight != MIN(wanted->weight, POOL_WEIGHT_MAX) ||
	       own->sessions_max != wanted->sessions_max || own->tier != wanted->tier ||
	       !addr_short_is_equal(&own->check_addr, &wanted->check_addr) ||
	       !is_same_spec(&own->spec, &wanted->spec);
}

/* What the operator wants of a name comes before what the configuration wants. */
static void plan_weight(struct entry *e, const struct backend_config *wanted)
{
	e->is_weight_set = e->named && e->named->is_weight_set;
	e->weight = e->is_weight_set ? e->named->weight : MIN(wanted->weight, POOL_WEIGHT_MAX);
}

static int plan_backend(struct plan *plan, size_t position)
{
	const struct backend_config *wanted = &plan->config->backends[position];
	struct entry *e = &plan->entries[position];

	CHECK(wanted->tier < POOL_TIERS_MAX);
	e->status = find_known(plan, wanted, &e->named);
	plan_weight(e, wanted);
	e->is_new = !e->status;
	e->enters = e->is_new || e->status->is_leaving;
	if (e->is_new)
		e->status = create_backend();
	else
		plan->stays[e->status->backend.index] = true;
	return e->status ? 0 : -ENOMEM;
}

static int plan_copy(struct plan *plan, size_t position)
{
	const struct backend_config *wanted = &plan->config->backends[position];
	struct entry *e = &plan->entries[position];
	struct backend_copy *copy;

	if (!e->is_new && !has_changed(e->status->backend.config, wanted))
		return 0;
	copy = copy_config(wanted);
	if (e->is_new && copy)
		e->status->backend.config = &copy->config;
	else
		e->copy = copy;
	return copy ? 0 : -ENOMEM;
}

static int plan_backends(struct plan *plan)
{
	int err = list_known(plan);

	plan->entries = calloc(plan->config->backends_n + 1, sizeof(*plan->entries));
	if (!plan->entries)
		return -ENOMEM;
	for (size_t n = 0; err == 0 && n < plan->config->backends_n; n++)
		err = plan_backend(plan, n);
	for (size_t n = 0; err == 0 && n < plan->config->backends_n; n++)
		err = plan_copy(plan, n);
	return err;
}

/* ---- the plan: indexes and balancer --------------------------------------------- */

/* New ones get indexes that nobody has, then further ones. */
static int plan_indexes(struct plan *plan)
{
	const struct pool *pool = plan->pool;
	size_t i = 0;

	plan->n = pool->n;
	for (size_t n = 0; n < plan->config->backends_n; n++) {
		struct backend *backend = &plan->entries[n].status->backend;

		if (!plan->entries[n].is_new)
			continue;
		while (i < pool->n && pool->status[i])
			i++;
		if (i == POOL_INDEXES_MAX)
			return -ENOSPC;
		backend->index = (unsigned)i;
		backend->id = new_id(backend->index);
		backend->lag_bytes = backend->lag_ms = BACKEND_LAG_UNKNOWN;
		i++;
	}
	plan->n = MAX(pool->n, i);
	return 0;
}

static int plan_arrays(struct plan *plan)
{
	if (plan->n == plan->pool->n && plan->pool->status)
		return 0;
	plan->status = calloc(plan->n + 1, sizeof(struct backend_status *));
	plan->loads = calloc(plan->n + 1, sizeof(*plan->loads));
	return plan->status && plan->loads ? 0 : -ENOMEM;
}

static bool has_other_settings(const struct plan *plan)
{
	const struct pool_config *now = plan->pool->config, *then = plan->config;

	return now->balance != then->balance || now->backends_n != then->backends_n ||
	       now->hash_table_slots != then->hash_table_slots ||
	       now->hash_balance_percent != then->hash_balance_percent;
}

static unsigned table_weight(const struct plan *plan, size_t position)
{
	const struct entry *e = &plan->entries[position];

	return pool_table_weight(e->weight, e->is_weight_set,
				 plan->config->backends[position].weight);
}

/* Would the present balancer do for those of @position? */
static bool is_fit_for(const struct plan *plan, size_t position)
{
	const struct balancer *b = plan->pool->balancer;
	const struct entry *e = &plan->entries[position];

	if (e->enters || e->status->position != position ||
	    e->status->tier != plan->config->backends[position].tier)
		return false;
	return !b->ops->fits ||
	       b->ops->fits(b, e->status->backend.index, table_weight(plan, position));
}

static bool is_balancer_fit(const struct plan *plan)
{
	if (!plan->pool->balancer || has_other_settings(plan))
		return false;
	for (size_t n = 0; n < plan->config->backends_n; n++)
		if (!is_fit_for(plan, n))
			return false;
	return true;
}

static int plan_balancer(struct plan *plan)
{
	const struct pool_config *config = plan->config;
	struct balancer_setup setup = { config, NULL, config->backends_n, plan->n };
	struct balancer_member *members;

	if (is_balancer_fit(plan))
		return 0;
	members = calloc(setup.members_n + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	for (size_t n = 0; n < setup.members_n; n++)
		members[n] = (struct balancer_member){
			.name = config->backends[n].name,
			.index = plan->entries[n].status->backend.index,
			.weight = table_weight(plan, n),
			.tier = config->backends[n].tier,
		};
	setup.members = members;
	plan->balancer = pool_create_balancer(&setup);
	free(members);
	return plan->balancer ? 0 : -ENOMEM;
}

/* ---- all of it ------------------------------------------------------------------ */

int pool_plan_make(struct plan *plan)
{
	const struct pool_config *now = plan->pool->config;
	int err;

	plan->ends_checks = now && now->check.kind != CHECK_NONE &&
			    plan->config->check.kind == CHECK_NONE;
	err = plan_backends(plan);
	if (err == 0)
		err = plan_indexes(plan);
	if (err == 0)
		err = plan_arrays(plan);
	return err == 0 ? plan_balancer(plan) : err;
}

void pool_plan_finish(struct plan *plan)
{
	for (size_t n = 0; plan->entries && n < plan->config->backends_n; n++) {
		if (plan->entries[n].is_new)
			pool_free_backend(plan->entries[n].status);
		free(plan->entries[n].copy);
	}
	if (plan->balancer)
		plan->balancer->ops->destroy(plan->balancer);
	free(plan->entries);
	free(plan->known);
	free(plan->stays);
	free(plan->status);
	free(plan->loads);
}
