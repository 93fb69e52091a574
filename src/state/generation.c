/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/load.h"
#include "state/tls_contexts.h"

struct shared_config *shared_config_create(struct config *config)
{
	struct shared_config *shared = calloc(1, sizeof(*shared));

	if (!shared)
		return NULL;
	shared->config = config;
	shared->refs = 1;
	return shared;
}

void shared_config_unref(struct shared_config *shared)
{
	if (!shared)
		return;
	CHECK(shared->refs > 0);
	if (--shared->refs > 0)
		return;
	config_destroy(shared->config);
	free(shared);
}

static bool create_parts(struct generation *g)
{
	size_t pins_bytes = g->workers_n * sizeof(*g->pins);

	g->listeners = calloc(g->slots_max + 1, sizeof(*g->listeners));
	g->pools = calloc(g->slots_max + 1, sizeof(struct pool_config *));
	g->slots = calloc(g->config->listeners_n + 1, sizeof(*g->slots));
	g->pool_slots = calloc(g->config->pools_n + 1, sizeof(*g->pool_slots));
	g->pins = aligned_alloc(CACHE_LINE_BYTES, pins_bytes);
	if (g->pins)
		memset(g->pins, 0, pins_bytes);
	return g->listeners && g->pools && g->slots && g->pool_slots && g->pins;
}

static void free_parts(struct generation *g)
{
	free(g->listeners);
	free(g->pools);
	free(g->slots);
	free(g->pool_slots);
	free(g->sockets);
	free(g->pins);
	free(g);
}

struct generation *generation_create(struct shared_config *shared, struct tls_contexts *tls,
				     size_t slots_max, unsigned workers_n)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->config = shared->config;
	g->slots_max = slots_max;
	g->workers_n = workers_n;
	if (!create_parts(g)) {
		free_parts(g);
		return NULL;
	}
	shared->refs++;
	g->shared = shared;
	g->tls = tls;
	return g;
}

void generation_destroy(struct generation *g)
{
	if (!g)
		return;
	tls_contexts_destroy(g->tls);
	shared_config_unref(g->shared);
	free_parts(g);
}

size_t generation_pool_slot(const struct generation *g, const struct pool_config *config)
{
	CHECK(config->number < g->config->pools_n);
	return g->pool_slots[config->number];
}

unsigned long generation_pinned(const struct generation *g)
{
	long n = 0;

	for (unsigned w = 0; w < g->workers_n; w++)
		n += atomic_load_explicit(&g->pins[w].n, memory_order_acquire);
	return n > 0 ? (unsigned long)n : 0;
}
