/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_HEAP_H
#define BALANCE_HEAP_H

/*
 * A binary heap of backend indices that knows where each of them is, so that
 * any one can be moved or taken out in O(log n). Each index is in it at most
 * once. Memory is allocated once, for all of them.
 *
 * Keys and ties are compared by their signed distance, as sequence numbers
 * are: they may wrap around, as long as all that are in the heap at one time
 * lie within half of their range. Of equal ones the lower index comes first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

#define HEAP_NONE UINT32_MAX

struct heap_item {
	uint64_t key;
	uint32_t tie; /* the lower first, among equal keys */
	uint32_t index;
};

struct heap {
	struct heap_item *items; /* items[0] comes first */
	uint32_t *place;         /* of each index in items, or HEAP_NONE */
	uint32_t used;
	uint32_t max;
};

/* For indices 0 .. @max - 1. Returns 0 or -ENOMEM. */
MUST_CHECK int heap_init(struct heap *heap, uint32_t max);
/* Accepts a heap of zeroes. */
void heap_finish(struct heap *heap);

/* Puts @item in, or moves it when its index is in already. */
void heap_put(struct heap *heap, struct heap_item item);
/* Takes an index out; harmless when it is not in. */
void heap_remove(struct heap *heap, uint32_t index);

/* The first item, which stays in; NULL when there is none. Valid until the next change. */
static inline const struct heap_item *heap_first(const struct heap *heap)
{
	return heap->used ? &heap->items[0] : NULL;
}

static inline bool heap_has(const struct heap *heap, uint32_t index)
{
	return heap->place[index] != HEAP_NONE;
}

#endif
