/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/runtime.h"

#include "base/check.h"
#include "config/check_channel.h"
#include "state/generation.h"
#include "state/tls_contexts.h"

const char *const listener_pause_names[LISTENER_PAUSES] = {
	[LISTENER_WAITS] = "wait",
	[LISTENER_REFUSES] = "refuse",
};

struct pool *runtime_pool(const struct runtime *runtime, const struct generation *generation,
			  const struct pool_config *config)
{
	return runtime->pools[generation_pool_slot(generation, config)];
}

const struct config *runtime_config(const struct runtime *runtime)
{
	return atomic_load_explicit(&runtime->generation, memory_order_acquire)->config;
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

bool runtime_listener_leaves(const struct runtime *runtime, size_t slot)
{
	return !atomic_load(&runtime->generation)->listeners[slot].config;
}

bool runtime_pool_leaves(const struct runtime *runtime, size_t slot)
{
	return !atomic_load(&runtime->generation)->pools[slot];
}

struct stick *runtime_sticky(const struct runtime *runtime, const struct pool *pool)
{
	return runtime->sticky[pool_slot(pool)];
}

bool runtime_digest(const struct runtime *runtime, uint64_t *ret_digest)
{
	bool does_hash = false;

	*ret_digest = 0;
	for (size_t n = 0; n < runtime->pools_n; n++)
		if (runtime->pools[n] && !runtime_pool_leaves(runtime, n))
			does_hash |= pool_digest_add(runtime->pools[n], ret_digest);
	return does_hash;
}

struct tls_client *runtime_tls_client(const struct runtime *runtime, const struct pool *pool)
{
	return runtime->tls_clients[pool_slot(pool)];
}

struct tls_client *runtime_check_tls(const struct runtime *runtime, const struct pool *pool)
{
	if (check_channel_kind(pool_config(pool)) == CHECK_CHANNEL_SESSIONS)
		return runtime_tls_client(runtime, pool);
	return runtime->check_clients[pool_slot(pool)];
}

struct tls_server *runtime_tls_server(const struct runtime *runtime,
				      const struct listener *listener)
{
	return generation_listener(atomic_load(&runtime->generation), listener->slot)->tls;
}

struct pool_alert *runtime_alert(const struct runtime *runtime, const struct pool *pool)
{
	return &runtime->alerts[pool_slot(pool)];
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
