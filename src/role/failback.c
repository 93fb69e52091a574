/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/failback.h"

void failback_init(struct failback *f, const struct failback_config *config,
		   struct failback_member *members)
{
	*f = (struct failback){ .config = *config, .members = members };
}

void failback_note_claim(struct failback *f, uint16_t n, uint64_t now_ms)
{
	struct failback_member *m = &f->members[n];

	if (m->claims_since_ms == 0)
		m->claims_since_ms = now_ms > 0 ? now_ms : 1;
}

void failback_note_silence(struct failback *f, uint16_t n)
{
	f->members[n].claims_since_ms = 0;
}

void failback_note_replica(struct failback *f, uint16_t n)
{
	f->members[n] = (struct failback_member){ 0 };
}

bool failback_lets(const struct failback *f, uint16_t n, uint64_t now_ms)
{
	const uint64_t since_ms = f->members[n].claims_since_ms;

	switch (f->config.policy) {
	case FAILBACK_YES:
		return true;
	case FAILBACK_AFTER:
		return since_ms > 0 && now_ms - since_ms >= f->config.after_ms;
	default:
		return !f->members[n].is_replaced;
	}
}

void failback_note_primary(struct failback *f, uint16_t n)
{
	f->members[n].is_replaced = false;
	f->members[n].was_primary = true;
}

void failback_note_other(struct failback *f, uint16_t n)
{
	f->members[n].is_replaced |= f->members[n].was_primary;
	f->members[n].was_primary = false;
}

void failback_allow(struct failback *f, uint16_t n)
{
	f->members[n].is_replaced = false;
}

void failback_forbid(struct failback *f, uint16_t n)
{
	f->members[n].is_replaced = true;
}
