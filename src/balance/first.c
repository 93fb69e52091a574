/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Fill in order: the first backend of the file that has room. Keeps as few of
 * them busy as can be; max_sessions says when one is full.
 */

#include "balance/balancer.h"

#include <stdlib.h>

static struct balancer *first_create(const struct pool_config *config, const unsigned *weights)
{
	(void)config;
	(void)weights;
	return calloc(1, sizeof(struct balancer));
}

static void first_destroy(struct balancer *b)
{
	free(b);
}

static int first_pick(struct balancer *b, const struct pool_ask *ask)
{
	for (unsigned i = 0; i < b->n; i++)
		if (b->loads[i].is_in && !ask_has_tried(ask, i))
			return (int)i;
	return -1;
}

const struct balancer_ops first_ops = {
	.name = "first",
	.is_static = true,
	.create = first_create,
	.destroy = first_destroy,
	.pick = first_pick,
};
