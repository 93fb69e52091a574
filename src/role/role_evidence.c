/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_evidence.h"

static void assume(struct role_evidence *e, uint64_t now_ms)
{
	e->is_assumed = true;
	e->confirmed_ms = now_ms;
	if (e->is_doubted)
		role_evidence_clear(e);
}

void role_evidence_note(struct role_evidence *e, const struct check_facts *facts, uint64_t now_ms)
{
	switch (facts->verdict) {
	case CHECK_PASSED:
		if (facts->role != CHECK_ROLE_UNKNOWN)
			*e = (struct role_evidence){ .is_there = true,
						     .told_ms = now_ms,
						     .confirmed_ms = now_ms,
						     .facts = *facts };
		break;
	case CHECK_FULL:
	case CHECK_OWN_FAULT:
		assume(e, now_ms);
		e->is_full = facts->verdict == CHECK_FULL;
		break;
	default:
		if (!facts->is_silent)
			role_evidence_doubt(e);
	}
}

void role_evidence_doubt(struct role_evidence *e)
{
	e->is_doubted = true;
	if (e->is_assumed)
		role_evidence_clear(e);
}

void role_evidence_clear(struct role_evidence *e)
{
	*e = (struct role_evidence){ .is_there = false };
}

enum check_role role_evidence_of(const struct role_evidence *e, uint64_t age_max_ms,
				 uint64_t now_ms)
{
	if (!e->is_there || now_ms - e->confirmed_ms > age_max_ms)
		return CHECK_ROLE_UNKNOWN;
	return e->facts.role;
}
