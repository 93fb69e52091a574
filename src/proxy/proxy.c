/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/alarm.h"
#include "proxy/ask_around.h"
#include "proxy/cancels.h"
#include "proxy/counters.h"
#include "proxy/engine.h"
#include "proxy/mail.h"
#include "proxy/session.h"
#include "state/tls_contexts.h"

/* A worker keeps a new session unless another one has fewer by more than this part of its own. */
#define UNEVEN_PART 16

struct pool *proxy_pool(const struct proxy *proxy, const struct pool_config *config)
{
	return proxy->pools[config - proxy->config->pools];
}

struct tls_client *proxy_tls_client(const struct proxy *proxy, const struct pool_config *config)
{
	return proxy->tls->clients[config - proxy->config->pools];
}

static bool anybody_speaks_postgres(const struct config *config)
{
	for (size_t n = 0; n < config->listeners_n; n++)
		if (config->listeners[n].protocol == PROTOCOL_POSTGRES)
			return true;
	return false;
}

static bool needs_clients(const struct config *config)
{
	for (size_t n = 0; n < config->listeners_n; n++)
		if (config->listeners[n].proxy != PROXY_HEADER_OFF ||
		    ask_around_needs_clients(&config->listeners[n]))
			return true;
	for (size_t n = 0; n < config->pools_n; n++) {
		const struct pool_config *p = &config->pools[n];

		if (p->send_proxy != PROXY_OFF || p->balance == BALANCE_MAGLEV ||
		    p->stick.kind != CLIENT_KEY_NONE || p->is_transparent)
			return true;
	}
	return false;
}

/* Strangers must not be able to choose addresses that collide in a table. */
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

static bool create_stick(struct proxy *proxy, size_t n)
{
	const struct pool_config *c = &proxy->config->pools[n];

	if (c->stick.kind == CLIENT_KEY_NONE)
		return true;
	proxy->sticks[n] = stick_create(c->stick_max, c->stick_ms, secret_seed());
	return proxy->sticks[n];
}

struct stick *proxy_stick(const struct proxy *proxy, const struct pool_config *config)
{
	return proxy->sticks[config - proxy->config->pools];
}

bool proxy_digest(const struct proxy *proxy, uint64_t *ret_digest)
{
	bool does_hash = false;

	*ret_digest = 0;
	for (size_t n = 0; n < proxy->pools_n; n++)
		does_hash |= pool_digest_add(proxy->pools[n], ret_digest);
	return does_hash;
}

struct alarm *proxy_alarm(const struct proxy *proxy, const struct pool_config *config)
{
	return &proxy->alarms[config - proxy->config->pools];
}

static bool create_parts(struct proxy *proxy)
{
	const struct config *config = proxy->config;

	proxy->needs_clients = needs_clients(config);
	if (anybody_speaks_postgres(config)) {
		proxy->cancels = cancels_create(proxy->sessions_max, secret_seed());
		if (!proxy->cancels)
			return false;
	}
	for (; proxy->pools_n < config->pools_n; proxy->pools_n++) {
		struct pool *pool = pool_create(&config->pools[proxy->pools_n]);

		if (!pool)
			return false;
		proxy->pools[proxy->pools_n] = pool;
		if (!create_stick(proxy, proxy->pools_n))
			return false;
	}
	for (; proxy->listeners_n < config->listeners_n; proxy->listeners_n++) {
		proxy->listeners[proxy->listeners_n].index = proxy->listeners_n;
		proxy->listeners[proxy->listeners_n].config =
			&config->listeners[proxy->listeners_n];
		proxy->listeners[proxy->listeners_n].tls = proxy->tls->servers[proxy->listeners_n];
		if (!create_limits(&proxy->listeners[proxy->listeners_n]))
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

struct proxy *proxy_create(const struct config *config, const struct tls_contexts *tls,
			   unsigned workers_n, unsigned sessions_max)
{
	struct proxy *proxy = zeroed(1, sizeof(*proxy));

	if (!proxy)
		return NULL;
	proxy->config = config;
	proxy->tls = tls;
	proxy->workers_n = workers_n;
	proxy->sessions_max = sessions_max;
	proxy->started_ms = clock_now_ms();
	proxy->pools = calloc(MAX(config->pools_n, 1), sizeof(struct pool *));
	proxy->sticks = calloc(MAX(config->pools_n, 1), sizeof(struct stick *));
	proxy->alarms = calloc(MAX(config->pools_n, 1), sizeof(*proxy->alarms));
	proxy->listeners = zeroed(config->listeners_n, sizeof(*proxy->listeners));
	proxy->peers = zeroed(workers_n, sizeof(*proxy->peers));
	proxy->counters = counters_create(workers_n, config->listeners_n, config->pools_n);
	if (proxy->pools && proxy->sticks && proxy->alarms && proxy->listeners && proxy->peers &&
	    proxy->counters && create_parts(proxy))
		return proxy;
	proxy_destroy(proxy);
	return NULL;
}

void proxy_destroy(struct proxy *proxy)
{
	if (!proxy)
		return;
	CHECK((proxy->pools && proxy->sticks) || proxy->pools_n == 0);
	for (size_t n = 0; n < proxy->pools_n; n++) {
		pool_destroy(proxy->pools[n]);
		if (proxy->sticks[n])
			stick_destroy(proxy->sticks[n]);
	}
	for (size_t n = 0; n < proxy->listeners_n; n++)
		limits_destroy(proxy->listeners[n].limits);
	free(proxy->sticks);
	free(proxy->alarms);
	cancels_destroy(proxy->cancels);
	counters_destroy(proxy->counters, proxy->workers_n);
	free(proxy->pools);
	free(proxy->listeners);
	free(proxy->peers);
	free(proxy);
}

/* Adds one to @count unless that passes @max; 0 is no limit. */
static bool take_place(atomic_uint *count, unsigned max)
{
	if (atomic_fetch_add(count, 1) < max || max == 0)
		return true;
	atomic_fetch_sub(count, 1);
	return false;
}

bool proxy_admit(struct proxy *proxy, struct listener *listener)
{
	if (!take_place(&proxy->sessions, proxy->sessions_max))
		return false;
	if (take_place(&listener->sessions, listener->config->sessions_max))
		return true;
	atomic_fetch_sub(&proxy->sessions, 1);
	return false;
}

void proxy_leave(struct proxy *proxy, struct listener *listener)
{
	CHECK(atomic_fetch_sub(&listener->sessions, 1) > 0);
	CHECK(atomic_fetch_sub(&proxy->sessions, 1) > 0);
}

static unsigned room_in(const atomic_uint *count, unsigned max)
{
	unsigned now = atomic_load_explicit(count, memory_order_relaxed);

	if (max == 0)
		return UINT32_MAX;
	return now < max ? max - now : 0;
}

unsigned proxy_room(const struct proxy *proxy, const struct listener *listener)
{
	unsigned all = room_in(&proxy->sessions, proxy->sessions_max);
	unsigned own = room_in(&listener->sessions, listener->config->sessions_max);

	return MIN(all, own);
}

static unsigned load_of(const struct proxy *proxy, unsigned worker)
{
	return atomic_load_explicit(&proxy->peers[worker].sessions, memory_order_relaxed);
}

unsigned proxy_least_loaded(const struct proxy *proxy, unsigned self)
{
	unsigned own = load_of(proxy, self);
	unsigned best = self, least = own;

	for (unsigned n = 0; n < proxy->workers_n; n++) {
		unsigned load = load_of(proxy, n); /* once: it may change meanwhile */

		if (load < least) {
			least = load;
			best = n;
		}
	}
	return own - least > own / UNEVEN_PART ? best : self;
}

static void hand_called(struct proxy *proxy, struct session *s)
{
	struct worker_peer *peer = &proxy->peers[s->engine->worker];
	struct mail wake = { .kind = MAIL_CALLED };

	s->called_next = atomic_load(&peer->called);
	while (!atomic_compare_exchange_weak(&peer->called, &s->called_next, s))
		continue;
	/* A full box wakes it too; and if there was no memory, its next turn finds it. */
	(void)!mail_send(peer->mail_fd, &wake);
}

void proxy_call_waiting(struct proxy *proxy, struct pool *pool, uint64_t now_ms)
{
	while (pool_has_call(pool)) {
		struct pool_waiter *waiter = pool_call(pool, now_ms);

		if (waiter)
			hand_called(proxy, container_of(waiter, struct session, waiter));
	}
}

bool proxy_has_called(const struct proxy *proxy, unsigned worker)
{
	return atomic_load_explicit(&proxy->peers[worker].called, memory_order_relaxed);
}

struct session *proxy_take_called(struct proxy *proxy, unsigned worker)
{
	return atomic_exchange(&proxy->peers[worker].called, NULL);
}

static void wake_workers(struct proxy *proxy)
{
	const struct mail wake = { .kind = MAIL_ORDER };

	for (unsigned n = 0; n < proxy->workers_n; n++)
		(void)!mail_send(proxy->peers[n].mail_fd, &wake); /* a full box wakes it too */
}

void proxy_order(struct proxy *proxy, enum worker_order order)
{
	atomic_store(&proxy->order, order);
	wake_workers(proxy);
}

void proxy_abandon(struct proxy *proxy)
{
	atomic_store(&proxy->workers_draining, proxy->workers_n);
	proxy_order(proxy, ORDER_STOP);
}

void proxy_worker_drains(struct proxy *proxy)
{
	if (atomic_fetch_add(&proxy->workers_draining, 1) + 1 == proxy->workers_n)
		wake_workers(proxy);
}

bool proxy_expects_sessions(const struct proxy *proxy, unsigned worker)
{
	return atomic_load(&proxy->workers_draining) < proxy->workers_n ||
	       atomic_load(&proxy->peers[worker].sessions) > 0;
}
