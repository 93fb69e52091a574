/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/tournament.h"

#include "base/check.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the place of one that is not in: loses against all who are. */
#define NOBODY (~(unsigned __int128)0)

static_assert(TOURNAMENT_SCORE_BITS + TOURNAMENT_INDEX_BITS < 128, "nobody's score is the highest");

int tournament_init(struct tournament *t, uint32_t n)
{
	CHECK(n <= 1u << TOURNAMENT_INDEX_BITS);
	t->leaves = 1;
	while (t->leaves < n)
		t->leaves *= 2;
	t->nodes = malloc(2ul * t->leaves * sizeof(*t->nodes));
	if (!t->nodes)
		return -ENOMEM;
	memset(t->nodes, 0xff, 2ul * t->leaves * sizeof(*t->nodes));
	return 0;
}

void tournament_finish(struct tournament *t)
{
	free(t->nodes);
	*t = (struct tournament){ 0 };
}

/* With @entry as its new leaf, @index plays its way up. */
static void play(struct tournament *t, uint32_t index, unsigned __int128 entry)
{
	size_t at = t->leaves + index;

	DCHECK(index < t->leaves);
	t->nodes[at] = entry;
	while (at > 1) {
		unsigned __int128 rival = t->nodes[at ^ 1];

		entry = MIN(rival, entry);
		at /= 2;
		t->nodes[at] = entry;
	}
}

void tournament_put(struct tournament *t, uint32_t index, unsigned __int128 score)
{
	DCHECK(score >> TOURNAMENT_SCORE_BITS == 0);
	play(t, index, score << TOURNAMENT_INDEX_BITS | index);
}

void tournament_remove(struct tournament *t, uint32_t index)
{
	if (tournament_has(t, index))
		play(t, index, NOBODY);
}

/* Two ways up in one: the places are the same in both. */
void tournament_move(struct tournament *from, struct tournament *to, uint32_t index,
		     unsigned __int128 score)
{
	unsigned __int128 left = NOBODY, entry = score << TOURNAMENT_INDEX_BITS | index;
	size_t at = to->leaves + index;

	DCHECK(from->leaves == to->leaves);
	DCHECK(index < to->leaves);
	DCHECK(score >> TOURNAMENT_SCORE_BITS == 0);
	from->nodes[at] = left;
	to->nodes[at] = entry;
	while (at > 1) {
		unsigned __int128 left_rival = from->nodes[at ^ 1], rival = to->nodes[at ^ 1];

		left = MIN(left_rival, left);
		entry = MIN(rival, entry);
		at /= 2;
		from->nodes[at] = left;
		to->nodes[at] = entry;
	}
}

uint32_t tournament_first(const struct tournament *t)
{
	unsigned __int128 top = t->nodes[1];

	return top == NOBODY ? TOURNAMENT_NOBODY
			     : (uint32_t)top & ((1u << TOURNAMENT_INDEX_BITS) - 1);
}

unsigned __int128 tournament_score(const struct tournament *t, uint32_t index)
{
	DCHECK(tournament_has(t, index));
	return t->nodes[t->leaves + index] >> TOURNAMENT_INDEX_BITS;
}

bool tournament_has(const struct tournament *t, uint32_t index)
{
	return t->nodes[t->leaves + index] != NOBODY;
}
