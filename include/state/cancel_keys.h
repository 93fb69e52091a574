/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_CANCEL_KEYS_H
#define STATE_CANCEL_KEYS_H

/*
 * Which backend has the session of a key. A client cancels a query
 * over a connection of its own that names the session's key and nothing else;
 * sent to another backend it would be ignored. Where the key cannot be seen,
 * for TLS passes through, a session is remembered by its client's address
 * instead, of which there may be several on several backends. All workers
 * share one table, which is locked for a moment at log-in, at the end of a
 * session, and by a cancel request; how many it knows makes no difference.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"
#include "net/addr.h"
#include "protocol/cancel_key.h"

struct cancel_keys;

/*
 * Room for @sessions_max keys. @seed is to be a secret: who could choose keys
 * or addresses that collide could make every look-up slow. Returns NULL
 * without memory.
 */
MUST_CHECK struct cancel_keys *cancel_keys_create(unsigned sessions_max, uint64_t seed);
/* Accepts NULL. */
void cancel_keys_destroy(struct cancel_keys *cancels);

/* Keys are told apart by their hash. */
uint64_t cancel_keys_hash(const struct cancel_keys *cancels, const struct cancel_key *key);
/* So are clients of the listener with this index; 0 when the address tells nobody apart. */
uint64_t cancel_keys_hash_client(const struct cancel_keys *cancels, const struct addr *client,
				 size_t listener);

/* Remembers where a session of @hash is, until cancel_keys_forget(). */
void cancel_keys_remember(struct cancel_keys *cancels, uint64_t hash, struct pool *pool,
			  struct backend *backend);
void cancel_keys_forget(struct cancel_keys *cancels, uint64_t hash, const struct backend *backend);

/*
 * Gives the id of a backend that has sessions of @hash, the next behind
 * @after, which is 0 for the first and may have been forgotten. False when
 * there is none.
 */
MUST_CHECK bool cancel_keys_find(struct cancel_keys *cancels, uint64_t hash, uint64_t after,
				 struct pool **ret_pool, uint64_t *ret_backend);

#endif
