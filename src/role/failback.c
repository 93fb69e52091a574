/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/failback.h"

void failback_init(struct failback *f, const struct failback_config *config,
		   struct failback_member *members)
{
	*f = (struct failback){ .config = *config, .members = members, .holder = FAILBACK_NOBODY };
}

static bool is_let_back(const struct failback *f, const struct failback_member *m, uint64_t now_ms)
{
	switch (f->config.policy) {
	case FAILBACK_YES:
		return true;
	case FAILBACK_AFTER:
		return now_ms - m->claims_since_ms >= f->config.after_ms;
	default:
		return false;
	}
}

bool failback_admits(struct failback *f, uint16_t n, bool is_promoted, uint64_t now_ms)
{
	struct failback_member *m = &f->members[n];

	if (m->claims_since_ms == 0)
		m->claims_since_ms = now_ms > 0 ? now_ms : 1;
	if (m->is_replaced && !is_promoted && !is_let_back(f, m, now_ms))
		return false;
	m->is_replaced = false;
	if (f->holder != FAILBACK_NOBODY && f->holder != n)
		f->members[f->holder].is_replaced = true;
	f->holder = n;
	return true;
}

void failback_note_replica(struct failback *f, uint16_t n)
{
	f->members[n] = (struct failback_member){ 0 };
}

void failback_note_silence(struct failback *f, uint16_t n)
{
	f->members[n].claims_since_ms = 0;
}

void failback_allow(struct failback *f, uint16_t n)
{
	f->members[n].is_replaced = false;
}
