/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Weighted least connections: who would have the fewest sessions for its
 * weight, the new one counted in. Sessions that are still connecting have
 * their place already, so a burst does not all go to the same one. Of equal
 * ones, who was picked longest ago.
 */

#include "balance/balancer.h"

#include "balance/tournament.h"

#include <assert.h>
#include <stdlib.h>

struct leastconn {
	struct balancer balancer;
	struct tournament loads;
	uint64_t picks;
	uint64_t *picked; /* by index: at which pick last */
};

/* Sessions for each unit of weight, in fixed point: fits for 2^32 sessions. */
#define LOAD_SHIFT 30
/* A score: the load, and as its lower bits the number of the last pick. */
#define PICKS_BITS 48

static_assert(32 + LOAD_SHIFT + PICKS_BITS <= TOURNAMENT_SCORE_BITS, "a score holds both");

static struct leastconn *leastconn_of(struct balancer *b)
{
	return container_of(b, struct leastconn, balancer);
}

static void leastconn_destroy(struct balancer *b)
{
	struct leastconn *lc = leastconn_of(b);

	tournament_finish(&lc->loads);
	free(lc->picked);
	free(lc);
}

static struct balancer *leastconn_create(const struct pool_config *config, const unsigned *weights)
{
	struct leastconn *lc = calloc(1, sizeof(*lc));

	(void)weights;
	if (!lc)
		return NULL;
	lc->picked = calloc(config->backends_n + 1, sizeof(*lc->picked));
	if (!lc->picked || tournament_init(&lc->loads, (uint32_t)config->backends_n) < 0) {
		leastconn_destroy(&lc->balancer);
		return NULL;
	}
	return &lc->balancer;
}

static void leastconn_place(struct balancer *b, unsigned index)
{
	struct leastconn *lc = leastconn_of(b);
	const struct candidate *c = &b->candidates[index];
	uint64_t load = (((uint64_t)c->sessions + 1) << LOAD_SHIFT) / c->weight;

	tournament_put(&lc->loads, index,
		       (unsigned __int128)load << PICKS_BITS | lc->picked[index]);
}

static void leastconn_leave(struct balancer *b, unsigned index)
{
	tournament_remove(&leastconn_of(b)->loads, index);
}

static void leastconn_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	leastconn_place(b, index);
}

/* Those who were tried leave while the others are asked. */
static uint32_t first_untried(struct tournament *t, const struct pool_ask *ask)
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

/* It goes to its new place when its new session is counted, at once after this. */
static int leastconn_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct leastconn *lc = leastconn_of(b);
	uint32_t index = first_untried(&lc->loads, ask);

	if (index == TOURNAMENT_NOBODY)
		return -1;
	lc->picked[index] = ++lc->picks;
	return (int)index;
}

const struct balancer_ops leastconn_ops = {
	.name = "leastconn",
	.create = leastconn_create,
	.destroy = leastconn_destroy,
	.join = leastconn_place,
	.leave = leastconn_leave,
	.on_load = leastconn_place,
	.on_weight = leastconn_on_weight,
	.pick = leastconn_pick,
};
