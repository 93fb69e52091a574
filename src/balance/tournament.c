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
	t->top = t->leaves;
	return 0;
}

void tournament_finish(struct tournament *t)
{
	free(t->nodes);
	*t = (struct tournament){ 0 };
}

/* Moves the top up until @index is below it: those above show the same, as nobody else is there. */
static void widen(struct tournament *t, uint32_t index)
{
	DCHECK(index < t->leaves);
	while (index >= t->leaves / t->top) {
		t->nodes[t->top / 2] = t->nodes[t->top];
		t->top /= 2;
	}
}

/* With @entry as its new leaf, @index plays its way up. */
static void play(struct tournament *t, uint32_t index, unsigned __int128 entry)
{
	size_t at = t->leaves + index;

	t->nodes[at] = entry;
	while (at > t->top) {
		unsigned __int128 rival = t->nodes[at ^ 1];

		entry = MIN(rival, entry);
		at /= 2;
		t->nodes[at] = entry;
	}
}

void tournament_put(struct tournament *t, uint32_t index, unsigned __int128 score)
{
	DCHECK(score >> TOURNAMENT_SCORE_BITS == 0);
	widen(t, index);
	play(t, index, score << TOURNAMENT_INDEX_BITS | index);
}

void tournament_remove(struct tournament *t, uint32_t index)
{
	if (tournament_has(t, index))
		play(t, index, NOBODY);
}

uint32_t tournament_first(const struct tournament *t)
{
	unsigned __int128 top = t->nodes[t->top];

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
