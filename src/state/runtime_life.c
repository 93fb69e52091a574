/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/runtime_life.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "config/load.h"
#include "state/cancel_keys.h"
#include "state/counters.h"
#include "state/generation.h"
#include "state/runtime_change.h"
#include "state/tls_contexts.h"

/* Some of the structs are aligned to cache lines, which calloc(3) does not promise. */
static void *zeroed(size_t n, size_t bytes)
{
	void *p = aligned_alloc(CACHE_LINE_BYTES, MAX(n, 1) * bytes);

	if (p)
		memset(p, 0, MAX(n, 1) * bytes);
	return p;
}

static bool create_tables(struct runtime *r)
{
	r->pools = calloc(r->slots_max, sizeof(struct pool *));
	r->sticky = calloc(r->slots_max, sizeof(*r->sticky));
	r->tls_clients = calloc(r->slots_max, sizeof(*r->tls_clients));
	r->check_clients = calloc(r->slots_max, sizeof(*r->check_clients));
	r->alerts = calloc(r->slots_max, sizeof(*r->alerts));
	r->graces = calloc(r->slots_max, sizeof(*r->graces));
	r->listeners = zeroed(r->slots_max, sizeof(*r->listeners));
	r->peers = zeroed(r->workers_n, sizeof(*r->peers));
	r->counters = counters_create(r->workers_n, r->slots_max, r->slots_max);
	return r->pools && r->sticky && r->tls_clients && r->check_clients && r->alerts &&
	       r->graces && r->listeners && r->peers && r->counters;
}

static bool publish_first(struct runtime *runtime, struct shared_config *shared,
			  struct tls_contexts *tls)
{
	struct generation *g =
		generation_create(shared, tls, runtime->slots_max, runtime->workers_n);
	struct runtime_change *change;
	int err;

	if (!g) {
		tls_contexts_destroy(tls);
		return false;
	}
	change = runtime_prepare(runtime, g, &err);
	if (!change) {
		generation_destroy(g);
		return false;
	}
	runtime_publish(change);
	for (unsigned n = 0; n < runtime->workers_n; n++)
		atomic_store(&runtime->peers[n].generation, g->number);
	return true;
}

static uint64_t wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct runtime *create_empty(size_t slots_max, unsigned workers_n, unsigned sessions_max)
{
	struct runtime *runtime = zeroed(1, sizeof(*runtime));

	if (!runtime)
		return NULL;
	runtime->slots_max = slots_max;
	runtime->workers_n = workers_n;
	runtime->sessions_max = sessions_max;
	runtime->started_ms = clock_now_ms();
	runtime->started_wall_ms = wall_clock_ms();
	runtime->answers_fd = -1;
	bans_init(&runtime->bans);
	if (create_tables(runtime))
		return runtime;
	runtime_destroy(runtime);
	return NULL;
}

struct runtime *runtime_create(struct config *config, struct tls_contexts *tls, unsigned workers_n,
			       unsigned sessions_max)
{
	size_t slots_max = MAX(RUNTIME_SLOTS_MIN, 2 * MAX(config->listeners_n, config->pools_n));
	struct shared_config *shared = shared_config_create(config);
	struct runtime *runtime = create_empty(slots_max, workers_n, sessions_max);
	bool is_good;

	if (!shared)
		config_destroy(config);
	if (!shared || !runtime) {
		tls_contexts_destroy(tls);
		goto fail;
	}
	is_good = publish_first(runtime, shared, tls);
	shared_config_unref(shared); /* the generation has one */
	if (is_good)
		return runtime;
	shared = NULL;
fail:
	shared_config_unref(shared);
	runtime_destroy(runtime);
	return NULL;
}

static void free_slots(struct runtime *runtime)
{
	for (size_t n = 0; n < runtime->pools_n; n++) {
		pool_destroy(runtime->pools[n]);
		if (runtime->sticky[n])
			stick_destroy(runtime->sticky[n]);
	}
	for (size_t n = 0; n < runtime->listeners_n; n++)
		limits_destroy(runtime->listeners[n].limits);
}

void runtime_destroy(struct runtime *runtime)
{
	struct generation *g, *older;

	if (!runtime)
		return;
	free_slots(runtime);
	for (g = runtime->generation; g; g = older) {
		older = g->older;
		generation_destroy(g);
	}
	bans_finish(&runtime->bans);
	cancel_keys_destroy(runtime->cancel_keys);
	limits_destroy(runtime->cancel_limits);
	counters_destroy(runtime->counters, runtime->workers_n);
	free(runtime->sticky);
	free(runtime->tls_clients);
	free(runtime->check_clients);
	free(runtime->alerts);
	free(runtime->graces);
	free(runtime->pools);
	free(runtime->listeners);
	free(runtime->peers);
	free(runtime);
}
