/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/balancer.h"

#include "balance/tournament.h"

uint32_t tournament_first_untried(struct tournament *t, const struct pool_ask *ask)
{
	unsigned __int128 scores[POOL_TRIES_MAX];
	uint32_t tried[POOL_TRIES_MAX], first;
	unsigned n = 0;

	while ((first = tournament_first(t)) != TOURNAMENT_NOBODY && n < POOL_TRIES_MAX &&
	       ask_has_tried(ask, first)) {
		tried[n] = first;
		scores[n++] = tournament_score(t, first);
		tournament_remove(t, first);
	}
	while (n-- > 0)
		tournament_put(t, tried[n], scores[n]);
	return first;
}
