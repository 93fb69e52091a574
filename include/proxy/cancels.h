/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_CANCELS_H
#define PROXY_CANCELS_H

/*
 * Which backend has the PostgreSQL session of a key. A client cancels a query
 * over a connection of its own that names the session's key and nothing else;
 * sent to another backend it would be ignored. All workers share one table,
 * which is locked for a moment at log-in, at the end of a session, and by a
 * cancel request.
 */

#include <stdint.h>

#include "balance/pool.h"
#include "base/def.h"
#include "proto/pgsql.h"

struct cancels;

/* Keys are told apart by their hash. */
uint64_t cancels_hash(const struct pgsql_key *key);

/* Room for @sessions_max keys. Returns NULL without memory. */
MUST_CHECK struct cancels *cancels_create(unsigned sessions_max);
/* Accepts NULL. */
void cancels_destroy(struct cancels *cancels);

/* Remembers where the session of @hash is, until cancels_forget(). */
void cancels_remember(struct cancels *cancels, uint64_t hash, struct pool *pool,
		      struct backend *backend);
void cancels_forget(struct cancels *cancels, uint64_t hash);

/* False when no session has this key. */
MUST_CHECK bool cancels_find(struct cancels *cancels, uint64_t hash, struct pool **ret_pool,
			     struct backend **ret_backend);

#endif
