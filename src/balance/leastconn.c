/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Weighted least connections: who would have the fewest sessions for its
 * weight, the new one counted in. Sessions that are still connecting are
 * counted already, so a burst does not all go to the same one; and one that
 * fails does not attract them by having none. Equal ones take turns.
 */

#include "balance/balancer.h"

#include <stdlib.h>

/* Sessions for each unit of weight, in fixed point. */
#define SCORE_SHIFT 30
#define NO_SCORE UINT64_MAX /* of who is not in */

struct leastconn {
	struct balancer balancer;
	unsigned last; /* who was picked last */
	uint64_t scores[];
};

static struct leastconn *leastconn_of(struct balancer *b)
{
	return container_of(b, struct leastconn, balancer);
}

static struct balancer *leastconn_create(const struct balancer_setup *setup)
{
	struct leastconn *lc = calloc(1, sizeof(*lc) + setup->n * sizeof(lc->scores[0]));

	if (!lc)
		return NULL;
	lc->last = setup->n > 0 ? (unsigned)setup->n - 1 : 0;
	for (size_t i = 0; i < setup->n; i++)
		lc->scores[i] = NO_SCORE;
	return &lc->balancer;
}

static void leastconn_destroy(struct balancer *b)
{
	free(leastconn_of(b));
}

static void leastconn_on_load(struct balancer *b, unsigned index)
{
	const struct backend_load *l = &b->loads[index];

	leastconn_of(b)->scores[index] =
		((backend_load_sessions(l) + 1) << SCORE_SHIFT) / l->weight;
}

static void leastconn_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	leastconn_on_load(b, index);
}

static void leastconn_leave(struct balancer *b, unsigned index)
{
	leastconn_of(b)->scores[index] = NO_SCORE;
}

/* The first of the least from @from to before @to, if it is less than that of @best; or @best. */
static int least(const struct leastconn *lc, size_t from, size_t to, int best)
{
	uint64_t score = best < 0 ? NO_SCORE : lc->scores[best];

	for (size_t i = from; i < to; i++) {
		best = lc->scores[i] < score ? (int)i : best;
		score = MIN(lc->scores[i], score);
	}
	return best;
}

static int leastconn_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct leastconn *lc = leastconn_of(b);
	uint64_t tried[POOL_TRIES_MAX];
	int best;

	for (unsigned i = 0; i < ask->tried_n; i++) {
		tried[i] = lc->scores[ask->tried[i]];
		lc->scores[ask->tried[i]] = NO_SCORE;
	}
	best = least(lc, lc->last + 1, b->n, -1);
	best = least(lc, 0, MIN(lc->last + 1, b->n), best);
	for (unsigned i = 0; i < ask->tried_n; i++)
		lc->scores[ask->tried[i]] = tried[i];
	if (best >= 0)
		lc->last = (unsigned)best;
	return best;
}

const struct balancer_ops leastconn_ops = {
	.name = "leastconn",
	.create = leastconn_create,
	.destroy = leastconn_destroy,
	.join = leastconn_on_load,
	.leave = leastconn_leave,
	.on_load = leastconn_on_load,
	.on_weight = leastconn_on_weight,
	.pick = leastconn_pick,
};
