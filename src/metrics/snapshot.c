/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "metrics/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "net/sock_error.h"

static void add_counters(const struct listener_counters *from, struct listener_snapshot *to)
{
	to->begun += counters_get(&from->begun);
	for (int n = 0; n < LANES; n++)
		to->bytes[n] += counters_get(&from->bytes[n]);
	for (int n = 0; n < CLOSE_REASONS; n++)
		to->ended += counters_get(&from->ended[n]);
	for (int n = ADMISSION_GRANTED + 1; n < ADMISSIONS; n++)
		to->rejected += counters_get(&from->admissions[n]);
}

void snapshot_listener(const struct runtime *runtime, const struct listener *listener,
		       struct listener_snapshot *ret)
{
	*ret = (struct listener_snapshot){
		.name = listener->config->name,
		.pool = listener->config->pool ? listener->config->pool->name : NULL,
		.sessions = atomic_load(&listener->sessions),
		.sessions_max = listener->config->sessions_max,
	};
	for (unsigned w = 0; w < runtime->workers_n; w++)
		add_counters(&runtime->counters[w].listeners[listener->slot], ret);
}

void snapshot_pool(struct pool *pool, struct pool_snapshot *ret)
{
	*ret = (struct pool_snapshot){
		.name = pool_config(pool)->name,
		.balance = balance_kind_names[pool_config(pool)->balance],
		.backends = (unsigned)pool_config(pool)->backends_n,
		.ready = pool_ready(pool),
	};
	for (size_t n = 0; n < pool_backends(pool); n++) {
		const struct backend *backend = pool_backend(pool, n);

		ret->sessions += backend ? atomic_load(&backend->sessions) : 0;
		ret->standby += backend && backend->state == BACKEND_STANDBY;
	}
	pool_queue_stats(pool, &ret->queue);
}

/* ---- why is it as it is? ---- */

static void say_ejected(const struct backend *backend, struct backend_snapshot *ret)
{
	unsigned failures = atomic_load(&backend->blamed_failures);
	unsigned connects = atomic_load(&backend->blamed_connects);

	ret->why_by = "sessions";
	if (connects > 0)
		snprintf(ret->why, sizeof(ret->why), "%u of %u connects failed", failures,
			 connects);
	else
		snprintf(ret->why, sizeof(ret->why), "%u connects failed in a row", failures);
}

/* Why nobody was told what it is, or NULL: somebody was. */
static const char *why_unasked(const struct backend_facts *facts)
{
	return facts->is_full ? "full" : facts->is_check_at_fault ? "the check cannot ask" : NULL;
}

/* Of one that nobody can ask what it is, the reason is why not. */
static void say_standby(struct backend_snapshot *ret)
{
	const char *what = why_unasked(&ret->facts);

	if (what)
		snprintf(ret->why, sizeof(ret->why), "%s; %s: %s", ret->facts.standby, what,
			 ret->facts.words);
	else
		snprintf(ret->why, sizeof(ret->why), "%s", ret->facts.standby);
}

/* It serves, and yet somebody should know. */
static void say_ready(struct backend_snapshot *ret)
{
	const char *what = why_unasked(&ret->facts);

	if (!what)
		return;
	ret->why_by = "checks";
	snprintf(ret->why, sizeof(ret->why), "%s: %s", what, ret->facts.words);
}

static void say_why(const struct backend *backend, struct backend_snapshot *ret)
{
	int err = atomic_load(&backend->changed_error);

	if (ret->facts.state != BACKEND_READY && ret->facts.state == ret->facts.admin_state) {
		ret->why_by = "operator";
	} else if (ret->facts.state == BACKEND_EJECTED) {
		say_ejected(backend, ret);
	} else if (ret->facts.state == BACKEND_STANDBY) {
		ret->why_by = "role";
		say_standby(ret);
	} else if (ret->facts.state == BACKEND_READY) {
		say_ready(ret);
	} else if (ret->facts.state == BACKEND_DOWN) {
		ret->why_by = "checks";
		text_copy_cut(ret->why, sizeof(ret->why),
			      err != 0 ? sock_fault_words(err) : ret->facts.words);
	}
}

static void add_role(const struct pool *pool, const struct backend *backend,
		     struct backend_snapshot *ret)
{
	const enum backend_role role = atomic_load(&backend->role);

	ret->lag_bytes = ret->lag_ms = BACKEND_LAG_UNKNOWN;
	if (role_is_any(&pool_config(pool)->role))
		return;
	ret->role = role == BACKEND_ROLE_UNKNOWN ? NULL : backend_role_names[role];
	ret->lag_bytes = atomic_load(&backend->lag_bytes);
	ret->lag_ms = atomic_load(&backend->lag_ms);
}

/* Its pool is in the configuration no more, and nobody checks it. */
static void forget_old(struct backend_snapshot *ret)
{
	ret->facts.state = BACKEND_LEAVING;
	ret->role = NULL;
	ret->lag_bytes = ret->lag_ms = BACKEND_LAG_UNKNOWN;
}

void snapshot_backend(const struct runtime *runtime, struct pool *pool, struct backend *backend,
		      uint64_t now_ms, struct backend_snapshot *ret)
{
	uint64_t since_ms;

	*ret = (struct backend_snapshot){
		.pool = pool_config(pool)->name,
		.name = backend->config->name,
		.sessions = atomic_load(&backend->sessions),
		.picked = atomic_load(&backend->picked),
		.connects = atomic_load(&backend->connects),
		.failures = atomic_load(&backend->connect_failures),
		.addr = &backend->config->addr,
	};
	pool_inspect(pool, backend, &ret->facts);
	since_ms = MAX(ret->facts.changed_ms, runtime->started_ms);
	ret->since_ms = now_ms - MIN(since_ms, now_ms);
	add_role(pool, backend, ret);
	if (runtime_pool_leaves(runtime, pool_slot(pool)))
		forget_old(ret);
	say_why(backend, ret);
}

/* ---- by name ---- */

struct listener *snapshot_find_listener(const struct runtime *runtime, const char *name)
{
	struct listener *found = NULL;

	/* Of the same name may be one that leaves: then the other one is meant. */
	runtime_for_each_listener(runtime, l)
	{
		if (strcmp(l->config->name, name) == 0 &&
		    (!found || !runtime_listener_leaves(runtime, l->slot)))
			found = l;
	}
	return found;
}

struct pool *snapshot_find_pool(const struct runtime *runtime, const char *name)
{
	runtime_for_each_pool(runtime, n)
	{
		if (strcmp(pool_config(runtime->pools[n])->name, name) == 0)
			return runtime->pools[n];
	}
	return NULL;
}

bool snapshot_find_backend(const struct runtime *runtime, const char *pool_name, const char *name,
			   struct pool **ret_pool, struct backend **ret_backend)
{
	struct pool *pool = snapshot_find_pool(runtime, pool_name);

	for (size_t n = 0; pool && n < pool_backends(pool); n++) {
		struct backend *backend = pool_backend(pool, n);

		if (!backend || backend->state == BACKEND_LEAVING ||
		    strcmp(backend->config->name, name) != 0)
			continue;
		*ret_pool = pool;
		*ret_backend = backend;
		return true;
	}
	return false;
}
