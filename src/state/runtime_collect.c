/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/runtime_collect.h"

#include <string.h>

#include "base/check.h"
#include "state/cancel_keys.h"
#include "state/counters.h"
#include "state/generation.h"

/* Besides what its time-outs allow: the kernel gives back the last try's requests. */
#define DIAL_MARGIN_MS 10000

uint64_t runtime_dial_ms(const struct pool_config *config)
{
	return config->queue_timeout_ms + config->hold.ms + config->connect_total_ms +
	       config->connect_timeout_ms + DIAL_MARGIN_MS;
}

static bool has_listener(const struct generation *g, size_t slot)
{
	return g->listeners[slot].config;
}

static bool has_pool(const struct generation *g, size_t slot)
{
	return g->pools[slot];
}

typedef bool has_fn(const struct generation *g, size_t slot);

/* Those between @from, and not it, and @to. */
static bool any_has(const struct generation *from, const struct generation *to, size_t slot,
		    has_fn *has)
{
	for (const struct generation *g = from; g != to; g = g->older)
		if (has(g, slot))
			return true;
	return false;
}

/*
 * What has left looks at the newest configuration that it had: that one stays
 * as long as an older generation has it, too.
 */
static bool holds_for_older(const struct runtime *runtime, const struct generation *g, size_t slot,
			    has_fn *has)
{
	return has(g, slot) && any_has(g->older, NULL, slot, has) &&
	       !any_has(runtime->generation, g, slot, has);
}

static bool is_needed(const struct runtime *runtime, const struct generation *g)
{
	if (g == runtime->generation || generation_pinned(g) > 0)
		return true;
	for (size_t n = 0; n < runtime->slots_max; n++)
		if (holds_for_older(runtime, g, n, has_listener) ||
		    holds_for_older(runtime, g, n, has_pool))
			return true;
	return false;
}

/* Does anybody but @g have it? */
static bool others_have(const struct runtime *runtime, const struct generation *g, size_t slot,
			has_fn *has)
{
	return any_has(runtime->generation, g, slot, has) || any_has(g->older, NULL, slot, has);
}

static void free_listener(struct runtime *runtime, size_t slot)
{
	struct listener *listener = &runtime->listeners[slot];

	CHECK(atomic_load(&listener->sessions) == 0);
	limits_destroy(listener->limits);
	memset(listener, 0, sizeof(*listener));
	for (unsigned w = 0; w < runtime->workers_n; w++) {
		struct listener_counters *counters = &runtime->counters[w].listeners[slot];

		counters_add_listener(runtime->counters[w].gone, counters);
		memset(counters, 0, sizeof(*counters));
	}
}

static void free_pool(struct runtime *runtime, size_t slot)
{
	pool_destroy(runtime->pools[slot]);
	runtime->pools[slot] = NULL;
	if (runtime->sticky[slot])
		stick_destroy(runtime->sticky[slot]);
	runtime->sticky[slot] = NULL;
	runtime->tls_clients[slot] = NULL;
	runtime->check_clients[slot] = NULL;
	runtime->alerts[slot] = (struct pool_alert){ 0 };
	runtime->graces[slot] = (struct pool_grace){ 0 };
	for (unsigned w = 0; w < runtime->workers_n; w++)
		memset(&runtime->counters[w].pools[slot], 0,
		       sizeof(runtime->counters[w].pools[slot]));
}

static bool pool_is_held(struct pool *pool)
{
	for (size_t n = 0; n < pool_backends(pool); n++)
		if (pool_backend(pool, n) && atomic_load(&pool_backend(pool, n)->holders) > 0)
			return true;
	return false;
}

/* Checks hold backends for as long as they have a request in the kernel. */
static bool is_held(const struct runtime *runtime, const struct generation *g)
{
	for (size_t n = 0; n < runtime->pools_n; n++)
		if (has_pool(g, n) && !others_have(runtime, g, n, has_pool) &&
		    pool_is_held(runtime->pools[n]))
			return true;
	return false;
}

/*
 * A request to cancel may have come to a pool that leaves by the key of a
 * session there: it has ended within the time that dialing may take.
 */
static uint64_t time_to_free(const struct runtime *runtime, const struct generation *g,
			     uint64_t now_ms)
{
	uint64_t ms = 0;

	for (size_t n = 0; n < runtime->pools_n && runtime->cancel_keys; n++)
		if (has_pool(g, n) && !others_have(runtime, g, n, has_pool))
			ms = MAX(ms, runtime_dial_ms(g->pools[n]));
	return now_ms + ms;
}

const char *runtime_held_by(const struct runtime *runtime, const struct generation *g)
{
	if (generation_pinned(g) > 0)
		return "sessions";
	if (is_needed(runtime, g))
		return "sessions of an older one";
	if (is_held(runtime, g))
		return "checks";
	if (g->free_at_ms > 0)
		return "requests to cancel";
	return "nobody any more";
}

/* Is it of no use any more, and has been for long enough? */
static bool may_be_freed(const struct runtime *runtime, struct generation *g, uint64_t now_ms)
{
	if (is_needed(runtime, g) || is_held(runtime, g))
		return false;
	if (g->free_at_ms == 0)
		g->free_at_ms = MAX(time_to_free(runtime, g, now_ms), 1);
	return now_ms >= g->free_at_ms;
}

static void free_generation(struct runtime *runtime, struct generation *g)
{
	struct generation *newer = runtime->generation;

	while (newer->older != g)
		newer = newer->older;
	for (size_t n = 0; n < runtime->slots_max; n++) {
		if (has_listener(g, n) && !others_have(runtime, g, n, has_listener))
			free_listener(runtime, n);
		if (has_pool(g, n) && !others_have(runtime, g, n, has_pool))
			free_pool(runtime, n);
	}
	newer->older = g->older;
	generation_destroy(g);
}

/* Gives whether backends are leaving. *ret_freed is set when what they were before is freed. */
static bool collect_backends(struct runtime *runtime, size_t slot, uint64_t now_ms, bool *ret_freed)
{
	struct pool *pool = runtime->pools[slot];
	struct pool_grace *grace = &runtime->graces[slot];

	if (grace->waits_for != 0 && now_ms >= grace->until_ms) {
		grace->passed = grace->waits_for;
		grace->waits_for = 0;
		*ret_freed = true;
	}
	if (grace->waits_for == 0 && pool_generation(pool) > grace->passed) {
		grace->waits_for = pool_generation(pool);
		grace->until_ms = now_ms + grace->dial_ms;
	}
	return pool_collect(pool, grace->passed) > 0 || grace->waits_for != 0;
}

bool runtime_collect(struct runtime *runtime, uint64_t now_ms, bool *ret_freed)
{
	struct generation *next;
	bool is_left = false;

	*ret_freed = false;
	if (!runtime_has_passed(runtime))
		return true;
	for (struct generation *g = atomic_load(&runtime->generation)->older; g; g = next) {
		next = g->older;
		if (may_be_freed(runtime, g, now_ms)) {
			free_generation(runtime, g);
			*ret_freed = true;
		} else {
			is_left = true;
		}
	}
	for (size_t n = 0; n < runtime->pools_n; n++)
		if (runtime->pools[n])
			is_left |= collect_backends(runtime, n, now_ms, ret_freed);
	return is_left;
}
