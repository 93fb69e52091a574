/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/peers.h"

#include <string.h>

#include "state/inbox.h"

/* A worker keeps a new session unless another one has fewer by more than this part of its own. */
#define UNEVEN_PART 16

static unsigned load_of(const struct runtime *runtime, unsigned worker)
{
	return atomic_load_explicit(&runtime->peers[worker].sessions, memory_order_relaxed);
}

unsigned peers_least_loaded(const struct runtime *runtime, unsigned self)
{
	unsigned own = load_of(runtime, self);
	unsigned best = self, least = own;

	for (unsigned n = 0; n < runtime->workers_n; n++) {
		unsigned load = load_of(runtime, n); /* once: it may change meanwhile */

		if (load < least) {
			least = load;
			best = n;
		}
	}
	return own - least > own / UNEVEN_PART ? best : self;
}

static void hand_over(struct runtime *runtime, struct pool_waiter *waiter)
{
	struct worker_peer *peer = &runtime->peers[waiter->worker];
	const struct message wakeup = { .kind = MESSAGE_SERVED };

	waiter->served_next = atomic_load(&peer->served);
	while (!atomic_compare_exchange_weak(&peer->served, &waiter->served_next, waiter))
		continue;
	/* A full inbox wakes it too; and if there was no memory, its next turn finds it. */
	(void)!inbox_send(peer->inbox_fd, &wakeup);
}

void peers_serve_queue(struct runtime *runtime, struct pool *pool, uint64_t now_ms)
{
	while (pool_may_serve_queue(pool)) {
		struct pool_waiter *waiter = pool_serve_next(pool, now_ms);

		if (waiter)
			hand_over(runtime, waiter);
	}
}

struct pool_waiter *peers_take_served(struct runtime *runtime, unsigned worker)
{
	return atomic_exchange(&runtime->peers[worker].served, NULL);
}

static void wake_workers(struct runtime *runtime)
{
	const struct message wakeup = { .kind = MESSAGE_ORDER };

	for (unsigned n = 0; n < runtime->workers_n; n++)
		(void)!inbox_send(runtime->peers[n].inbox_fd,
				  &wakeup); /* a full inbox wakes it too */
}

void peers_pause(struct runtime *runtime, struct listener *listener, enum listener_pause pause)
{
	runtime_for_each_listener(runtime, l)
	{
		if (strcmp(l->config->name, listener->config->name) == 0)
			atomic_store(&l->pause, pause);
	}
	atomic_fetch_add(&runtime->pauses, 1);
	wake_workers(runtime);
}

void peers_evict(struct runtime *runtime)
{
	atomic_fetch_add(&runtime->evictions, 1);
	wake_workers(runtime);
}

void peers_ask(struct runtime *runtime)
{
	atomic_fetch_add(&runtime->asked, 1);
	wake_workers(runtime);
}

bool peers_have_answered(const struct runtime *runtime)
{
	unsigned asked = atomic_load(&runtime->asked);

	for (unsigned n = 0; n < runtime->workers_n; n++) {
		const struct worker_peer *peer = &runtime->peers[n];

		if (atomic_load(&peer->answered) != asked && !atomic_load(&peer->has_ended))
			return false;
	}
	return true;
}

void peers_answer(struct runtime *runtime, unsigned worker)
{
	atomic_store(&runtime->peers[worker].answered, atomic_load(&runtime->asked));
}

void peers_order(struct runtime *runtime, enum worker_order order)
{
	atomic_store(&runtime->order, order);
	wake_workers(runtime);
}

void peers_abandon(struct runtime *runtime)
{
	atomic_store(&runtime->workers_draining, runtime->workers_n);
	peers_order(runtime, ORDER_STOP);
}

void peers_worker_drains(struct runtime *runtime)
{
	if (atomic_fetch_add(&runtime->workers_draining, 1) + 1 == runtime->workers_n)
		wake_workers(runtime);
}

bool peers_expects_sessions(const struct runtime *runtime, unsigned worker)
{
	return atomic_load(&runtime->workers_draining) < runtime->workers_n ||
	       atomic_load(&runtime->peers[worker].sessions) > 0;
}
