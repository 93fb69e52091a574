/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_TOURNAMENT_H
#define BALANCE_TOURNAMENT_H

/*
 * Which of many backends has the least score? A complete binary tree with a
 * leaf for each; every node above shows the lesser of the two below it, so
 * that the top shows the least of all (Knuth, The Art of Computer Programming
 * 3, 5.2.3: tree selection). Whoever changes plays its way up again, in
 * O(log n). It always takes the same places, without a branch that cannot be
 * foretold or a load that waits for another: that is why a thousand leaves
 * cost little more than three. Memory is allocated once, for all of them; low
 * indices play in a smaller tree as long as no higher one was ever in.
 *
 * Of equal scores the lower index comes first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

#define TOURNAMENT_NOBODY UINT32_MAX
#define TOURNAMENT_INDEX_BITS 16
/* Scores are below 2 to this. */
#define TOURNAMENT_SCORE_BITS 111

struct tournament {
	/*
	 * Below nodes[i] are nodes[2i] and nodes[2i + 1]. Each has a score and,
	 * as its lowest bits, whose it is: one number.
	 */
	unsigned __int128 *nodes;
	uint32_t leaves; /* the last so many nodes */
	uint32_t top;    /* the node above all leaves that were ever in use */
};

/* For indices 0 .. @n - 1, at most 65536 of them. Returns 0 or -ENOMEM. */
MUST_CHECK int tournament_init(struct tournament *t, uint32_t n);
/* Accepts a tournament of zeroes. */
void tournament_finish(struct tournament *t);

/* Puts @index in, or changes its score when it is in already. */
void tournament_put(struct tournament *t, uint32_t index, unsigned __int128 score);
/* Takes an index out; harmless when it is not in. */
void tournament_remove(struct tournament *t, uint32_t index);

/* The first index, which stays in; TOURNAMENT_NOBODY when there is none. */
uint32_t tournament_first(const struct tournament *t);
/* The score of an index that is in. */
unsigned __int128 tournament_score(const struct tournament *t, uint32_t index);
bool tournament_has(const struct tournament *t, uint32_t index);

#endif
