/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/runtime_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "protocol/registry.h"
#include "state/cancel_keys.h"
#include "state/counters.h"
#include "state/tls_contexts.h"

/* Besides what its time-outs allow: the kernel gives back the last try's requests. */
#define DIAL_MARGIN_MS 10000

/* What was made for a pool of the new configuration; NULL where there is no need. */
struct new_pool {
	struct pool *made;
	struct pool_change *change; /* of the one there is */
	struct stick *stick;
};

struct runtime_change {
	struct runtime *runtime;
	struct generation *generation;
	struct new_pool *pools; /* as the configuration's, as are these */
	struct limits **limits;
	struct cancel_keys *cancel_keys;
	struct limits *cancel_limits;
	bool *taken; /* by slot: used in the search for free ones */
};

static const struct config *config_of(const struct runtime_change *c)
{
	return c->generation->config;
}

/* Attackers must not be able to choose addresses that collide in a table. */
static uint64_t secret_seed(void)
{
	uint64_t seed = 0;

	(void)!getrandom(&seed, sizeof(seed), 0);
	return seed;
}

/* ---- what a configuration wants ------------------------------------------ */

static bool has_cancel_keys(const struct config *config)
{
	for (size_t n = 0; n < config->listeners_n; n++) {
		const struct protocol *protocol = protocol_of(config->listeners[n].protocol);

		if (protocol && protocol->watch)
			return true;
	}
	return false;
}

static bool needs_clients(const struct config *config)
{
	if (has_cancel_keys(config)) /* whose requests are limited by source */
		return true;
	for (size_t n = 0; n < config->listeners_n; n++)
		if (config->listeners[n].proxy_protocol != PROXY_HEADER_OFF)
			return true;
	for (size_t n = 0; n < config->pools_n; n++) {
		const struct pool_config *p = &config->pools[n];

		if (p->send_proxy != PROXY_OFF || p->balance == BALANCE_MAGLEV ||
		    p->stick.kind != CLIENT_KEY_NONE || p->is_transparent)
			return true;
	}
	return false;
}

/* ---- slots --------------------------------------------------------------- */

static size_t first_free(const struct runtime_change *c, size_t from)
{
	while (from < c->runtime->slots_max && c->taken[from])
		from++;
	return from;
}

static bool is_same_listener(const struct listener *listener, const struct listener_config *config)
{
	const struct listener_config *now = listener->config;

	return now && now->protocol == config->protocol && strcmp(now->name, config->name) == 0;
}

/* Its own, or slots_max. */
static size_t slot_of_listener(const struct runtime *runtime, const struct listener_config *config)
{
	size_t n = 0;

	while (n < runtime->listeners_n && !is_same_listener(&runtime->listeners[n], config))
		n++;
	return n < runtime->listeners_n ? n : runtime->slots_max;
}

static size_t slot_of_pool(const struct runtime *runtime, const char *name)
{
	for (size_t n = 0; n < runtime->pools_n; n++)
		if (runtime->pools[n] && strcmp(pool_config(runtime->pools[n])->name, name) == 0)
			return n;
	return runtime->slots_max;
}

static void note_taken_listeners(struct runtime_change *c)
{
	for (size_t n = 0; n < c->runtime->slots_max; n++)
		c->taken[n] = c->runtime->listeners[n].config;
}

static void note_taken_pools(struct runtime_change *c)
{
	for (size_t n = 0; n < c->runtime->slots_max; n++)
		c->taken[n] = c->runtime->pools[n];
}

static int assign_listener_slots(struct runtime_change *c)
{
	struct generation *g = c->generation;
	size_t free_slot = 0;

	note_taken_listeners(c);
	for (size_t n = 0; n < g->config->listeners_n; n++) {
		const struct listener_config *config = &g->config->listeners[n];
		size_t slot = slot_of_listener(c->runtime, config);

		if (slot == c->runtime->slots_max)
			slot = free_slot = first_free(c, free_slot);
		if (slot == c->runtime->slots_max)
			return -ENOSPC;
		c->taken[slot] = true;
		g->slots[n] = slot;
		g->listeners[slot] = (struct generation_listener){ config, g->tls->servers[n] };
	}
	return 0;
}

/* One that several generations have is not written to: workers read it. */
static void set_pool_slot(struct pool_config *config, size_t slot)
{
	if (config->slot != slot)
		config->slot = slot;
}

static int assign_pool_slots(struct runtime_change *c)
{
	struct generation *g = c->generation;
	size_t free_slot = 0;

	note_taken_pools(c);
	for (size_t n = 0; n < g->config->pools_n; n++) {
		struct pool_config *config = &g->shared->config->pools[n];
		size_t slot = slot_of_pool(c->runtime, config->name);

		if (slot == c->runtime->slots_max)
			slot = free_slot = first_free(c, free_slot);
		if (slot == c->runtime->slots_max)
			return -ENOSPC;
		c->taken[slot] = true;
		set_pool_slot(config, slot);
		g->pools[slot] = config;
	}
	return 0;
}

/* ---- memory -------------------------------------------------------------- */

static bool has_limits(const struct listener_config *c)
{
	return c->source_sessions_max > 0 || c->source_sessions_per_s_max > 0;
}

static struct limits_config limits_of(const struct listener_config *c)
{
	return (struct limits_config){
		.sources_max = c->sources_max,
		.bits4 = c->source_bits4,
		.bits6 = c->source_bits6,
		.sessions_max = c->source_sessions_max,
		.sessions = { .per_second = c->source_sessions_per_s_max,
			      .burst = MAX(c->source_sessions_per_s_max, 1) },
	};
}

static bool make_limits(struct runtime_change *c, size_t n)
{
	const struct listener_config *config = &config_of(c)->listeners[n];
	const struct listener *listener = &c->runtime->listeners[c->generation->slots[n]];
	const struct limits_config wanted = limits_of(config);

	if (!has_limits(config) || (listener->config && listener->limits))
		return true;
	c->limits[n] = limits_create(&wanted, secret_seed());
	return c->limits[n];
}

static int make_pool(struct runtime_change *c, size_t n)
{
	const struct pool_config *config = &config_of(c)->pools[n];
	struct pool *pool = c->runtime->pools[config->slot];
	struct new_pool *p = &c->pools[n];
	int err = 0;

	if (pool)
		err = pool_change_prepare(pool, config, &p->change);
	else
		p->made = pool_create(config);
	if (err < 0)
		return err;
	if (config->stick.kind != CLIENT_KEY_NONE && !c->runtime->sticky[config->slot]) {
		p->stick = stick_create(config->stick_max, config->stick_ms, secret_seed());
		if (!p->stick)
			return -ENOMEM;
	}
	return pool || p->made ? 0 : -ENOMEM;
}

/* The rate at which one client's cancel requests are sent on; nobody presses Ctrl-C faster. */
static const struct limits_config cancel_limits = {
	.sources_max = 4096,
	.bits4 = 32,
	.bits6 = 64,
	.sessions = { .per_second = 5, .burst = 10 },
};

static bool make_cancel_keys(struct runtime_change *c)
{
	if (!has_cancel_keys(config_of(c)) || c->runtime->cancel_keys)
		return true;
	c->cancel_keys = cancel_keys_create(c->runtime->sessions_max, secret_seed());
	c->cancel_limits = limits_create(&cancel_limits, secret_seed());
	return c->cancel_keys && c->cancel_limits;
}

static int make_all(struct runtime_change *c)
{
	int err = make_cancel_keys(c) ? 0 : -ENOMEM;

	for (size_t n = 0; err == 0 && n < config_of(c)->listeners_n; n++)
		err = make_limits(c, n) ? 0 : -ENOMEM;
	for (size_t n = 0; err == 0 && n < config_of(c)->pools_n; n++)
		err = make_pool(c, n);
	return err;
}

static struct runtime_change *create_change(struct runtime *runtime, struct generation *g)
{
	struct runtime_change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->runtime = runtime;
	c->generation = g;
	c->pools = calloc(g->config->pools_n + 1, sizeof(*c->pools));
	c->limits = calloc(g->config->listeners_n + 1, sizeof(struct limits *));
	c->taken = calloc(runtime->slots_max, sizeof(*c->taken));
	if (c->pools && c->limits && c->taken)
		return c;
	runtime_abandon(c);
	return NULL;
}

static void free_change(struct runtime_change *c)
{
	free(c->pools);
	free(c->limits);
	free(c->taken);
	free(c);
}

static void abandon_pool(struct new_pool *p)
{
	pool_destroy(p->made);
	pool_change_abandon(p->change);
	if (p->stick)
		stick_destroy(p->stick);
}

void runtime_abandon(struct runtime_change *c)
{
	if (!c)
		return;
	for (size_t n = 0; c->pools && n < config_of(c)->pools_n; n++)
		abandon_pool(&c->pools[n]);
	for (size_t n = 0; c->limits && n < config_of(c)->listeners_n; n++)
		limits_destroy(c->limits[n]);
	cancel_keys_destroy(c->cancel_keys);
	limits_destroy(c->cancel_limits);
	free_change(c);
}

struct runtime_change *runtime_prepare(struct runtime *runtime, struct generation *g, int *ret_err)
{
	struct runtime_change *c = create_change(runtime, g);
	int err = -ENOMEM;

	if (c)
		err = assign_listener_slots(c);
	if (err == 0)
		err = assign_pool_slots(c);
	if (err == 0)
		err = make_all(c);
	if (err == 0)
		return c;
	runtime_abandon(c);
	*ret_err = err;
	return NULL;
}

/* ---- it is done ---------------------------------------------------------- */

static void publish_listener(struct runtime_change *c, size_t n)
{
	const struct listener_config *config = &config_of(c)->listeners[n];
	size_t slot = c->generation->slots[n];
	struct listener *listener = &c->runtime->listeners[slot];
	const struct limits_config limits = limits_of(config);

	if (!listener->config) {
		listener->slot = slot;
		listener->protocol = protocol_of(config->protocol);
	}
	if (c->limits[n])
		listener->limits = c->limits[n];
	else if (listener->limits)
		limits_change(listener->limits, &limits);
	listener->config = config;
	c->runtime->listeners_n = MAX(c->runtime->listeners_n, slot + 1);
}

static uint64_t dial_time(const struct pool_config *config)
{
	return config->queue_timeout_ms + config->hold.ms + config->connect_total_ms +
	       config->connect_timeout_ms + DIAL_MARGIN_MS;
}

static void publish_pool(struct runtime_change *c, size_t n)
{
	const struct pool_config *config = &config_of(c)->pools[n];
	struct runtime *runtime = c->runtime;
	struct new_pool *p = &c->pools[n];

	if (p->made) {
		runtime->pools[config->slot] = p->made;
	} else {
		runtime->graces[config->slot].dial_ms = MAX(
			dial_time(config), dial_time(pool_config(runtime->pools[config->slot])));
		pool_change_commit(p->change);
	}
	if (p->stick)
		runtime->sticky[config->slot] = p->stick;
	else if (runtime->sticky[config->slot])
		stick_set_ttl(runtime->sticky[config->slot], config->stick_ms);
	runtime->tls_clients[config->slot] = c->generation->tls->clients[n];
	runtime->check_clients[config->slot] = c->generation->tls->checks[n];
	runtime->pools_n = MAX(runtime->pools_n, config->slot + 1);
}

void runtime_publish(struct runtime_change *c)
{
	struct runtime *runtime = c->runtime;
	struct generation *g = c->generation;

	if (c->cancel_keys) {
		runtime->cancel_keys = c->cancel_keys;
		runtime->cancel_limits = c->cancel_limits;
	}
	for (size_t n = 0; n < g->config->pools_n; n++)
		publish_pool(c, n);
	for (size_t n = 0; n < g->config->listeners_n; n++)
		publish_listener(c, n);
	if (needs_clients(g->config))
		runtime->needs_clients = true;
	g->older = runtime->generation;
	g->number = g->older ? g->older->number + 1 : 1;
	g->since_ms = clock_now_ms();
	atomic_store(&runtime->generation, g);
	free_change(c);
}

bool runtime_has_passed(const struct runtime *runtime)
{
	unsigned newest = atomic_load(&runtime->generation)->number;

	for (unsigned n = 0; n < runtime->workers_n; n++) {
		const struct worker_peer *peer = &runtime->peers[n];

		if (atomic_load(&peer->generation) != newest && !atomic_load(&peer->has_ended))
			return false;
	}
	return true;
}

/* ---- what is left behind ------------------------------------------------- */

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
			ms = MAX(ms, dial_time(g->pools[n]));
	return now_ms + ms;
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

/* Gives whether backends are leaving. */
static bool collect_backends(struct runtime *runtime, size_t slot, uint64_t now_ms)
{
	struct pool *pool = runtime->pools[slot];
	struct pool_grace *grace = &runtime->graces[slot];

	if (grace->waits_for != 0 && now_ms >= grace->until_ms) {
		grace->passed = grace->waits_for;
		grace->waits_for = 0;
	}
	if (grace->waits_for == 0 && pool_generation(pool) > grace->passed) {
		grace->waits_for = pool_generation(pool);
		grace->until_ms = now_ms + grace->dial_ms;
	}
	return pool_collect(pool, grace->passed) > 0 || grace->waits_for != 0;
}

bool runtime_collect(struct runtime *runtime, uint64_t now_ms)
{
	struct generation *next;
	bool is_left = false;

	if (!runtime_has_passed(runtime))
		return true;
	for (struct generation *g = atomic_load(&runtime->generation)->older; g; g = next) {
		next = g->older;
		if (may_be_freed(runtime, g, now_ms))
			free_generation(runtime, g);
		else
			is_left = true;
	}
	for (size_t n = 0; n < runtime->pools_n; n++)
		if (runtime->pools[n])
			is_left |= collect_backends(runtime, n, now_ms);
	return is_left;
}
