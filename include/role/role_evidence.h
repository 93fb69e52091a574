/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_ROLE_EVIDENCE_H
#define ROLE_ROLE_EVIDENCE_H

/*
 * What is known of one server's role, and since when. It is evidence, not a
 * state: what no check has confirmed for a while is not known any more,
 * whatever it was before.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "check/check_facts.h"

/* Zeroed at first. */
struct role_evidence {
	bool is_there;
	bool is_assumed; /* since a check told it, one could not ask: it answers, and that is all */
	bool is_full;    /* it said so to the last check that it answered */
	bool is_doubted; /* since then it may have been started again, as whatever it is now */
	uint64_t told_ms;
	uint64_t confirmed_ms;    /* by this, or by an answer alone */
	struct check_facts facts; /* of the last check that told a role */
};

/*
 * A check has ended. One that passed and tells a role is evidence; one that
 * found the server full, or could not log in, confirms what was known: it
 * answers, so it is the same one still, unless that is in doubt. Others leave
 * it to age.
 */
void role_evidence_note(struct role_evidence *e, const struct check_facts *facts, uint64_t now_ms);

/* It was seen not to be there, or not to be ready: what is only assumed of it is known no more. */
void role_evidence_doubt(struct role_evidence *e);

/* It is down: whoever comes back has to say anew who it is. */
void role_evidence_clear(struct role_evidence *e);

/* The role, if it was confirmed within @age_max_ms. */
enum check_role role_evidence_of(const struct role_evidence *e, uint64_t age_max_ms,
				 uint64_t now_ms);

#endif
