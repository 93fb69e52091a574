/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_SESSION_RATES_H
#define ADMIN_SESSION_RATES_H

/*
 * How fast sessions move bytes, by two walks over them: what the first one
 * finds is noted, what the second one finds is compared with that.
 */

#include <stddef.h>
#include <stdint.h>

#include "state/query.h"

/* Sessions that are remembered in between; those of more have no rates. */
#define SESSION_MARKS_MAX (256u << 10)

/* A session at the first walk. */
struct session_mark {
	uint64_t id, age_ms;
	uint64_t bytes[LANES];
};

struct session_rates {
	struct session_mark *marks;
	size_t n, room;
};

/* Of zeroes to begin with. */
void session_rates_finish(struct session_rates *rates);

void session_rates_note(struct session_rates *rates, const struct session_facts *facts);
/* The first walk is over. */
void session_rates_sort(struct session_rates *rates);
/* Fills in facts->rates. @since_ms: how long ago the first walk began, at least. */
void session_rates_fill(const struct session_rates *rates, struct session_facts *facts,
			uint64_t since_ms);

#endif
