/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/leaving.h"

#include <stdio.h>
#include <string.h>

#include "admin/drain.h"
#include "admin/overrides.h"

#define MS_PER_S 1000ull
#define S_PER_DAY 86400ull

/* ---- what is said before ------------------------------------------------- */

/* "until 14:35:00 UTC", with the day where that is not within one. */
static void write_end(uint64_t ms, char *to, size_t bytes)
{
	time_t end = time(NULL) + (time_t)(ms / MS_PER_S);
	struct tm tm;

	gmtime_r(&end, &tm);
	if (ms / MS_PER_S < S_PER_DAY)
		strftime(to, bytes, "until %H:%M:%S UTC", &tm);
	else
		strftime(to, bytes, "until %Y-%m-%d %H:%M UTC", &tm);
}

/* @drain_ms 0: they have no end. */
static void leaving_note(struct reload_report *report, const char *who, unsigned sessions,
			 uint64_t drain_ms)
{
	const char *plural = sessions == 1 ? "" : "s";
	char end[sizeof("until YYYY-MM-DD hh:mm UTC")];

	if (sessions == 0)
		return;
	if (drain_ms == 0) {
		report_add(report, "  %s: %u session%s go%s on", who, sessions, plural,
			   sessions == 1 ? "es" : "");
		return;
	}
	write_end(drain_ms, end, sizeof(end));
	report_add(report, "  %s: %u session%s drain%s %s", who, sessions, plural,
		   sessions == 1 ? "s" : "", end);
}

static const struct pool_config *find_pool(const struct config *config, const char *name)
{
	for (size_t n = 0; n < config->pools_n; n++)
		if (strcmp(config->pools[n].name, name) == 0)
			return &config->pools[n];
	return NULL;
}

/* By its name and address: with another address it is another one. */
static bool has_backend(const struct pool_config *pool, const struct backend *backend)
{
	for (size_t n = 0; pool && n < pool->backends_n; n++)
		if (strcmp(pool->backends[n].name, backend->config->name) == 0 &&
		    addr_is_equal(&pool->backends[n].addr, &backend->config->addr))
			return true;
	return false;
}

/* The operator may have given them less. */
static uint64_t soonest_end(const struct drains *drains, const struct session_filter *theirs,
			    uint64_t drain_ms)
{
	uint64_t left_ms;

	if (!drains_find(drains, theirs, &left_ms))
		return drain_ms;
	left_ms = MAX(left_ms, 1);
	return drain_ms == 0 ? left_ms : MIN(drain_ms, left_ms);
}

/* The backends of the pool that leave, with their sessions. */
static void tell_pool(struct pool *pool, const struct drains *drains, const struct config *then,
		      struct reload_report *report)
{
	const struct pool_config *now = pool_config(pool), *config = find_pool(then, now->name);
	char who[2 * CONFIG_NAME_BYTES + sizeof("backend /")];
	struct session_filter theirs;

	for (size_t n = 0; n < pool_backends(pool); n++) {
		const struct backend *backend = pool_backend(pool, n);

		if (!backend || backend->state == BACKEND_LEAVING || has_backend(config, backend))
			continue;
		snprintf(who, sizeof(who), "backend %s/%s", now->name, backend->config->name);
		session_filter_backend(&theirs, now->name, backend->config->name);
		leaving_note(report, who, atomic_load(&backend->sessions),
			     soonest_end(drains, &theirs, (config ? config : now)->drain_ms));
	}
}

static unsigned waiting_of(struct pool *pool)
{
	struct queue_stats queue;

	pool_queue_stats(pool, &queue);
	return queue.waiting;
}

static void tell_waiting(struct pool *pool, const struct config *then, struct reload_report *report)
{
	const struct pool_config *now = pool_config(pool);
	char who[CONFIG_NAME_BYTES + sizeof("pool , waiting")];

	if (find_pool(then, now->name))
		return;
	snprintf(who, sizeof(who), "pool %s, waiting", now->name);
	leaving_note(report, who, waiting_of(pool), now->drain_ms);
}

static bool has_listener(const struct config *config, const char *name)
{
	for (size_t n = 0; n < config->listeners_n; n++)
		if (strcmp(config->listeners[n].name, name) == 0)
			return true;
	return false;
}

static void tell_listener(const struct listener *l, const struct drains *drains,
			  const struct config *then, struct reload_report *report)
{
	char who[CONFIG_NAME_BYTES + sizeof("listener ")];
	struct session_filter theirs;

	session_filter_listener(&theirs, l->config->name);
	snprintf(who, sizeof(who), "listener %s", l->config->name);
	if (!has_listener(then, l->config->name))
		leaving_note(report, who, atomic_load(&l->sessions),
			     soonest_end(drains, &theirs, 0));
}

void leaving_tell(const struct runtime *runtime, const struct drains *drains,
		  const struct config *then, struct reload_report *report)
{
	runtime_for_each_listener(runtime, l)
	{
		if (!runtime_listener_leaves(runtime, l->slot))
			tell_listener(l, drains, then, report);
	}
	runtime_for_each_pool(runtime, n)
	{
		if (!runtime_pool_leaves(runtime, n))
			tell_pool(runtime->pools[n], drains, then, report);
		if (!runtime_pool_leaves(runtime, n))
			tell_waiting(runtime->pools[n], then, report);
	}
}

/* ---- who comes back ------------------------------------------------------ */

static bool has_name(const struct pool_config *pool, const char *backend)
{
	for (size_t n = 0; pool && n < pool->backends_n; n++)
		if (strcmp(pool->backends[n].name, backend) == 0)
			return true;
	return false;
}

void leaving_tell_returns(const struct overrides *overrides, const struct config *then,
			  struct reload_report *report)
{
	char text[OVERRIDE_TEXT_BYTES];

	list_for_each(node, &overrides->all) {
		const struct override *o = container_of(node, struct override, node);

		if (overrides_is_absent(overrides, o) &&
		    has_name(find_pool(then, o->pool), o->backend))
			report_add(report,
				   "  backend %s/%s: the operator's override holds again: %s",
				   o->pool, o->backend, override_describe(o, text));
	}
}

static bool is_new_listener(const struct runtime *runtime, const char *name)
{
	const struct config *now = runtime_config(runtime);

	for (size_t n = 0; n < now->listeners_n; n++)
		if (strcmp(now->listeners[n].name, name) == 0)
			return false;
	return true;
}

void leaving_tell_paused(const struct runtime *runtime, const struct config *then,
			 struct reload_report *report)
{
	runtime_for_each_listener(runtime, l)
	{
		const char *name = l->config->name;
		const enum listener_pause pause = atomic_load(&l->pause);

		if (pause != LISTENER_OPEN && is_new_listener(runtime, name) &&
		    has_listener(then, name))
			report_add(report, "  listener %s: the operator's pause holds again: %s",
				   name, listener_pause_names[pause]);
	}
}

/* ---- what is done then --------------------------------------------------- */

static void filter_of(const struct pool *pool, const struct backend *backend,
		      struct session_filter *ret)
{
	session_filter_backend(ret, pool_config(pool)->name, backend->config->name);
	ret->backend_id = backend->id;
}

bool leaving_sessions(const struct runtime *runtime, const struct pool *pool,
		      const struct backend *backend, struct session_filter *ret_filter)
{
	filter_of(pool, backend, ret_filter);
	return backend->state == BACKEND_LEAVING || runtime_pool_leaves(runtime, pool_slot(pool));
}

static void drain_backend(const struct runtime *runtime, struct drains *drains, struct pool *pool,
			  struct backend *backend, struct reload_report *report)
{
	uint64_t drain_ms = pool_config(pool)->drain_ms, left_ms;
	struct session_filter theirs;

	if (!leaving_sessions(runtime, pool, backend, &theirs)) {
		(void)drains_end(drains, &theirs);
		return;
	}
	if (drain_ms == 0 || atomic_load(&backend->sessions) == 0 ||
	    drains_find(drains, &theirs, &left_ms))
		return;
	if (drains_start(drains, &theirs, drain_ms) < 0)
		report_add(report, "warning: backend %s/%s: its sessions go on: too many drain",
			   theirs.pool, theirs.backend);
}

/* Those who wait for a backend have none whose sessions end; and they may get one yet. */
static void drain_waiting(const struct runtime *runtime, struct drains *drains, struct pool *pool,
			  struct reload_report *report)
{
	uint64_t drain_ms = pool_config(pool)->drain_ms, left_ms;
	struct session_filter theirs;

	session_filter_backend(&theirs, pool_config(pool)->name, "");
	if (!runtime_pool_leaves(runtime, pool_slot(pool))) {
		(void)drains_end(drains, &theirs);
		return;
	}
	if (drain_ms == 0 || waiting_of(pool) == 0 || drains_find(drains, &theirs, &left_ms))
		return;
	if (drains_start(drains, &theirs, drain_ms) < 0 && report)
		report_add(report, "warning: pool %s: those who wait go on: too many drain",
			   theirs.pool);
}

void leaving_drain_waiting(const struct runtime *runtime, struct drains *drains)
{
	runtime_for_each_pool(runtime, n)
	{
		if (runtime_pool_leaves(runtime, n))
			drain_waiting(runtime, drains, runtime->pools[n], NULL);
	}
}

void leaving_drain(const struct runtime *runtime, struct drains *drains,
		   struct reload_report *report)
{
	runtime_for_each_pool(runtime, n)
	{
		struct pool *pool = runtime->pools[n];

		drain_waiting(runtime, drains, pool, report);
		for (size_t i = 0; i < pool_backends(pool); i++)
			if (pool_backend(pool, i))
				drain_backend(runtime, drains, pool, pool_backend(pool, i), report);
	}
}
