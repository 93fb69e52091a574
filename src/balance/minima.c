/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/minima.h"

#include <errno.h>
#include <stdlib.h>

/* The square root of a thousand: there are as many blocks as numbers in one. */
#define BLOCK 32

static size_t blocks_of(size_t n)
{
	return (n + BLOCK - 1) / BLOCK;
}

int minima_init(struct minima *m, size_t n)
{
	size_t all = n + blocks_of(n);

	*m = (struct minima){ .n = n, .values = calloc(all + 1, sizeof(m->values[0])) };
	if (!m->values)
		return -ENOMEM;
	m->least = m->values + n;
	for (size_t i = 0; i < all; i++)
		m->values[i] = MINIMA_NONE;
	return 0;
}

void minima_free(struct minima *m)
{
	free(m->values);
}

static uint64_t least_of(const uint64_t *values, size_t n)
{
	uint64_t least = MINIMA_NONE;

	for (size_t i = 0; i < n; i++)
		least = MIN(least, values[i]);
	return least;
}

void minima_set(struct minima *m, size_t index, uint64_t value)
{
	size_t block = index / BLOCK, first = block * BLOCK;
	uint64_t before = m->values[index];

	m->values[index] = value;
	if (value <= m->least[block])
		m->least[block] = value;
	else if (before == m->least[block])
		m->least[block] = least_of(m->values + first, MIN(m->n - first, BLOCK));
}

uint64_t minima_least(const struct minima *m)
{
	return least_of(m->least, blocks_of(m->n));
}

size_t minima_below(const struct minima *m, size_t from, uint64_t bound)
{
	size_t i = from;

	while (i < m->n) {
		size_t end = MIN((i / BLOCK + 1) * BLOCK, m->n);

		if (m->least[i / BLOCK] >= bound)
			i = end;
		for (; i < end; i++)
			if (m->values[i] < bound)
				return i;
	}
	return m->n;
}
