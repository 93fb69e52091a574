/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Smooth weighted round robin: in any run of picks no backend is ever a whole
 * session away from the share its weight asks for, and after as many picks as
 * the weights add up to each has had exactly its weight.
 *
 * Virtual time passes at 1/W for each pick, W being the sum of weights. A
 * backend of weight w has its k-th turn between k/w and (k+1)/w: it may not
 * be picked before the window opens, and of those whose window is open the
 * one whose window closes first is picked. That this keeps every window is
 * Tijdeman's theorem (The chairman assignment problem, Discrete Mathematics
 * 32, 1980); schedulers know it as EEVDF.
 *
 * Windows of equal weight are equally long, so those who open first close
 * first: backends of one weight stand in a circle, and a pick takes its first
 * and puts it at the end. Only the circles are compared, in two tournaments:
 * `open` has those whose first window is open, by when it closes, `ahead` the
 * others, by when it opens. A pick costs O(log of the number of weights).
 *
 * Who leaves just after its turn has had more than its share, and the others
 * as much less. So it keeps its place and its part of W, asleep, until its
 * next turn comes: then all is even, and it goes. (Linux does the same since
 * 6.12 and calls it delayed dequeue.) Who is full for a moment thereby loses
 * and earns nothing, at no cost.
 */

#include "balance/balancer.h"

#include "balance/tournament.h"
#include "base/check.h"
#include "base/list.h"

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
	uint64_t weight;
	uint64_t step;
	uint64_t rest; /* of CYCLE, in weight-ths of a step */
};

/* The backends of one weight. */
struct circle {
	struct pace pace;
	struct list turns;  /* of who is in or asleep, by when they open */
	struct list *ahead; /* the first of those that were not open at the last look, or the end */
	uint32_t members;   /* backends of this weight, also those who are out */
};

struct turn {
	unsigned __int128 opens;
	unsigned __int128 closes;
	struct list node; /* in its circle, or alone when out */
	struct circle *circle;
	uint64_t owed; /* rests of its pace not yet paid out */
};

struct roundrobin {
	struct balancer balancer;
	unsigned __int128 now;
	struct pace pace; /* of `now`; its weight is that of all who are in or asleep */
	uint64_t owed;
	struct tournament open;
	struct tournament ahead;
	struct circle *circles;
	uint32_t circles_n; /* that were ever used; those without members may be used again */
	struct turn *turns; /* by index */
};

/* Turns that come first but may not be taken this time. */
struct aside {
	struct turn *turns[POOL_TRIES_MAX];
	unsigned n;
	bool has_open; /* one of them could have been picked */
};

static struct roundrobin *roundrobin_of(struct balancer *b)
{
	return container_of(b, struct roundrobin, balancer);
}

static struct turn *turn_of(struct list *node)
{
	return container_of(node, struct turn, node);
}

static unsigned index_of(const struct roundrobin *rr, const struct turn *turn)
{
	return (unsigned)(turn - rr->turns);
}

static void pace_set(struct pace *pace, uint64_t weight)
{
	pace->weight = weight;
	pace->step = weight ? CYCLE / weight : 0;
	pace->rest = weight ? CYCLE % weight : 0;
}

static uint64_t pace_next(const struct pace *pace, uint64_t *owed)
{
	*owed += pace->rest;
	if (*owed < pace->weight)
		return pace->step;
	*owed -= pace->weight;
	return pace->step + 1;
}

static void set_total(struct roundrobin *rr, uint64_t weight)
{
	pace_set(&rr->pace, weight);
	rr->owed = 0;
}

static void roundrobin_destroy(struct balancer *b)
{
	struct roundrobin *rr = roundrobin_of(b);

	tournament_finish(&rr->open);
	tournament_finish(&rr->ahead);
	free(rr->circles);
	free(rr->turns);
	free(rr);
}

static struct balancer *roundrobin_create(const struct pool_config *config, const unsigned *weights)
{
	struct roundrobin *rr = calloc(1, sizeof(*rr));
	size_t n = config->backends_n;

	(void)weights;
	if (!rr)
		return NULL;
	rr->circles = calloc(n + 1, sizeof(*rr->circles));
	rr->turns = calloc(n + 1, sizeof(*rr->turns));
	if (!rr->circles || !rr->turns || tournament_init(&rr->open, (uint32_t)n) < 0 ||
	    tournament_init(&rr->ahead, (uint32_t)n) < 0) {
		roundrobin_destroy(&rr->balancer);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		list_init(&rr->turns[i].node);
	return &rr->balancer;
}

/* ---- circles ---------------------------------------------------------------- */

/* Puts a circle where its first turn belongs now. */
static void rank(struct roundrobin *rr, struct circle *circle)
{
	uint32_t id = (uint32_t)(circle - rr->circles);
	const struct turn *first = turn_of(circle->turns.next);

	if (list_is_empty(&circle->turns)) {
		tournament_remove(&rr->open, id);
		tournament_remove(&rr->ahead, id);
	} else if (first->opens > rr->now) {
		tournament_remove(&rr->open, id);
		tournament_put(&rr->ahead, id, first->opens);
	} else {
		tournament_remove(&rr->ahead, id);
		tournament_put(&rr->open, id, first->closes);
	}
}

/* These three leave the circle to be ranked. */
static void take_out(struct turn *turn)
{
	if (turn->circle->ahead == &turn->node)
		turn->circle->ahead = turn->node.next;
	list_remove(&turn->node);
}

static void put_before(const struct roundrobin *rr, struct turn *turn, struct list *at)
{
	DCHECK(at == &turn->circle->turns || turn_of(at)->opens >= turn->opens);
	list_append(at, &turn->node);
	if (at == turn->circle->ahead && turn->opens > rr->now)
		turn->circle->ahead = &turn->node;
}

/* The first that is not open, or the end. Each is passed once for each time it is put in. */
static struct list *first_ahead(const struct roundrobin *rr, struct circle *circle)
{
	while (circle->ahead != &circle->turns && turn_of(circle->ahead)->opens <= rr->now)
		circle->ahead = circle->ahead->next;
	return circle->ahead;
}

/*
 * Who had its turn comes last of all, and who joins last of those that are
 * open. Only after picks out of turn a few may have to be passed.
 */
static void put_in(const struct roundrobin *rr, struct turn *turn)
{
	struct circle *circle = turn->circle;
	struct list *at = turn->opens > rr->now ? &circle->turns : first_ahead(rr, circle);

	while (at->prev != &circle->turns && turn_of(at->prev)->opens > turn->opens)
		at = at->prev;
	DCHECK(at->prev == &circle->turns || turn_of(at->prev)->opens <= turn->opens);
	put_before(rr, turn, at);
}

/* It was in, or asleep, and is out now. */
static void drop(struct roundrobin *rr, struct turn *turn)
{
	take_out(turn);
	rank(rr, turn->circle);
	set_total(rr, rr->pace.weight - turn->circle->pace.weight);
}

static struct circle *find_circle(struct roundrobin *rr, uint32_t weight)
{
	struct circle *unused = NULL;

	for (uint32_t i = 0; i < rr->circles_n; i++) {
		struct circle *circle = &rr->circles[i];

		if (circle->members > 0 && circle->pace.weight == weight)
			return circle;
		if (circle->members == 0 && !unused)
			unused = circle;
	}
	DCHECK(unused || rr->circles_n < rr->balancer.n);
	if (!unused)
		unused = &rr->circles[rr->circles_n++];
	pace_set(&unused->pace, weight);
	list_init(&unused->turns);
	unused->ahead = &unused->turns;
	return unused;
}

/* For a turn that is out. One that is not open yet moves nearer as the weight grows. */
static void set_weight(struct roundrobin *rr, struct turn *turn, uint32_t weight)
{
	if (turn->circle && turn->circle->pace.weight == weight)
		return;
	if (turn->circle) {
		if (turn->opens > rr->now)
			turn->opens = rr->now +
				      (turn->opens - rr->now) / weight * turn->circle->pace.weight;
		turn->circle->members--;
	}
	turn->circle = find_circle(rr, weight);
	turn->circle->members++;
	turn->owed = 0;
}

/* ---- who is in -------------------------------------------------------------- */

static bool is_waiting(const struct turn *turn)
{
	return !list_is_empty(&turn->node);
}

/* Who comes back does not make up for what it missed; who was only asleep, wakes up. */
static void roundrobin_join(struct balancer *b, unsigned index)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct turn *turn = &rr->turns[index];
	uint32_t weight = b->candidates[index].weight;

	if (is_waiting(turn)) {
		if (turn->circle->pace.weight == weight)
			return;
		drop(rr, turn);
	}
	set_weight(rr, turn, weight);
	if (turn->opens < rr->now || turn->opens > rr->now + CYCLE)
		turn->opens = rr->now;
	turn->closes = turn->opens + pace_next(&turn->circle->pace, &turn->owed);
	set_total(rr, rr->pace.weight + weight);
	put_in(rr, turn);
	rank(rr, turn->circle);
}

static void roundrobin_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	struct roundrobin *rr = roundrobin_of(b);

	(void)before;
	drop(rr, &rr->turns[index]);
	roundrobin_join(b, index);
}

/* ---- picks ------------------------------------------------------------------ */

static struct circle *next_circle(struct roundrobin *rr)
{
	uint32_t id;

	while ((id = tournament_first(&rr->ahead)) != TOURNAMENT_NOBODY &&
	       turn_of(rr->circles[id].turns.next)->opens <= rr->now)
		rank(rr, &rr->circles[id]);
	if (tournament_first(&rr->open) != TOURNAMENT_NOBODY)
		id = tournament_first(&rr->open);
	return id == TOURNAMENT_NOBODY ? NULL : &rr->circles[id];
}

static void set_aside(struct roundrobin *rr, struct aside *aside, struct turn *turn)
{
	aside->turns[aside->n++] = turn;
	aside->has_open |= turn->opens <= rr->now;
	take_out(turn);
	rank(rr, turn->circle);
}

/* Back to where they were: the last one that was first before those that were so earlier. */
static void put_back(struct roundrobin *rr, struct aside *aside)
{
	while (aside->n-- > 0) {
		struct turn *turn = aside->turns[aside->n];

		put_before(rr, turn, turn->circle->turns.next);
		rank(rr, turn->circle);
	}
}

/*
 * While no window is open no time passes: it goes on when the next one opens.
 * When the only open ones are of those that this session has tried, another
 * one comes before its time, and they before it later on; but nobody is ahead
 * by more than a turn: that later on would be without end if nothing but such
 * sessions came.
 */
static void advance_to(struct roundrobin *rr, const struct turn *turn, bool has_open)
{
	uint64_t early = has_open ? turn->circle->pace.step : 0;

	if (turn->opens > rr->now + early)
		rr->now = turn->opens - early;
}

static struct turn *next_turn(struct roundrobin *rr, const struct pool_ask *ask,
			      struct aside *aside)
{
	struct circle *circle;

	while ((circle = next_circle(rr))) {
		struct turn *turn = turn_of(circle->turns.next);

		advance_to(rr, turn, aside->has_open);
		if (!rr->balancer.candidates[index_of(rr, turn)].is_in)
			drop(rr, turn);
		else if (ask_has_tried(ask, index_of(rr, turn)))
			set_aside(rr, aside, turn);
		else
			return turn;
	}
	return NULL;
}

/* The next one opens when this one closes; who was passed over for longer does not catch up. */
static void next_window(const struct roundrobin *rr, struct turn *turn)
{
	bool is_late = turn->closes + turn->circle->pace.step < rr->now;

	turn->opens = is_late ? rr->now : turn->closes;
	turn->closes = turn->opens + pace_next(&turn->circle->pace, &turn->owed);
}

static int roundrobin_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct aside aside = { 0 };
	struct turn *turn = next_turn(rr, ask, &aside);

	put_back(rr, &aside);
	if (!turn)
		return -1;
	take_out(turn);
	next_window(rr, turn);
	rr->now += pace_next(&rr->pace, &rr->owed);
	put_in(rr, turn);
	rank(rr, turn->circle);
	return (int)index_of(rr, turn);
}

const struct balancer_ops roundrobin_ops = {
	.name = "roundrobin",
	.create = roundrobin_create,
	.destroy = roundrobin_destroy,
	.join = roundrobin_join,
	.on_weight = roundrobin_on_weight,
	.pick = roundrobin_pick,
};
