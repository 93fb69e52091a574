/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Names that commands are given. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "metrics/snapshot.h"

/* Of the names that are near to what was typed. */
#define NAMES_MAX 1024

void cmd_backend_sessions(const struct pool *pool, const struct backend *backend,
			  struct session_filter *ret)
{
	session_filter_backend(ret, pool_config(pool)->name, backend->config->name);
}

bool cmd_find_pool(struct call *call, const char *typed, struct pool **ret_pool)
{
	const struct runtime *runtime = call->context->runtime;
	const char *names[NAMES_MAX];
	size_t n = 0;

	*ret_pool = snapshot_find_pool(runtime, typed);
	if (*ret_pool)
		return true;
	runtime_for_each_pool(runtime, slot)
	{
		if (n < NAMES_MAX)
			names[n++] = pool_config(runtime->pools[slot])->name;
	}
	call_fail(call, REPLY_UNKNOWN, text_nearest(typed, names, n), "there is no pool '%.64s'",
		  typed);
	return false;
}

bool cmd_find_listener(struct call *call, const char *typed, struct listener **ret_listener)
{
	const struct runtime *runtime = call->context->runtime;
	const char *names[NAMES_MAX];
	size_t n = 0;

	*ret_listener = snapshot_find_listener(runtime, typed);
	if (*ret_listener)
		return true;
	runtime_for_each_listener(runtime, l)
	{
		if (n < NAMES_MAX)
			names[n++] = l->config->name;
	}
	call_fail(call, REPLY_UNKNOWN, text_nearest(typed, names, n),
		  "there is no listener '%.64s'", typed);
	return false;
}

static bool say_no_backend(struct call *call, struct pool *pool, const char *typed)
{
	char hint[2 * CONFIG_NAME_BYTES + 1];
	const char *names[NAMES_MAX], *near;
	size_t n = 0;

	for (; n < pool_config(pool)->backends_n && n < NAMES_MAX; n++)
		names[n] = pool_config(pool)->backends[n].name;
	near = text_nearest(typed, names, n);
	snprintf(hint, sizeof(hint), "%s/%s", pool_config(pool)->name, near ? near : "");
	call_fail(call, REPLY_UNKNOWN, near ? hint : NULL, "pool %s has no backend '%.64s'",
		  pool_config(pool)->name, typed);
	return false;
}

/* In which pool is one of that name? For who left the pool out. */
static bool say_no_pool(struct call *call, const char *typed)
{
	const struct runtime *runtime = call->context->runtime;
	char hint[2 * CONFIG_NAME_BYTES + 1];
	struct backend *backend;
	struct pool *pool;

	hint[0] = '\0';
	runtime_for_each_pool(runtime, n)
	{
		const char *name = pool_config(runtime->pools[n])->name;

		if (hint[0] == '\0' && snapshot_find_backend(runtime, name, typed, &pool, &backend))
			snprintf(hint, sizeof(hint), "%s/%s", name, typed);
	}
	call_fail(call, REPLY_USAGE, hint[0] ? hint : NULL, "'%.64s' is not of the form POOL/NAME",
		  typed);
	return false;
}

/* One of the pool that a reload has taken away. */
static struct backend *find_leaving(struct pool *pool, const char *name)
{
	for (size_t n = 0; n < pool_backends(pool); n++) {
		struct backend *backend = pool_backend(pool, n);

		if (backend && backend->state == BACKEND_LEAVING &&
		    strcmp(backend->config->name, name) == 0)
			return backend;
	}
	return NULL;
}

static bool find_backend(struct call *call, const char *typed, bool may_leave,
			 struct pool **ret_pool, struct backend **ret_backend)
{
	const char *slash = strchr(typed, '/');
	char pool_name[CONFIG_NAME_BYTES];

	if (!slash || (size_t)(slash - typed) >= sizeof(pool_name))
		return say_no_pool(call, typed);
	snprintf(pool_name, sizeof(pool_name), "%.*s", (int)(slash - typed), typed);
	if (!cmd_find_pool(call, pool_name, ret_pool))
		return false;
	if (snapshot_find_backend(call->context->runtime, pool_name, slash + 1, ret_pool,
				  ret_backend))
		return true;
	*ret_backend = may_leave ? find_leaving(*ret_pool, slash + 1) : NULL;
	return *ret_backend || say_no_backend(call, *ret_pool, slash + 1);
}

bool cmd_find_backend(struct call *call, const char *typed, struct pool **ret_pool,
		      struct backend **ret_backend)
{
	return find_backend(call, typed, false, ret_pool, ret_backend);
}

bool cmd_find_any_backend(struct call *call, const char *typed, struct pool **ret_pool,
			  struct backend **ret_backend)
{
	return find_backend(call, typed, true, ret_pool, ret_backend);
}
