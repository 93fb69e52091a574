/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The better of two: two different backends drawn by weight, of which the
 * less loaded one is picked. Nearly as even as least connections (Mitzenmacher,
 * The power of two choices in randomized load balancing, IEEE TPDS 2001),
 * and several ringmains in front of the same backends do not all run to the
 * same one when they see the same loads.
 */

#include "balance/balancer.h"

#include <assert.h>
#include <stdlib.h>

static_assert((uint64_t)POOL_BACKENDS_MAX * BALANCER_WEIGHT_MAX <= UINT32_MAX,
	      "sums of those who are in fit");

/* Backends whose weights are added up, so that a draw passes over most. */
#define BLOCK 32

struct random {
	struct balancer balancer;
	uint32_t total, of_block[POOL_INDEXES_MAX / BLOCK];
	uint32_t weights[]; /* 0 of who is not in */
};

static struct random *random_of(struct balancer *b)
{
	return container_of(b, struct random, balancer);
}

static struct balancer *random_create(const struct balancer_setup *setup)
{
	struct random *r = calloc(1, sizeof(*r) + setup->n * sizeof(r->weights[0]));

	return r ? &r->balancer : NULL;
}

static void random_destroy(struct balancer *b)
{
	free(random_of(b));
}

static void random_set_weight(struct random *r, unsigned index, uint32_t weight)
{
	uint32_t more = weight - r->weights[index];

	r->total += more;
	r->of_block[index / BLOCK] += more;
	r->weights[index] = weight;
}

static void random_join(struct balancer *b, unsigned index)
{
	random_set_weight(random_of(b), index, b->loads[index].weight);
}

static void random_leave(struct balancer *b, unsigned index)
{
	random_set_weight(random_of(b), index, 0);
}

static void random_on_weight(struct balancer *b, unsigned index, uint32_t before)
{
	(void)before;
	random_join(b, index);
}

/* Somebody, by weight: whose part of all weights laid end to end a point is in. */
static unsigned draw_by_weight(struct random *r)
{
	uint32_t point = (uint32_t)balancer_scale(balancer_random(&r->balancer), r->total);
	unsigned block = 0, i;

	for (; point >= r->of_block[block]; block++)
		point -= r->of_block[block];
	for (i = block * BLOCK; point >= r->weights[i]; i++)
		point -= r->weights[i];
	return i;
}

/* Of equal ones @a, who was drawn first: so idle ones are picked by their weight. */
static const struct backend_load *less_loaded(const struct backend_load *a,
					      const struct backend_load *b)
{
	uint64_t load_a = backend_load_sessions(a) * b->weight;
	uint64_t load_b = backend_load_sessions(b) * a->weight;

	return load_b < load_a ? b : a;
}

static int draw_better_of_two(struct random *r)
{
	const struct backend_load *all = r->balancer.loads;
	unsigned one, other;
	uint32_t weight;

	if (r->total == 0)
		return -1;
	one = draw_by_weight(r);
	weight = r->weights[one];
	if (r->total == weight)
		return (int)one;
	random_set_weight(r, one, 0);
	other = draw_by_weight(r);
	random_set_weight(r, one, weight);
	return (int)(less_loaded(&all[one], &all[other]) - all);
}

static int random_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct random *r = random_of(b);
	int index;

	for (unsigned i = 0; i < ask->tried_n; i++)
		random_leave(b, ask->tried[i]);
	index = draw_better_of_two(r);
	for (unsigned i = 0; i < ask->tried_n; i++)
		if (b->loads[ask->tried[i]].is_in)
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
