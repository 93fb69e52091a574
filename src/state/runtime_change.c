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
#include "state/runtime_collect.h"
#include "state/tls_contexts.h"

/* What was made for a pool of the new configuration; NULL where there is no need. */
struct new_pool {
	struct pool *made;
	struct pool_change *change; /* of the one there is */
	struct stick *stick;
	struct lru_fresh stick_table; /* of the one there is */
};

/* The same for a listener. */
struct new_listener {
	struct limits *limits;
	struct lru_fresh limits_table; /* of those there are */
};

struct runtime_change {
	struct runtime *runtime;
	struct generation *generation;
	struct new_pool *pools; /* as the configuration's, as are these */
	struct new_listener *listeners;
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

static int assign_pool_slots(struct runtime_change *c)
{
	struct generation *g = c->generation;
	size_t free_slot = 0;

	note_taken_pools(c);
	for (size_t n = 0; n < g->config->pools_n; n++) {
		const struct pool_config *config = &g->config->pools[n];
		size_t slot = slot_of_pool(c->runtime, config->name);

		if (slot == c->runtime->slots_max)
			slot = free_slot = first_free(c, free_slot);
		if (slot == c->runtime->slots_max)
			return -ENOSPC;
		c->taken[slot] = true;
		g->pool_slots[n] = slot;
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

static int make_limits(struct runtime_change *c, size_t n)
{
	const struct listener_config *config = &config_of(c)->listeners[n];
	const struct listener *listener = &c->runtime->listeners[c->generation->slots[n]];
	const struct limits_config wanted = limits_of(config);
	struct new_listener *l = &c->listeners[n];

	if (listener->config && listener->limits)
		return limits_prepare(listener->limits, &wanted, secret_seed(), &l->limits_table);
	if (!has_limits(config))
		return 0;
	l->limits = limits_create(&wanted, secret_seed());
	return l->limits ? 0 : -ENOMEM;
}

static int make_stick(const struct runtime_change *c, const struct pool_config *config, size_t slot,
		      struct new_pool *p)
{
	struct stick *now = c->runtime->sticky[slot];

	if (now)
		return stick_prepare(now, config->stick_max, &p->stick_table);
	if (config->stick.kind == CLIENT_KEY_NONE)
		return 0;
	p->stick = stick_create(config->stick_max, config->stick_ms, secret_seed());
	return p->stick ? 0 : -ENOMEM;
}

static int make_pool(struct runtime_change *c, size_t n)
{
	const struct pool_config *config = &config_of(c)->pools[n];
	const size_t slot = c->generation->pool_slots[n];
	struct pool *pool = c->runtime->pools[slot];
	struct new_pool *p = &c->pools[n];
	int err = 0;

	if (pool) {
		err = pool_change_prepare(pool, config, &p->change);
	} else {
		p->made = pool_create(config);
		err = p->made ? 0 : -ENOMEM;
	}
	if (p->made)
		pool_set_slot(p->made, slot);
	return err < 0 ? err : make_stick(c, config, slot, p);
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
		err = make_limits(c, n);
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
	c->listeners = calloc(g->config->listeners_n + 1, sizeof(*c->listeners));
	c->taken = calloc(runtime->slots_max, sizeof(*c->taken));
	if (c->pools && c->listeners && c->taken)
		return c;
	runtime_abandon(c);
	return NULL;
}

static void free_change(struct runtime_change *c)
{
	free(c->pools);
	free(c->listeners);
	free(c->taken);
	free(c);
}

static void abandon_pool(struct new_pool *p)
{
	pool_destroy(p->made);
	pool_change_abandon(p->change);
	if (p->stick)
		stick_destroy(p->stick);
	lru_fresh_drop(&p->stick_table);
}

static void abandon_listener(struct new_listener *l)
{
	limits_destroy(l->limits);
	lru_fresh_drop(&l->limits_table);
}

void runtime_abandon(struct runtime_change *c)
{
	if (!c)
		return;
	for (size_t n = 0; c->pools && n < config_of(c)->pools_n; n++)
		abandon_pool(&c->pools[n]);
	for (size_t n = 0; c->listeners && n < config_of(c)->listeners_n; n++)
		abandon_listener(&c->listeners[n]);
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

/* The operator's wish is of a name: one with another protocol takes it over. */
static enum listener_pause pause_of_name(const struct runtime *runtime, const char *name)
{
	runtime_for_each_listener(runtime, l)
	{
		if (strcmp(l->config->name, name) == 0)
			return atomic_load(&l->pause);
	}
	return LISTENER_OPEN;
}

static void publish_listener(struct runtime_change *c, size_t n)
{
	const struct listener_config *config = &config_of(c)->listeners[n];
	size_t slot = c->generation->slots[n];
	struct listener *listener = &c->runtime->listeners[slot];
	const struct limits_config limits = limits_of(config);

	if (!listener->config) {
		listener->slot = slot;
		listener->protocol = protocol_of(config->protocol);
		atomic_store(&listener->pause, pause_of_name(c->runtime, config->name));
	}
	if (c->listeners[n].limits)
		listener->limits = c->listeners[n].limits;
	else if (listener->limits)
		limits_change(listener->limits, &limits, &c->listeners[n].limits_table);
	listener->config = config;
	c->runtime->listeners_n = MAX(c->runtime->listeners_n, slot + 1);
}

static void publish_stick(struct runtime *runtime, const struct pool_config *config, size_t slot,
			  struct new_pool *p)
{
	if (p->stick)
		runtime->sticky[slot] = p->stick;
	else if (runtime->sticky[slot])
		stick_change(runtime->sticky[slot], config->stick_ms, &p->stick_table,
			     clock_now_ms());
}

/* They are as they are since now, and not since the start. */
static void date_backends(struct pool *pool)
{
	for (size_t n = 0; n < pool_backends(pool); n++)
		pool_backend(pool, n)->changed_ms = clock_now_ms();
}

static void publish_pool(struct runtime_change *c, size_t n)
{
	const struct pool_config *config = &config_of(c)->pools[n];
	const size_t slot = c->generation->pool_slots[n];
	struct runtime *runtime = c->runtime;
	struct new_pool *p = &c->pools[n];

	if (p->made) {
		runtime->pools[slot] = p->made;
		if (runtime->generation)
			date_backends(p->made);
	} else {
		runtime->graces[slot].dial_ms =
			MAX(runtime_dial_ms(config),
			    runtime_dial_ms(pool_config(runtime->pools[slot])));
		pool_change_commit(p->change, clock_now_ms());
	}
	publish_stick(runtime, config, slot, p);
	runtime->tls_clients[slot] = c->generation->tls->clients[n];
	runtime->check_clients[slot] = c->generation->tls->checks[n];
	runtime->pools_n = MAX(runtime->pools_n, slot + 1);
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
	if (g->older)
		g->older->replaced_ms = clock_now_ms();
	atomic_store(&runtime->generation, g);
	free_change(c);
}
