/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Fill in order: the first backend of the file that has a place. Keeps as
 * few of them busy as can be; max_sessions says when one is full. One bit for
 * each backend, so that 64 are looked at in one step.
 */

#include "balance/balancer.h"

#include <stdlib.h>

#define WORD_BITS 64

struct first {
	struct balancer balancer;
	size_t words;
	uint64_t in[];
};

static struct first *first_of(struct balancer *b)
{
	return container_of(b, struct first, balancer);
}

static struct balancer *first_create(const struct pool_config *config, const unsigned *weights)
{
	size_t words = config->backends_n / WORD_BITS + 1;
	struct first *f = calloc(1, sizeof(*f) + words * sizeof(f->in[0]));

	(void)weights;
	if (!f)
		return NULL;
	f->words = words;
	return &f->balancer;
}

static void first_destroy(struct balancer *b)
{
	free(first_of(b));
}

static void first_join(struct balancer *b, unsigned index)
{
	first_of(b)->in[index / WORD_BITS] |= 1ull << index % WORD_BITS;
}

static void first_leave(struct balancer *b, unsigned index)
{
	first_of(b)->in[index / WORD_BITS] &= ~(1ull << index % WORD_BITS);
}

static int first_pick(struct balancer *b, const struct pool_ask *ask)
{
	struct first *f = first_of(b);

	for (size_t word = 0; word < f->words; word++) {
		for (uint64_t bits = f->in[word]; bits; bits &= bits - 1) {
			unsigned index =
				(unsigned)word * WORD_BITS + (unsigned)__builtin_ctzll(bits);

			if (!ask_has_tried(ask, index))
				return (int)index;
		}
	}
	return -1;
}

const struct balancer_ops first_ops = {
	.name = "first",
	.is_static = true,
	.create = first_create,
	.destroy = first_destroy,
	.join = first_join,
	.leave = first_leave,
	.pick = first_pick,
};
