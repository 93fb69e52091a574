/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_evidence.h"

void role_evidence_note(struct role_evidence *e, const struct check_facts *facts, uint64_t now_ms)
{
	if (facts->verdict == CHECK_PASSED && facts->role != CHECK_ROLE_UNKNOWN) {
		e->is_there = true;
		e->facts = *facts;
		e->confirmed_ms = now_ms;
	}
	if (facts->verdict == CHECK_FULL || facts->verdict == CHECK_OWN_FAULT)
		e->confirmed_ms = now_ms;
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
