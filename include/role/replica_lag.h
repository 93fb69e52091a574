/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_REPLICA_LAG_H
#define ROLE_REPLICA_LAG_H

/*
 * How far a replica is behind, in bytes of the stream of changes: behind the
 * highest position that any check saw from a primary. One that says itself that
 * it has come less far than it had is taken at its word, as Redis counts anew
 * when it is started again. (The time of the last change that it has is no
 * measure: it grows while the primary is idle.)
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "check/check_facts.h"

/* Of a pool, zeroed at first. */
struct replica_lag {
	bool is_known;
	uint64_t system_id;
	uint32_t timeline;
	size_t primary; /* which one it is of */
	uint64_t position;
};

/* A check of the primary that is written to, whose number is @primary. */
void replica_lag_note_primary(struct replica_lag *lag, size_t primary,
			      const struct check_facts *facts);

/*
 * False: not known. No primary was seen yet, it is another database, or the
 * replica has not followed the newest promotion.
 */
MUST_CHECK bool replica_lag_bytes(const struct replica_lag *lag, const struct check_facts *facts,
				  uint64_t *ret_bytes);

#endif
