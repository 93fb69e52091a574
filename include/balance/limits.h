/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_LIMITS_H
#define BALANCE_LIMITS_H

/*
 * How many sessions may there be, and how fast may they come, from one source
 * (a block of addresses)? Counted for the whole process; everything here is
 * thread-safe. Time is an argument.
 *
 * Sources live in a table of fixed size (memory: see lru_table.h; 100 000 sources
 * are 5.1 MiB). One with a session stays in it, so its count is never
 * forgotten. Of the others the one not seen for longest makes room: that is
 * the one whose bucket has had most time to fill up, so that a fresh start
 * gives it least. When all have sessions, who is new is told LIMITS_TABLE_FULL;
 * with at least as many sources as sessions that does not happen.
 */

#include <stdint.h>

#include "balance/lru_table.h"
#include "balance/lru_tables.h"
#include "base/bucket.h"
#include "base/def.h"
#include "net/addr.h"

enum limits_answer {
	LIMITS_FINE,
	LIMITS_SESSIONS,   /* has as many sessions as it may */
	LIMITS_RATE,       /* comes too often */
	LIMITS_TABLE_FULL, /* no room to count one more source */
	LIMITS_ANSWERS,
};

struct limits_config {
	uint32_t sources_max;
	unsigned bits4, bits6;       /* of an address that make a source: 32 and 64, 24 and 48 */
	unsigned sessions_max;       /* of one source; 0: no limit */
	struct bucket_rate sessions; /* new ones of one source */
};

struct limits;

/* Gives NULL without memory. @seed should be a secret, see lru_table.h. */
MUST_CHECK struct limits *limits_create(const struct limits_config *config, uint64_t seed);
/* Accepts NULL. */
void limits_destroy(struct limits *limits);

/*
 * Other limits from now on, as @config says. What they need is made before: 0,
 * -ENOMEM, or -ENOSPC while sessions hold so many tables, of other sizes or
 * other sources, that there is no room for one more.
 *
 * Sessions that there are count on, unless something else makes a source now: then
 * none is counted of before.
 */
MUST_CHECK int limits_prepare(struct limits *limits, const struct limits_config *config,
			      uint64_t seed, struct lru_fresh *ret_fresh);
/* Takes @fresh, of limits_prepare(). */
void limits_change(struct limits *limits, const struct limits_config *config,
		   struct lru_fresh *fresh);

/*
 * May @source have another session? If so it is counted, until
 * limits_leave() with the number in *ret_number. A unix socket has no source
 * and is never limited.
 */
MUST_CHECK enum limits_answer limits_enter(struct limits *limits, const struct addr *source,
					   uint64_t now_ns, uint32_t *ret_number);
void limits_leave(struct limits *limits, uint32_t number);

#endif
