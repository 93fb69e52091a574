/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Fill in order: the first backend of the file that has room. Keeps as few of
 * them busy as can be; max_sessions says when one is full.
 */

#include "balance/balancer.h"

#include <stdlib.h>

struct first {
	struct balancer balancer;
	size_t order_n;
	uint16_t order[]; /* indexes, as they stand in the file */
};

static struct first *first_of(struct balancer *b)
{
	return container_of(b, struct first, balancer);
}

static struct balancer *first_create(const struct balancer_setup *setup)
{
	struct first *f = calloc(1, sizeof(*f) + setup->members_n * sizeof(f->order[0]));

	if (!f)
		return NULL;
	f->order_n = setup->members_n;
	for (size_t i = 0; i < setup->members_n; i++)
		f->order[i] = (uint16_t)setup->members[i].index;
	return &f->balancer;
}

static void first_destroy(struct balancer *b)
{
	free(first_of(b));
}

static int first_pick(struct balancer *b, const struct pool_ask *ask)
{
	const struct first *f = first_of(b);

	for (size_t i = 0; i < f->order_n; i++)
		if (b->loads[f->order[i]].is_in && !ask_has_tried(ask, f->order[i]))
			return f->order[i];
	return -1;
}

const struct balancer_ops first_ops = {
	.name = "first",
	.is_static = true,
	.create = first_create,
	.destroy = first_destroy,
	.pick = first_pick,
};
