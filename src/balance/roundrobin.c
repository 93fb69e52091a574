/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Smooth weighted round robin in O(log n): in any run of picks no backend is
 * ever a whole session away from the share its weight asks for, and after as
 * many picks as the weights add up to each has had exactly its weight.
 *
 * Virtual time passes at 1/W for each pick, W being the sum of weights. A
 * backend of weight w has its k-th turn between k/w and (k+1)/w: it may not
 * be picked before the window opens, and of those whose window is open the
 * one whose window closes first is picked. That this keeps every window is
 * Tijdeman's theorem (The chairman assignment problem, Discrete Mathematics
 * 32, 1980); schedulers know it as EEVDF.
 *
 * Two tournaments: `open` has the windows that are open, by the time they
 * close, `ahead` the others, by the time they open. Each pick moves one there
 * and one back, on average: windows that open at the same time are moved by
 * one pick.
 */

#include "balance/balancer.h"

#include "balance/tournament.h"

#include <stdlib.h>

/*
 * One unit of weight owns one turn in this much virtual time. Large against
 * the product of the largest weight (2^16) and sum of weights (2^32), so that
 * two different fractions of it never round to one. Time itself has 128 bits,
 * of which no life of a process uses more than a tournament's score has.
 */
#define CYCLE (1ull << 48)

/* A time that advances by CYCLE / weight at a step and never rounds off for good. */
struct pace {
	uint64_t step;
	uint64_t rest; /* of CYCLE, in weight-ths of a step */
	uint64_t owed; /* rests not yet paid out, below weight */
	uint64_t weight;
};

struct turn {
	unsigned __int128 opens;
	unsigned __int128 closes;
	struct pace pace;
};

struct roundrobin {
	struct balancer balancer;
	unsigned __int128 now;
	struct pace pace; /* of `now`; its weight is that of all who are in */
	struct tournament open;
	struct tournament ahead;
	struct turn *turns;
};

static struct roundrobin *roundrobin_of(struct balancer *b)
{
	return container_of(b, struct roundrobin, balancer);
}

static void pace_set(struct pace *pace, uint64_t weight)
{
	pace->weight = weight;
	pace->owed = 0;
	pace->step = weight ? CYCLE / weight : 0;
	pace->rest = weight ? CYCLE % weight : 0;
}

static uint64_t pace_next(struct pace *pace)
{
	pace->owed += pace->rest;
	if (pace->owed < pace->weight)
		return pace->step;
	pace->owed -= pace->weight;
	return pace->step + 1;
}

static void roundrobin_destroy(struct balancer *b)
{
	struct roundrobin *rr = roundrobin_of(b);

	tournament_finish(&rr->open);
	tournament_finish(&rr->ahead);
	free(rr->turns);
	free(rr);
}

static struct balancer *roundrobin_create(const struct pool_config *config, const unsigned *weights)
{
	struct roundrobin *rr = calloc(1, sizeof(*rr));

	(void)weights;
	if (!rr)
		return NULL;
	rr->turns = calloc(config->backends_n + 1, sizeof(*rr->turns));
	if (!rr->turns || tournament_init(&rr->open, (uint32_t)config->backends_n) < 0 ||
	    tournament_init(&rr->ahead, (uint32_t)config->backends_n) < 0) {
		roundrobin_destroy(&rr->balancer);
		return NULL;
	}
	return &rr->balancer;
}

/* The one whose turn is @turn waits where it belongs now. */
static void wait_for_turn(struct roundrobin *rr, unsigned index)
{
	const struct turn *turn = &rr->turns[index];

	if (turn->opens > rr->now)
		tournament_move(&rr->open, &rr->ahead, index, turn->opens);
	else
		tournament_move(&rr->ahead, &rr->open, index, turn->closes);
}

static void stop_waiting(struct roundrobin *rr, unsigned index)
{
	tournament_remove(&rr->open, index);
	tournament_remove(&rr->ahead, index);
}

/*
 * Who comes back does not make up for what it missed; but who has had its
 * turn early, and only left because it was full, still waits for the next.
 */
static void roundrobin_join(struct balancer *b, unsigned index)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct turn *turn = &rr->turns[index];

	if (turn->opens < rr->now || turn->opens > rr->now + CYCLE)
		turn->opens = rr->now;
	pace_set(&turn->pace, b->candidates[index].weight);
	turn->closes = turn->opens + pace_next(&turn->pace);
	pace_set(&rr->pace, rr->pace.weight + turn->pace.weight);
	wait_for_turn(rr, index);
}

static void roundrobin_leave(struct balancer *b, unsigned index)
{
	struct roundrobin *rr = roundrobin_of(b);

	stop_waiting(rr, index);
	pace_set(&rr->pace, rr->pace.weight - rr->turns[index].pace.weight);
}

/* A turn that is not open yet moves nearer as the weight grows. */
static void roundrobin_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct turn *turn = &rr->turns[index];
	uint32_t weight = b->candidates[index].weight;

	roundrobin_leave(b, index);
	if (turn->opens > rr->now)
		turn->opens = rr->now + (turn->opens - rr->now) / weight * before;
	roundrobin_join(b, index);
}

static void open_windows(struct roundrobin *rr)
{
	uint32_t index;

	while ((index = tournament_first(&rr->ahead)) != TOURNAMENT_NOBODY &&
	       rr->turns[index].opens <= rr->now)
		wait_for_turn(rr, index);
}

static int roundrobin_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct turn *turn;
	uint32_t index;

	open_windows(rr);
	index = tournament_first_untried(&rr->open, ask);
	if (index == TOURNAMENT_NOBODY) {
		index = tournament_first_untried(&rr->ahead, ask);
		if (index == TOURNAMENT_NOBODY)
			return -1;
		/* Those with an open window left: go on with who comes next. */
		if (tournament_first(&rr->open) == TOURNAMENT_NOBODY)
			rr->now = rr->turns[index].opens;
	}

	turn = &rr->turns[index];
	turn->opens = turn->closes;
	turn->closes += pace_next(&turn->pace);
	rr->now += pace_next(&rr->pace);
	wait_for_turn(rr, index);
	return (int)index;
}

const struct balancer_ops roundrobin_ops = {
	.name = "roundrobin",
	.create = roundrobin_create,
	.destroy = roundrobin_destroy,
	.join = roundrobin_join,
	.leave = roundrobin_leave,
	.on_weight = roundrobin_on_weight,
	.pick = roundrobin_pick,
};
