/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Smooth weighted round robin: in any run of picks no backend is ever a whole
 * session away from the share its weight asks for, and after as many picks as
 * the weights add up to each has had exactly its weight.
 *
 * This is EEVDF, earliest eligible virtual deadline first (Stoica and
 * Abdel-Wahab, 1995), as schedulers use it. Virtual time passes at 1/W for
 * each pick, W being the sum of weights. The k-th request of a backend of
 * weight w is eligible from k/w on and has its deadline at (k+1)/w; of those
 * that are eligible the one with the earliest deadline is picked. That this
 * keeps every deadline is Tijdeman's theorem (The chairman assignment
 * problem, Discrete Mathematics 32, 1980).
 *
 * Who leaves just after a pick has had more than its share, and the others as
 * much less. So it keeps its request and its part of W until that request is
 * eligible: then all is even, and it goes. (Linux does the same since 6.12
 * and calls it delayed dequeue.) Who is full for a moment thereby loses and
 * gains nothing, at no cost.
 *
 * Mostly the earliest deadline of all is of one that is eligible, and that one
 * is found without a look at each (balance/minima.h).
 */

#include "balance/balancer.h"

#include "balance/minima.h"

#include <stdlib.h>

/*
 * One unit of weight has one request in this much virtual time. Large enough
 * that the bounds of two requests, which differ by 2^-32 of it at least, never
 * round to one.
 */
#define UNIT_TIME (1ull << 40)

/* When time has come so far, it begins again; the first time soon, so that it is tested. */
#define TIME_MAX (1ull << 62)
#define TIME_FIRST (TIME_MAX - UNIT_TIME)

#define NEVER UINT64_MAX

struct request {
	uint64_t eligible, deadline;
};

struct share {
	struct request kept; /* of who is dequeued */
	uint64_t remainder;  /* of its lengths: see request_length() */
	uint32_t weight;     /* of its request */
};

struct roundrobin {
	struct balancer balancer;
	uint64_t virtual_now;
	uint64_t remainder;
	uint64_t weight; /* W: of all that have a request */
	/* By index. Who is not queued has neither of the first two. */
	uint64_t *eligible;
	struct minima deadlines;
	struct share *shares;
};

static struct roundrobin *roundrobin_of(struct balancer *b)
{
	return container_of(b, struct roundrobin, balancer);
}

static void roundrobin_destroy(struct balancer *b)
{
	struct roundrobin *rr = roundrobin_of(b);

	free(rr->eligible);
	minima_free(&rr->deadlines);
	free(rr->shares);
	free(rr);
}

static struct balancer *roundrobin_create(const struct balancer_setup *setup)
{
	struct roundrobin *rr = calloc(1, sizeof(*rr));
	size_t n = setup->n;

	if (!rr)
		return NULL;
	rr->virtual_now = TIME_FIRST;
	rr->eligible = calloc(n + 1, sizeof(*rr->eligible));
	rr->shares = calloc(n + 1, sizeof(*rr->shares));
	if (minima_init(&rr->deadlines, n) < 0 || !rr->eligible || !rr->shares) {
		roundrobin_destroy(&rr->balancer);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		rr->eligible[i] = NEVER;
	return &rr->balancer;
}

/* How long a request of @weight is. What the division leaves is paid out later, in units. */
static uint64_t request_length(uint64_t weight, uint64_t *remainder)
{
	*remainder += UNIT_TIME % weight;
	if (*remainder < weight)
		return UNIT_TIME / weight;
	*remainder -= weight;
	return UNIT_TIME / weight + 1;
}

/* ---- who is in -------------------------------------------------------------- */

static bool has_request(const struct roundrobin *rr, unsigned index)
{
	return rr->eligible[index] != NEVER;
}

static struct request request_of(const struct roundrobin *rr, unsigned index)
{
	return (struct request){ rr->eligible[index], rr->deadlines.values[index] };
}

static void set_request(struct roundrobin *rr, unsigned index, struct request request)
{
	rr->eligible[index] = request.eligible;
	minima_set(&rr->deadlines, index, request.deadline);
}

static void clear_request(struct roundrobin *rr, unsigned index)
{
	set_request(rr, index, (struct request){ NEVER, MINIMA_NONE });
}

static void set_total_weight(struct roundrobin *rr, uint64_t weight)
{
	rr->weight = weight;
	rr->remainder = 0;
}

static void dequeue(struct roundrobin *rr, unsigned index)
{
	rr->shares[index].kept = request_of(rr, index);
	clear_request(rr, index);
	set_total_weight(rr, rr->weight - rr->shares[index].weight);
}

/* A request that is not eligible yet moves nearer as the weight grows. */
static void share_set_weight(struct roundrobin *rr, struct share *share, uint32_t weight)
{
	if (share->weight == weight)
		return;
	if (share->kept.eligible > rr->virtual_now)
		share->kept.eligible = rr->virtual_now + (share->kept.eligible - rr->virtual_now) /
								 weight * share->weight;
	share->weight = weight;
	share->remainder = 0;
}

/* Who comes back does not make up for what it missed. */
static void roundrobin_join(struct balancer *b, unsigned index)
{
	struct roundrobin *rr = roundrobin_of(b);
	struct share *share = &rr->shares[index];
	uint32_t weight = b->loads[index].weight;

	if (has_request(rr, index) && share->weight == weight)
		return;
	if (has_request(rr, index))
		dequeue(rr, index);
	share_set_weight(rr, share, weight);
	if (share->kept.eligible < rr->virtual_now ||
	    share->kept.eligible > rr->virtual_now + UNIT_TIME)
		share->kept.eligible = rr->virtual_now;
	share->kept.deadline = share->kept.eligible + request_length(weight, &share->remainder);
	set_request(rr, index, share->kept);
	set_total_weight(rr, rr->weight + weight);
}

static void roundrobin_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	roundrobin_join(b, index);
}

/* ---- picks ------------------------------------------------------------------ */

static uint64_t elapsed(uint64_t time, uint64_t begin)
{
	return time > begin ? time - begin : 0;
}

static void rebase_time(struct roundrobin *rr)
{
	uint64_t gone = rr->virtual_now - UNIT_TIME;

	for (unsigned i = 0; i < rr->balancer.n; i++) {
		struct request request = has_request(rr, i) ? request_of(rr, i)
							    : rr->shares[i].kept;

		request.eligible = elapsed(request.eligible, gone);
		request.deadline = elapsed(request.deadline, gone);
		if (has_request(rr, i))
			set_request(rr, i, request);
		else
			rr->shares[i].kept = request;
	}
	rr->virtual_now -= gone;
}

static bool is_eligible(const struct roundrobin *rr, size_t index)
{
	return rr->eligible[index] <= rr->virtual_now;
}

/* Of those with an earlier deadline than the best so far. */
static int search_eligible(const struct roundrobin *rr)
{
	const struct minima *deadlines = &rr->deadlines;
	uint64_t best = MINIMA_NONE;
	int found = -1;

	for (size_t i = minima_below(deadlines, 0, best); i < deadlines->n;
	     i = minima_below(deadlines, i + 1, best)) {
		if (is_eligible(rr, i)) {
			best = deadlines->values[i];
			found = (int)i;
		}
	}
	return found;
}

/* The eligible one with the earliest deadline, or -1. Mostly that is the earliest of all. */
static int first_eligible(const struct roundrobin *rr)
{
	uint64_t least = minima_least(&rr->deadlines);
	size_t i;

	if (least == MINIMA_NONE)
		return -1;
	i = minima_below(&rr->deadlines, 0, least + 1);
	return is_eligible(rr, i) ? (int)i : search_eligible(rr);
}

/* Who becomes eligible first, or -1. */
static int next_eligible(const struct roundrobin *rr)
{
	uint64_t best = NEVER;
	int found = -1;

	for (size_t i = 0; i < rr->balancer.n; i++) {
		if (rr->eligible[i] < best) {
			best = rr->eligible[i];
			found = (int)i;
		}
	}
	return found;
}

static int first_request(const struct roundrobin *rr)
{
	int index = first_eligible(rr);

	return index < 0 ? next_eligible(rr) : index;
}

/* The same without those that were tried; says whether one of them was eligible. */
static int first_untried(struct roundrobin *rr, const struct pool_ask *ask, bool *ret_tried_is_due)
{
	struct request tried[POOL_TRIES_MAX];
	int index;

	*ret_tried_is_due = false;
	for (unsigned i = 0; i < ask->tried_n; i++) {
		unsigned who = ask->tried[i];

		tried[i] = request_of(rr, who);
		*ret_tried_is_due |= rr->balancer.loads[who].is_in &&
				     tried[i].eligible <= rr->virtual_now;
		clear_request(rr, who);
	}
	index = first_request(rr);
	for (unsigned i = 0; i < ask->tried_n; i++)
		set_request(rr, ask->tried[i], tried[i]);
	return index;
}

/*
 * While nobody is eligible no time passes: it goes on when the next
 * request is eligible. When the only eligible ones are those that this session has tried,
 * another one comes before its time, and they before it later on; but nobody
 * is ahead by more than a request: that later on would be without end if nothing
 * but such sessions came.
 */
static void advance_to(struct roundrobin *rr, unsigned index, bool tried_is_due)
{
	uint64_t early = tried_is_due ? UNIT_TIME / rr->shares[index].weight : 0;

	rr->virtual_now = MAX(rr->virtual_now, rr->eligible[index] - early);
}

/* Eligible from the last deadline on; who was passed over for longer does not catch up. */
static void next_request(struct roundrobin *rr, unsigned index)
{
	struct request request = request_of(rr, index);
	struct share *share = &rr->shares[index];
	bool is_late = request.deadline + UNIT_TIME / share->weight < rr->virtual_now;

	request.eligible = is_late ? rr->virtual_now : request.deadline;
	request.deadline = request.eligible + request_length(share->weight, &share->remainder);
	set_request(rr, index, request);
}

static int roundrobin_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct roundrobin *rr = roundrobin_of(b);
	bool tried_is_due;
	int index;

	if (rr->virtual_now >= TIME_MAX)
		rebase_time(rr);
	while ((index = first_untried(rr, ask, &tried_is_due)) >= 0) {
		advance_to(rr, (unsigned)index, tried_is_due);
		if (b->loads[index].is_in)
			break;
		dequeue(rr, (unsigned)index);
	}
	if (index < 0)
		return -1;
	next_request(rr, (unsigned)index);
	rr->virtual_now += request_length(rr->weight, &rr->remainder);
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
