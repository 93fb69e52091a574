/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/replica_lag.h"

void replica_lag_note_primary(struct replica_lag *lag, size_t primary,
			      const struct check_facts *facts)
{
	const bool is_new = !lag->is_known || primary == lag->primary ||
			    facts->system_id != lag->system_id || facts->timeline != lag->timeline;

	if (!facts->has_position)
		return;
	*lag = (struct replica_lag){
		.is_known = true,
		.system_id = facts->system_id,
		.timeline = facts->timeline,
		.primary = primary,
		/* What another timeline had come to is no measure for this one. */
		.position = is_new ? facts->position : MAX(lag->position, facts->position),
	};
}

bool replica_lag_bytes(const struct replica_lag *lag, const struct check_facts *facts,
		       uint64_t *ret_bytes)
{
	if (!lag->is_known || !facts->has_position || facts->system_id != lag->system_id)
		return false;
	if (facts->timeline != 0 && lag->timeline != 0 && facts->timeline < lag->timeline)
		return false;
	*ret_bytes = lag->position - MIN(facts->position, lag->position);
	return true;
}
