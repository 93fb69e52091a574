/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/session_rates.h"

#include <stdlib.h>

#include "base/def.h"

void session_rates_finish(struct session_rates *r)
{
	free(r->marks);
	*r = (struct session_rates){ 0 };
}

void session_rates_note(struct session_rates *r, const struct session_facts *facts)
{
	if (r->n == r->room) {
		size_t room = MAX(r->room * 2, 1024);
		void *marks = room > SESSION_MARKS_MAX
				      ? NULL
				      : realloc(r->marks, room * sizeof(*r->marks));

		if (!marks)
			return;
		r->marks = marks;
		r->room = room;
	}
	r->marks[r->n++] = (struct session_mark){
		.id = facts->id,
		.age_ms = facts->age_ms,
		.bytes = { facts->bytes[LANE_UP], facts->bytes[LANE_DOWN] },
	};
}

static int compare_marks(const void *a, const void *b)
{
	uint64_t x = ((const struct session_mark *)a)->id, y = ((const struct session_mark *)b)->id;

	return x < y ? -1 : x > y ? 1 : 0;
}

void session_rates_sort(struct session_rates *r)
{
	if (r->n > 0)
		qsort(r->marks, r->n, sizeof(*r->marks), compare_marks);
}

/* Of one that has begun since the first walk, since then; of one that found no room, none. */
void session_rates_fill(const struct session_rates *r, struct session_facts *facts,
			uint64_t since_ms)
{
	const struct session_mark wanted = { .id = facts->id }, unknown = { 0 };
	const struct session_mark *mark = NULL;
	uint64_t ms;

	if (r->n > 0)
		mark = bsearch(&wanted, r->marks, r->n, sizeof(*mark), compare_marks);
	if (!mark && facts->age_ms > since_ms)
		return;
	mark = mark ? mark : &unknown;
	ms = MAX(facts->age_ms - MIN(facts->age_ms, mark->age_ms), 1);
	for (int n = 0; n < LANES; n++)
		facts->rates[n] = (facts->bytes[n] - mark->bytes[n]) * 1000 / ms;
}
