/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The better of two: two different backends drawn by weight, of which the
 * less loaded one is picked. Nearly as even as least connections (Mitzenmacher,
 * The power of two choices in randomized load balancing, IEEE TPDS 2001),
 * and several ringmains in front of the same backends do not all run to the
 * same one when they see the same loads.
 *
 * Drawing by weight in O(log n): a binary indexed tree of weights (Fenwick,
 * Software: Practice and Experience 24, 1994).
 */

#include "balance/balancer.h"

#include "base/check.h"

#include <stdlib.h>

struct random {
	struct balancer balancer;
	size_t top;     /* largest power of two not above n */
	uint64_t *sums; /* the tree; sums[0] is not used */
	uint64_t total;
};

static struct random *random_of(struct balancer *b)
{
	return container_of(b, struct random, balancer);
}

static void random_destroy(struct balancer *b)
{
	struct random *r = random_of(b);

	free(r->sums);
	free(r);
}

static struct balancer *random_create(const struct pool_config *config, const unsigned *weights)
{
	struct random *r = calloc(1, sizeof(*r));

	(void)weights;
	if (!r)
		return NULL;
	r->sums = calloc(config->backends_n + 1, sizeof(*r->sums));
	if (!r->sums) {
		random_destroy(&r->balancer);
		return NULL;
	}
	r->top = 1;
	while (r->top * 2 <= config->backends_n)
		r->top *= 2;
	return &r->balancer;
}

/* Adds @weight, or takes it away as a two's complement. */
static void add(struct random *r, unsigned index, uint64_t weight)
{
	r->total += weight;
	for (size_t i = index + 1ul; i <= r->balancer.n; i += i & -i)
		r->sums[i] += weight;
}

static void random_join(struct balancer *b, unsigned index)
{
	add(random_of(b), index, b->candidates[index].weight);
}

static void random_leave(struct balancer *b, unsigned index)
{
	add(random_of(b), index, -(uint64_t)b->candidates[index].weight);
}

static void random_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	add(random_of(b), index, (uint64_t)b->candidates[index].weight - before);
}

/*
 * Whose weight covers @point, when all are laid end to end; *ret_start is
 * where its part begins.
 */
static unsigned at_point(const struct random *r, uint64_t point, uint64_t *ret_start)
{
	uint64_t start = 0;
	size_t at = 0;

	for (size_t step = r->top; step > 0; step /= 2) {
		if (at + step > r->balancer.n || start + r->sums[at + step] > point)
			continue;
		at += step;
		start += r->sums[at];
	}
	DCHECK(at < r->balancer.n);
	*ret_start = start;
	return (unsigned)at;
}

/* Of equal ones @a, who was drawn first: so idle ones are picked by their weight. */
static const struct candidate *less_loaded(const struct candidate *a, const struct candidate *b)
{
	uint64_t load_a = (uint64_t)a->sessions * b->weight;
	uint64_t load_b = (uint64_t)b->sessions * a->weight;

	return load_b < load_a ? b : a;
}

static int draw_better_of_two(struct random *r)
{
	const struct candidate *all = r->balancer.candidates;
	uint64_t start, other_start, point, left;
	unsigned one, other;

	if (r->total == 0)
		return -1;
	point = balancer_scale(balancer_random(&r->balancer), r->total);
	one = at_point(r, point, &start);
	left = r->total - all[one].weight;
	if (left == 0)
		return (int)one;

	/* The line without the first one's part. */
	point = balancer_scale(balancer_random(&r->balancer), left);
	if (point >= start)
		point += all[one].weight;
	other = at_point(r, point, &other_start);
	return (int)(less_loaded(&all[one], &all[other]) - all);
}

static int random_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct random *r = random_of(b);
	int index;

	for (unsigned i = 0; i < ask->tried_n; i++)
		if (b->candidates[ask->tried[i]].is_in)
			random_leave(b, ask->tried[i]);
	index = draw_better_of_two(r);
	for (unsigned i = 0; i < ask->tried_n; i++)
		if (b->candidates[ask->tried[i]].is_in)
			random_join(b, ask->tried[i]);
	return index;
}

const struct balancer_ops random_ops = {
	.name = "random",
	.create = random_create,
	.destroy = random_destroy,
	.join = random_join,
	.leave = random_leave,
	.on_weight = random_on_weight,
	.pick = random_pick,
};
