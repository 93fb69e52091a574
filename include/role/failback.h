/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_FAILBACK_H
#define ROLE_FAILBACK_H

/*
 * A primary that was replaced and comes back as primary: by mistake, most
 * likely, for it was started again as it was. Is it written to?
 *
 * Not while there is one that was not replaced: that one serves on, whatever
 * the other says. It is when somebody has promoted it since: it was seen as a
 * replica, or is on a timeline that is newer than any before. Else as the
 * operator wants: never, always, or once it alone has claimed so for a while.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

enum failback_policy { FAILBACK_YES, FAILBACK_NO, FAILBACK_AFTER };

struct failback_config {
	enum failback_policy policy;
	uint64_t after_ms; /* of FAILBACK_AFTER */
};

/* Of one server, zeroed at first. */
struct failback_member {
	bool was_primary; /* the last that was, or one of several names of it */
	bool is_replaced; /* another one was primary after it, and nobody has promoted it since */
	uint64_t claims_since_ms; /* and nobody else did who was not replaced; 0: it does not */
};

/* Of a pool. */
struct failback {
	struct failback_config config;
	struct failback_member *members;
};

/* Keeps @members, which are zeroed. */
void failback_init(struct failback *f, const struct failback_config *config,
		   struct failback_member *members);

/* Server @n claims to be primary; it does not, or not alone; it was seen as a replica. */
void failback_note_claim(struct failback *f, uint16_t n, uint64_t now_ms);
void failback_note_silence(struct failback *f, uint16_t n);
void failback_note_replica(struct failback *f, uint16_t n);

/* Server @n was replaced, and all that claim to be primary were: may it be? */
MUST_CHECK bool failback_lets(const struct failback *f, uint16_t n, uint64_t now_ms);

/* It is written to; or another one is. */
void failback_note_primary(struct failback *f, uint16_t n);
void failback_note_other(struct failback *f, uint16_t n);

/* The operator lets it, or has let another one. */
void failback_allow(struct failback *f, uint16_t n);
void failback_forbid(struct failback *f, uint16_t n);

#endif
