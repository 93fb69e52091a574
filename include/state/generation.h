/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_GENERATION_H
#define STATE_GENERATION_H

/*
 * One configuration at run time, with what was made of it. A reload makes the
 * next one; workers pass to it between two turns, and a session keeps the one
 * in which it was accepted, for what it was promised. The main thread makes
 * and frees them: one that nobody uses any more goes.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"

struct listener;
struct tls_contexts;
struct tls_server;

/* A listening socket as one worker knows it: by its id, which it keeps over reloads. */
struct generation_socket {
	uint64_t id;
	struct listener *listener; /* whose connections come there */
	int fd;
	bool is_tcp;
	bool is_new;     /* the worker does not have it yet */
	bool is_leaving; /* others have its clients from now on, and it ends what it began */
	bool is_covered; /* where it did not listen, another listener's wildcard would */
};

/* What a listener is in a generation. */
struct generation_listener {
	const struct listener_config *config; /* NULL: it has none of this slot */
	struct tls_server *tls;               /* NULL: it does not terminate TLS */
};

/* A configuration that several generations may have, when all that was new were certificates. */
struct shared_config {
	struct config *config;
	unsigned refs; /* the main thread's */
};

struct generation {
	unsigned number;      /* from 1 */
	uint64_t replaced_ms; /* when; 0: it is the newest */
	uint64_t free_at_ms;  /* nobody has it any more; 0: somebody has */
	struct shared_config *shared;
	const struct config *config; /* of it */
	struct tls_contexts *tls;
	struct generation_listener *listeners; /* by slot */
	const struct pool_config **pools;      /* by slot, or NULL */
	size_t *slots;                         /* of the configuration's listeners, in its order */
	size_t *pool_slots;                    /* of its pools */
	size_t slots_max;
	/* By id; those of worker 0, then those of worker 1 ... */
	struct generation_socket *sockets;
	size_t sockets_n; /* of a worker */
	struct generation *older;
	unsigned workers_n;
	struct generation_pins {
		CACHE_ALIGNED _Atomic long n; /* begun by this worker less ended by it */
	} * pins;
};

/*
 * With @slots_max slots for listeners and as many for pools. Keeps a reference of @shared and takes
 * @tls when it succeeds. NULL without memory.
 */
MUST_CHECK struct generation *generation_create(struct shared_config *shared,
						struct tls_contexts *tls, size_t slots_max,
						unsigned workers_n);
/* No session may have it. Accepts NULL. */
void generation_destroy(struct generation *generation);

/* Takes @config, with one reference, when it succeeds. NULL without memory. */
MUST_CHECK struct shared_config *shared_config_create(struct config *config);
/* The last one frees the configuration. Accepts NULL. */
void shared_config_unref(struct shared_config *shared);

/*
 * Somebody whom @worker serves has it now, or, with -1, no more; the worker
 * alone may say so. A connection that goes to another worker is counted by
 * the one that accepted it, and later taken off by the other.
 */
static inline void generation_pin(struct generation *g, unsigned worker, long n)
{
	_Atomic long *pins = &g->pins[worker].n;

	atomic_store_explicit(pins, atomic_load_explicit(pins, memory_order_relaxed) + n,
			      memory_order_release);
}

/*
 * How many have it. Once all workers have passed to a newer one nobody comes,
 * and none is none for good.
 */
unsigned long generation_pinned(const struct generation *generation);

/* What the listener of this slot is in it; all zero if it has none. */
static inline const struct generation_listener *generation_listener(
	const struct generation *generation, size_t slot)
{
	return &generation->listeners[slot];
}

/* Where the pool of its configuration is. */
size_t generation_pool_slot(const struct generation *generation, const struct pool_config *config);

#endif
