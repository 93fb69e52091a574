/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Weighted least connections: who would have the fewest sessions for its
 * weight, the new one counted in. Sessions that are still connecting are
 * counted already, so a burst does not all go to the same one; and one that
 * fails does not attract them by having none. Equal ones take turns.
 */

#include "balance/balancer.h"

#include "balance/minima.h"

#include <stdlib.h>

/* Sessions for each unit of weight, in fixed point. */
#define SCORE_SHIFT 30

struct leastconn {
	struct balancer balancer;
	unsigned last;        /* who was picked last */
	struct minima scores; /* none for who is not in */
};

static struct leastconn *leastconn_of(struct balancer *b)
{
	return container_of(b, struct leastconn, balancer);
}

static struct balancer *leastconn_create(const struct balancer_setup *setup)
{
	struct leastconn *lc = calloc(1, sizeof(*lc));

	if (!lc)
		return NULL;
	if (minima_init(&lc->scores, setup->n) < 0) {
		free(lc);
		return NULL;
	}
	lc->last = setup->n > 0 ? (unsigned)setup->n - 1 : 0;
	return &lc->balancer;
}

static void leastconn_destroy(struct balancer *b)
{
	struct leastconn *lc = leastconn_of(b);

	minima_free(&lc->scores);
	free(lc);
}

static void leastconn_on_load(struct balancer *b, unsigned index)
{
	const struct backend_load *l = &b->loads[index];

	minima_set(&leastconn_of(b)->scores, index,
		   ((backend_load_sessions(l) + 1) << SCORE_SHIFT) / l->weight);
}

static void leastconn_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	leastconn_on_load(b, index);
}

static void leastconn_leave(struct balancer *b, unsigned index)
{
	minima_set(&leastconn_of(b)->scores, index, MINIMA_NONE);
}

/* The first of the least after who was picked last; or -1. */
static int least(const struct leastconn *lc)
{
	const struct minima *scores = &lc->scores;
	uint64_t score = minima_least(scores);
	size_t index;

	if (score == MINIMA_NONE)
		return -1;
	index = minima_below(scores, lc->last + 1, score + 1);
	return (int)(index < scores->n ? index : minima_below(scores, 0, score + 1));
}

static int leastconn_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct leastconn *lc = leastconn_of(b);
	uint64_t tried[POOL_TRIES_MAX];
	int best;

	for (unsigned i = 0; i < ask->tried_n; i++) {
		tried[i] = lc->scores.values[ask->tried[i]];
		minima_set(&lc->scores, ask->tried[i], MINIMA_NONE);
	}
	best = least(lc);
	for (unsigned i = 0; i < ask->tried_n; i++)
		minima_set(&lc->scores, ask->tried[i], tried[i]);
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
