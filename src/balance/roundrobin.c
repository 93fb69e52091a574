/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Smooth weighted round robin: in any run of picks no backend is ever a whole
 * session away from the share its weight asks for, and after as many picks as
 * the weights add up to each has had exactly its weight.
 *
 * Virtual time passes at 1/W for each pick, W being the sum of weights. A
 * backend of weight w has its k-th turn between k/w and (k+1)/w: it is
 * eligible when its window opens, and of those that are eligible the one
 * whose window closes first (the earliest deadline) is picked. That this
 * keeps every window is Tijdeman's theorem (The chairman assignment problem,
 * Discrete Mathematics 32, 1980); schedulers know it as EEVDF (Stoica and
 * Abdel-Wahab, 1995).
 *
 * Who leaves just after its turn has had more than its share, and the others
 * as much less. So it keeps its window and its part of W until that window
 * opens: then all is even, and it goes. (Linux does the same since 6.12 and
 * calls it delayed dequeue.) Who is full for a moment thereby loses and earns
 * nothing, at no cost.
 *
 * A pick looks at all backends: see POOL_BACKENDS_MAX.
 */

#include "balance/balancer.h"

#include <stdlib.h>

/*
 * One unit of weight owns one turn in this much virtual time. Large enough
 * that the bounds of two windows, which differ by 2^-32 of it at least, never
 * round to one.
 */
#define CYCLE (1ull << 40)

/* When time has come so far, it begins again; the first time soon, so that it is tested. */
#define TIME_MAX (1ull << 62)
#define TIME_FIRST (TIME_MAX - CYCLE)

#define NEVER UINT64_MAX

/* What a pick looks at, of who has a turn coming; others have one at NEVER. */
struct window {
	uint64_t opens, closes;
};

static const struct window no_window = { NEVER, NEVER };

struct turn {
	struct window kept; /* of who is out */
	uint64_t owed;      /* of its steps: see step() */
	uint32_t weight;    /* of its window */
};

struct roundrobin {
	struct balancer balancer;
	uint64_t now;
	uint64_t owed;
	uint64_t weight;        /* W: of all that have a window */
	struct window *windows; /* these two by index */
	struct turn *turns;
};

static struct roundrobin *roundrobin_of(struct balancer *b)
{
	return container_of(b, struct roundrobin, balancer);
}

static void roundrobin_destroy(struct balancer *b)
{
	struct roundrobin *rr = roundrobin_of(b);

	free(rr->windows);
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
	rr->now = TIME_FIRST;
	rr->windows = calloc(n + 1, sizeof(*rr->windows));
	rr->turns = calloc(n + 1, sizeof(*rr->turns));
	if (!rr->windows || !rr->turns) {
		roundrobin_destroy(&rr->balancer);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		rr->windows[i] = no_window;
	return &rr->balancer;
}

/* How long a turn of @weight is. What the division leaves is paid out later, in units. */
static uint64_t step(uint64_t weight, uint64_t *owed)
{
	*owed += CYCLE % weight;
	if (*owed < weight)
		return CYCLE / weight;
	*owed -= weight;
	return CYCLE / weight + 1;
}

/* ---- who is in -------------------------------------------------------------- */

static bool has_window(const struct roundrobin *rr, unsigned index)
{
	return rr->windows[index].opens != NEVER;
}

static void set_total(struct roundrobin *rr, uint64_t weight)
{
	rr->weight = weight;
	rr->owed = 0;
}

static void drop(struct roundrobin *rr, unsigned index)
{
	rr->turns[index].kept = rr->windows[index];
	rr->windows[index] = no_window;
	set_total(rr, rr->weight - rr->turns[index].weight);
}

/* A window that is not open yet moves nearer as the weight grows. */
static void set_weight(struct roundrobin *rr, struct turn *turn, uint32_t weight)
{
	if (turn->weight == weight)
		return;
	if (turn->kept.opens > rr->now)
		turn->kept.opens = rr->now + (turn->kept.opens - rr->now) / weight * turn->weight;
	turn->weight = weight;
	turn->owed = 0;
}

/* Who comes back does not make up for what it missed. */
static void roundrobin_join(struct balancer *b, unsigned index)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct turn *turn = &rr->turns[index];
	uint32_t weight = b->loads[index].weight;

	if (has_window(rr, index) && turn->weight == weight)
		return;
	if (has_window(rr, index))
		drop(rr, index);
	set_weight(rr, turn, weight);
	if (turn->kept.opens < rr->now || turn->kept.opens > rr->now + CYCLE)
		turn->kept.opens = rr->now;
	rr->windows[index].opens = turn->kept.opens;
	rr->windows[index].closes = turn->kept.opens + step(weight, &turn->owed);
	set_total(rr, rr->weight + weight);
}

static void roundrobin_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	roundrobin_join(b, index);
}

/* ---- picks ------------------------------------------------------------------ */

static uint64_t since(uint64_t time, uint64_t begin)
{
	return time > begin ? time - begin : 0;
}

static void begin_time_again(struct roundrobin *rr)
{
	uint64_t gone = rr->now - CYCLE;

	for (size_t i = 0; i < rr->balancer.n; i++) {
		struct window *window = has_window(rr, (unsigned)i) ? &rr->windows[i]
								    : &rr->turns[i].kept;

		window->opens = since(window->opens, gone);
		window->closes = since(window->closes, gone);
	}
	rr->now -= gone;
}

/*
 * The eligible one with the earliest deadline; its index, or -1. Hardly
 * anybody's deadline is before the best so far, which a processor foretells;
 * nobody could foretell who is eligible, so that is asked last.
 */
static int first_eligible(const struct roundrobin *rr)
{
	uint64_t best = NEVER;
	int found = -1;

	for (size_t i = 0; i < rr->balancer.n; i++) {
		if (rr->windows[i].closes < best && rr->windows[i].opens <= rr->now) {
			best = rr->windows[i].closes;
			found = (int)i;
		}
	}
	return found;
}

/* Who becomes eligible first, or -1. */
static int first_to_open(const struct roundrobin *rr)
{
	uint64_t best = NEVER;
	int found = -1;

	for (size_t i = 0; i < rr->balancer.n; i++) {
		if (rr->windows[i].opens < best) {
			best = rr->windows[i].opens;
			found = (int)i;
		}
	}
	return found;
}

static int first_window(const struct roundrobin *rr)
{
	int index = first_eligible(rr);

	return index < 0 ? first_to_open(rr) : index;
}

/* The same without those that were tried; says whether one of them was eligible. */
static int first_untried(struct roundrobin *rr, const struct pool_ask *ask, bool *ret_tried_is_due)
{
	struct window tried[POOL_TRIES_MAX];
	int index;

	*ret_tried_is_due = false;
	for (unsigned i = 0; i < ask->tried_n; i++) {
		unsigned who = ask->tried[i];

		tried[i] = rr->windows[who];
		*ret_tried_is_due |= rr->balancer.loads[who].is_in && tried[i].opens <= rr->now;
		rr->windows[who] = no_window;
	}
	index = first_window(rr);
	for (unsigned i = 0; i < ask->tried_n; i++)
		rr->windows[ask->tried[i]] = tried[i];
	return index;
}

/*
 * While nobody is eligible no time passes: it goes on when the next window
 * opens. When the only eligible ones are those that this session has tried,
 * another one comes before its time, and they before it later on; but nobody
 * is ahead by more than a turn: that later on would be without end if nothing
 * but such sessions came.
 */
static void advance_to(struct roundrobin *rr, unsigned index, bool tried_is_due)
{
	uint64_t early = tried_is_due ? CYCLE / rr->turns[index].weight : 0;

	rr->now = MAX(rr->now, rr->windows[index].opens - early);
}

/* The next one opens when this one closes; who was passed over for longer does not catch up. */
static void next_window(const struct roundrobin *rr, unsigned index)
{
	struct window *window = &rr->windows[index];
	struct turn *turn = &rr->turns[index];
	bool is_late = window->closes + CYCLE / turn->weight < rr->now;

	window->opens = is_late ? rr->now : window->closes;
	window->closes = window->opens + step(turn->weight, &turn->owed);
}

static int roundrobin_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct roundrobin *rr = roundrobin_of(b);
	bool tried_is_due;
	int index;

	if (rr->now >= TIME_MAX)
		begin_time_again(rr);
	while ((index = first_untried(rr, ask, &tried_is_due)) >= 0) {
		advance_to(rr, (unsigned)index, tried_is_due);
		if (b->loads[index].is_in)
			break;
		drop(rr, (unsigned)index);
	}
	if (index < 0)
		return -1;
	next_window(rr, (unsigned)index);
	rr->now += step(rr->weight, &rr->owed);
	return index;
}

const struct balancer_ops roundrobin_ops = {
	.name = "roundrobin",
	.create = roundrobin_create,
	.destroy = roundrobin_destroy,
	.join = roundrobin_join,
	.on_weight = roundrobin_on_weight,
	.pick = roundrobin_pick,
};
