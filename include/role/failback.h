/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_FAILBACK_H
#define ROLE_FAILBACK_H

/*
 * A primary that was replaced and comes back as primary: by mistake, most
 * likely, for it was started again as it was. Is it written to?
 *
 * It is when somebody has promoted it since: it was seen as a replica, or it
 * is on a timeline that is newer than any before. Else as the operator wants:
 * never, always, or once it has claimed so for a while and nobody else did.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

#define FAILBACK_NOBODY UINT16_MAX

enum failback_policy { FAILBACK_YES, FAILBACK_NO, FAILBACK_AFTER };

struct failback_config {
	enum failback_policy policy;
	uint64_t after_ms; /* of FAILBACK_AFTER */
};

/* Of one server, zeroed at first. */
struct failback_member {
	bool is_replaced; /* another one was primary after it, and nobody has promoted it since */
	uint64_t claims_since_ms; /* 0: it does not */
};

/* Of a pool. */
struct failback {
	struct failback_config config;
	struct failback_member *members;
	uint16_t holder; /* who is primary, or was last; FAILBACK_NOBODY */
};

/* Keeps @members, which are zeroed. */
void failback_init(struct failback *f, const struct failback_config *config,
		   struct failback_member *members);

/*
 * Server @n claims to be primary, and nobody contradicts. Is it written to?
 * @is_promoted: it can be seen that this is newer than what was before.
 */
MUST_CHECK bool failback_admits(struct failback *f, uint16_t n, bool is_promoted, uint64_t now_ms);

/* It was seen as a replica; or it claims nothing any more. */
void failback_note_replica(struct failback *f, uint16_t n);
void failback_note_silence(struct failback *f, uint16_t n);

/* The operator lets it. */
void failback_allow(struct failback *f, uint16_t n);

#endif
