/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_STICK_H
#define BALANCE_STICK_H

/*
 * Which backend a client was on, for balancers that do not say so by a hash.
 * An entry is held by each session of its client, and does not expire while
 * there is one; its time runs from the end of the last. At most so many
 * clients are remembered: those that have sessions, and then those whose
 * sessions ended last. Memory: see lru_table.h. Thread-safe.
 *
 *	id = stick_find(stick, key, now_ms);
 *	b = id != 0 ? pool_take(pool, id) : NULL;
 *	if (!b)
 *		why = pool_pick_or_wait(pool, &waiter, now_ms);
 *	... connected: ...
 *	s->sticky = stick_hold(stick, key, b->id, now_ms);
 *	... closed: ...
 *	stick_release(stick, s->sticky, now_ms);
 */

#include <stdint.h>

#include "balance/lru_tables.h"
#include "base/def.h"

struct stick;

/* Gives NULL without memory. @seed should be a secret, see lru_table.h. */
MUST_CHECK struct stick *stick_create(uint32_t clients_max, uint64_t ttl_ms, uint64_t seed);
void stick_destroy(struct stick *stick);

/*
 * Another number of clients, and another time, from now on. What that needs is
 * made before: 0, -ENOMEM, or -ENOSPC while sessions hold so many tables of
 * other sizes that there is no room for one more. Clients that are remembered
 * are found as before for their time.
 */
MUST_CHECK int stick_prepare(struct stick *stick, uint32_t clients_max,
			     struct lru_fresh *ret_fresh);
/* Takes @fresh, of stick_prepare(). */
void stick_change(struct stick *stick, uint64_t ttl_ms, struct lru_fresh *fresh, uint64_t now_ms);

/* The key of a name (SNI) or any other bytes. That of an address: lru_key_from_addr(). */
struct lru_key stick_key(const struct stick *stick, const void *bytes, size_t n);

/*
 * The id of the backend the client is or was on last, which the pool may have
 * no more; 0 when none is known.
 */
uint64_t stick_find(struct stick *stick, struct lru_key key, uint64_t now_ms);

/*
 * A session of the client goes on with this backend. Gives a number for
 * stick_release(); LRU_NONE, which it accepts too, when there is no room.
 */
MUST_CHECK uint32_t stick_hold(struct stick *stick, struct lru_key key, uint64_t backend,
			       uint64_t now_ms);
void stick_release(struct stick *stick, uint32_t number, uint64_t now_ms);

#endif
