/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_POOL_H
#define BALANCE_POOL_H

/*
 * Which backend? A pool asks its balancer, one of the files beside this one,
 * and keeps count. All workers share one pool and get exact answers: a pick
 * holds the pool's lock for its few dozen nanoseconds, once for each session.
 * No I/O here; time, where it matters, is an argument.
 *
 *	struct pool_ask ask = { .key = hash_of_client };
 *	enum pool_answer why;
 *
 *	b = pool_pick(pool, &ask, &why);      takes a place at b
 *	... connect fails: ...
 *	pool_release(pool, b);                gives the place back
 *	ask.tried[ask.tried_n++] = b->index;  and never gets b again
 */

#include <stddef.h>
#include <stdint.h>

#include "balance/backend.h"
#include "base/def.h"
#include "config/config.h"

#define POOL_TRIES_MAX 8        /* different backends that one session may try */
#define POOL_BACKENDS_MAX 65535 /* of one pool; an index fits 16 bits */

struct pool;

struct pool_ask {
	uint64_t key; /* hash of what keeps a client on its backend; unused by most balancers */
	uint16_t tried[POOL_TRIES_MAX];
	uint8_t tried_n;
};

enum pool_answer {
	POOL_PICKED,
	POOL_NONE_READY, /* every backend is down, draining, of weight 0 or tried already */
	POOL_ALL_FULL,   /* some are ready, each has its max_sessions */
	POOL_ANSWERS,
};

/* Builds the run-time pool of @config, which it keeps. Returns NULL without memory. */
MUST_CHECK struct pool *pool_create(const struct pool_config *config);
/* No session may be left. Accepts NULL. */
void pool_destroy(struct pool *pool);

/*
 * Chooses a backend and takes a place at it, to be given back by
 * pool_release(). Returns NULL and the reason in *ret_why when there is none.
 */
MUST_CHECK struct backend *pool_pick(struct pool *pool, const struct pool_ask *ask,
				     enum pool_answer *ret_why);
void pool_release(struct pool *pool, struct backend *backend);

/* Changes a backend's state, from any thread; sessions it carries are not touched. */
void pool_set_state(struct pool *pool, struct backend *backend, enum backend_state state);

const struct pool_config *pool_config(const struct pool *pool);
size_t pool_backends(const struct pool *pool);
struct backend *pool_backend(struct pool *pool, size_t index);

#endif
