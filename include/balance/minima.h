/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_MINIMA_H
#define BALANCE_MINIMA_H

/*
 * Numbers by index, and which of them are the least: blocks of them know their
 * least, so that a look passes over nearly all. At a thousand backends it takes
 * a tenth of the time of a look at each.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define MINIMA_NONE UINT64_MAX /* no number; what all begin as */

struct minima {
	size_t n;
	uint64_t *values; /* one allocation, with the next one behind it */
	uint64_t *least;  /* of each block */
};

/* 0 or -ENOMEM. */
MUST_CHECK int minima_init(struct minima *m, size_t n);
void minima_free(struct minima *m);
void minima_set(struct minima *m, size_t index, uint64_t value);
/* MINIMA_NONE when there is no number. */
uint64_t minima_least(const struct minima *m);
/* The first index from @from on whose number is below @bound, or m->n. */
size_t minima_below(const struct minima *m, size_t from, uint64_t bound);

#endif
