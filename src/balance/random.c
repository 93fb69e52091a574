/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The better of two: two different backends drawn by weight, of which the
 * less loaded one is picked. Nearly as even as least connections (Mitzenmacher,
 * The power of two choices in randomized load balancing, IEEE TPDS 2001),
 * and several ringmains in front of the same backends do not all run to the
 * same one when they see the same loads.
 *
 * Drawing by weight in O(log n): a tree of partial sums of weights (as of
 * Fenwick, Software: Practice and Experience 24, 1994, but with four branches
 * at each node, whose three sums are compared at once).
 */

#include "balance/balancer.h"

#include "base/check.h"

#include <assert.h>
#include <stdlib.h>

#define BRANCHES 4

/*
 * Below node i are nodes BRANCHES * i + 1 and so on. The last level is not
 * stored: there, node nodes_n + index would be the backend of that index.
 */
struct random {
	struct balancer balancer;
	unsigned levels;
	size_t nodes_n;
	/* Of each node, what all branches before the one of that number weigh; [0] is 0. */
	uint32_t (*sums)[BRANCHES];
	uint32_t total;
};

static_assert((uint64_t)POOL_BACKENDS_MAX * BALANCER_WEIGHT_MAX <= UINT32_MAX, "sums fit");

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
	for (size_t width = 1; width < config->backends_n; width *= BRANCHES) {
		r->nodes_n += width;
		r->levels++;
	}
	r->sums = calloc(r->nodes_n + 1, sizeof(*r->sums));
	if (!r->sums) {
		random_destroy(&r->balancer);
		return NULL;
	}
	return &r->balancer;
}

/* Adds @weight, or takes it away as a two's complement. */
static void add(struct random *r, unsigned index, uint32_t weight)
{
	size_t parent;

	r->total += weight;
	for (size_t at = r->nodes_n + index; at > 0; at = parent) {
		parent = (at - 1) / BRANCHES;
		for (size_t k = at - BRANCHES * parent; k < BRANCHES; k++)
			r->sums[parent][k] += weight;
	}
}

static void random_join(struct balancer *b, unsigned index)
{
	add(random_of(b), index, b->candidates[index].weight);
}

static void random_leave(struct balancer *b, unsigned index)
{
	add(random_of(b), index, -b->candidates[index].weight);
}

static void random_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	add(random_of(b), index, b->candidates[index].weight - before);
}

/* Where the part of @index begins, when all weights are laid end to end. */
static uint32_t start_of(const struct random *r, unsigned index)
{
	uint32_t start = 0;
	size_t parent;

	for (size_t at = r->nodes_n + index; at > 0; at = parent) {
		parent = (at - 1) / BRANCHES;
		start += r->sums[parent][at - 1 - BRANCHES * parent];
	}
	return start;
}

/* Whose part @point is in. Sums, not jumps: nobody could foretell those. */
static unsigned at_point(const struct random *r, uint32_t point)
{
	size_t at = 0;

	for (unsigned level = 0; level < r->levels; level++) {
		const uint32_t *sums = r->sums[at];
		size_t k = (size_t)(sums[1] <= point) + (sums[2] <= point) + (sums[3] <= point);

		point -= sums[k];
		at = BRANCHES * at + 1 + k;
	}
	DCHECK(at - r->nodes_n < r->balancer.n);
	return (unsigned)(at - r->nodes_n);
}

/* Somebody, by weight. */
static unsigned draw(struct random *r)
{
	return at_point(r, (uint32_t)balancer_scale(balancer_random(&r->balancer), r->total));
}

/* Somebody else than @one; @one when there is nobody. */
static unsigned draw_other(struct random *r, unsigned one)
{
	uint32_t weight = r->balancer.candidates[one].weight;
	uint32_t point;

	if (r->total == weight)
		return one;
	/* The line without the part of @one. */
	point = (uint32_t)balancer_scale(balancer_random(&r->balancer), r->total - weight);
	if (point >= start_of(r, one))
		point += weight;
	return at_point(r, point);
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
	unsigned one, other;

	if (r->total == 0)
		return -1;
	/*
	 * Two draws that do not wait for each other; when they are of the same
	 * one, the second is made again among the others. Of weights w with sum
	 * W that is w_j/W + w_i/W * w_j/(W - w_i) = w_j/(W - w_i), as it must be.
	 */
	one = draw(r);
	other = draw(r);
	if (other == one)
		other = draw_other(r, one);
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
