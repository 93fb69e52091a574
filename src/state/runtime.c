/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/check_channel.h"
#include "protocol/registry.h"
#include "state/cancel_keys.h"
#include "state/counters.h"
#include "state/tls_contexts.h"

struct pool *runtime_pool(const struct runtime *runtime, const struct pool_config *config)
{
	return runtime->pools[config->slot];
}

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

/* Attackers must not be able to choose addresses that collide in a table. */
static uint64_t secret_seed(void)
{
	uint64_t seed = 0;

	(void)!getrandom(&seed, sizeof(seed), 0);
	return seed;
}

static bool create_limits(struct listener *l)
{
	const struct listener_config *c = l->config;
	const struct limits_config wanted = {
		.sources_max = c->sources_max,
		.bits4 = c->source_bits4,
		.bits6 = c->source_bits6,
		.sessions_max = c->source_sessions_max,
		.sessions = { .per_second = c->source_sessions_per_s_max,
			      .burst = MAX(c->source_sessions_per_s_max, 1) },
	};

	if (c->source_sessions_max == 0 && c->source_sessions_per_s_max == 0)
		return true;
	l->limits = limits_create(&wanted, secret_seed());
	return l->limits;
}

static bool create_stick(struct runtime *runtime, size_t n)
{
	const struct pool_config *c = &runtime->config->pools[n];

	if (c->stick.kind == CLIENT_KEY_NONE)
		return true;
	runtime->sticky[n] = stick_create(c->stick_max, c->stick_ms, secret_seed());
	return runtime->sticky[n];
}

struct stick *runtime_sticky(const struct runtime *runtime, const struct pool *pool)
{
	return runtime->sticky[pool_config(pool)->slot];
}

bool runtime_digest(const struct runtime *runtime, uint64_t *ret_digest)
{
	bool does_hash = false;

	*ret_digest = 0;
	for (size_t n = 0; n < runtime->pools_n; n++)
		does_hash |= pool_digest_add(runtime->pools[n], ret_digest);
	return does_hash;
}

struct tls_client *runtime_tls_client(const struct runtime *runtime, const struct pool *pool)
{
	return runtime->tls->clients[pool_config(pool)->slot];
}

struct tls_client *runtime_check_tls(const struct runtime *runtime, const struct pool *pool)
{
	const struct pool_config *config = pool_config(pool);

	if (check_channel_kind(config) == CHECK_CHANNEL_SESSIONS)
		return runtime_tls_client(runtime, pool);
	return runtime->tls->checks[config->slot];
}

struct pool_alert *runtime_alert(const struct runtime *runtime, const struct pool *pool)
{
	return &runtime->alerts[pool_config(pool)->slot];
}

/* Ten at once, and then so many in a second: who presses Ctrl-C does not notice. */
static const struct limits_config cancel_limits = {
	.sources_max = 4096,
	.bits4 = 32,
	.bits6 = 64,
	.sessions = { .per_second = 5, .burst = 10 },
};

static bool create_parts(struct runtime *runtime)
{
	const struct config *config = runtime->config;

	runtime->needs_clients = needs_clients(config);
	if (has_cancel_keys(config)) {
		runtime->cancel_keys = cancel_keys_create(runtime->sessions_max, secret_seed());
		runtime->cancel_limits = limits_create(&cancel_limits, secret_seed());
		if (!runtime->cancel_keys || !runtime->cancel_limits)
			return false;
	}
	for (; runtime->pools_n < config->pools_n; runtime->pools_n++) {
		struct pool *pool = pool_create(&config->pools[runtime->pools_n]);

		if (!pool)
			return false;
		runtime->pools[runtime->pools_n] = pool;
		if (!create_stick(runtime, runtime->pools_n))
			return false;
	}
	for (; runtime->listeners_n < config->listeners_n; runtime->listeners_n++) {
		struct listener *listener = &runtime->listeners[runtime->listeners_n];

		listener->slot = runtime->listeners_n;
		listener->config = &config->listeners[listener->slot];
		listener->tls = runtime->tls->servers[listener->slot];
		listener->protocol = protocol_of(listener->config->protocol);
		if (!create_limits(listener))
			return false;
	}
	return true;
}

/* Some of the structs are aligned to cache lines, which calloc(3) does not promise. */
static void *zeroed(size_t n, size_t bytes)
{
	void *p = aligned_alloc(CACHE_LINE_BYTES, MAX(n, 1) * bytes);

	if (p)
		memset(p, 0, MAX(n, 1) * bytes);
	return p;
}

struct runtime *runtime_create(const struct config *config, const struct tls_contexts *tls,
			       unsigned workers_n, unsigned sessions_max)
{
	struct runtime *runtime = zeroed(1, sizeof(*runtime));

	if (!runtime)
		return NULL;
	runtime->config = config;
	runtime->tls = tls;
	runtime->workers_n = workers_n;
	runtime->sessions_max = sessions_max;
	runtime->started_ms = clock_now_ms();
	runtime->answers_fd = -1;
	bans_init(&runtime->bans);
	runtime->pools = calloc(MAX(config->pools_n, 1), sizeof(struct pool *));
	runtime->sticky = calloc(MAX(config->pools_n, 1), sizeof(struct stick *));
	runtime->alerts = calloc(MAX(config->pools_n, 1), sizeof(*runtime->alerts));
	runtime->listeners = zeroed(config->listeners_n, sizeof(*runtime->listeners));
	runtime->peers = zeroed(workers_n, sizeof(*runtime->peers));
	runtime->counters = counters_create(workers_n, config->listeners_n, config->pools_n);
	if (runtime->pools && runtime->sticky && runtime->alerts && runtime->listeners &&
	    runtime->peers && runtime->counters && create_parts(runtime))
		return runtime;
	runtime_destroy(runtime);
	return NULL;
}

void runtime_destroy(struct runtime *runtime)
{
	if (!runtime)
		return;
	CHECK((runtime->pools && runtime->sticky) || runtime->pools_n == 0);
	for (size_t n = 0; n < runtime->pools_n; n++) {
		pool_destroy(runtime->pools[n]);
		if (runtime->sticky[n])
			stick_destroy(runtime->sticky[n]);
	}
	for (size_t n = 0; n < runtime->listeners_n; n++)
		limits_destroy(runtime->listeners[n].limits);
	bans_finish(&runtime->bans);
	free(runtime->sticky);
	free(runtime->alerts);
	cancel_keys_destroy(runtime->cancel_keys);
	limits_destroy(runtime->cancel_limits);
	counters_destroy(runtime->counters, runtime->workers_n);
	free(runtime->pools);
	free(runtime->listeners);
	free(runtime->peers);
	free(runtime);
}

/* Adds one to @count unless that passes @max; 0 is no limit. */
static bool take_slot(atomic_uint *count, unsigned max)
{
	if (atomic_fetch_add(count, 1) < max || max == 0)
		return true;
	atomic_fetch_sub(count, 1);
	return false;
}

bool runtime_acquire_slot(struct runtime *runtime, struct listener *listener)
{
	if (!take_slot(&runtime->sessions, runtime->sessions_max))
		return false;
	if (take_slot(&listener->sessions, listener->config->sessions_max))
		return true;
	atomic_fetch_sub(&runtime->sessions, 1);
	return false;
}

void runtime_release_slot(struct runtime *runtime, struct listener *listener)
{
	CHECK(atomic_fetch_sub(&listener->sessions, 1) > 0);
	CHECK(atomic_fetch_sub(&runtime->sessions, 1) > 0);
}

static unsigned room_in(const atomic_uint *count, unsigned max)
{
	unsigned now = atomic_load_explicit(count, memory_order_relaxed);

	if (max == 0)
		return UINT32_MAX;
	return now < max ? max - now : 0;
}

unsigned runtime_free_slots(const struct runtime *runtime, const struct listener *listener)
{
	unsigned all = room_in(&runtime->sessions, runtime->sessions_max);
	unsigned own = room_in(&listener->sessions, listener->config->sessions_max);

	return MIN(all, own);
}
