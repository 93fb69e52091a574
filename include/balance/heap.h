/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_HEAP_H
#define BALANCE_HEAP_H

/*
 * A binary heap of backend indices that knows where each of them is, so that
 * any one can be moved or taken out in O(log n). Each index is in it at most
 * once. Memory is allocated once, for all of them.
 *
 * Keys are compared by their signed distance, as sequence numbers are: they
 * may wrap around, as long as all that are in the heap at one time lie within
 * half of their range. Of equal keys the lower tie comes first, of equal ties
 * the lower index.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

#define HEAP_NONE UINT32_MAX
#define HEAP_INDEX_BITS 16
#define HEAP_TIE_MAX (UINT64_MAX >> HEAP_INDEX_BITS)

/* One number, so that two items are compared without a branch that cannot be foretold. */
struct heap_item {
	uint64_t rank; /* tie and index */
	uint64_t key;
};

struct heap {
	struct heap_item *items; /* items[0] comes first */
	uint32_t *place;         /* of each index in items, or HEAP_NONE */
	uint32_t used;
	uint32_t max;
};

/* For indices 0 .. @max - 1, at most 65536 of them. Returns 0 or -ENOMEM. */
MUST_CHECK int heap_init(struct heap *heap, uint32_t max);
/* Accepts a heap of zeroes. */
void heap_finish(struct heap *heap);

/* Puts @index in, or moves it when it is in already. @tie is at most HEAP_TIE_MAX. */
void heap_put(struct heap *heap, uint32_t index, uint64_t key, uint64_t tie);
/* Takes an index out; harmless when it is not in. */
void heap_remove(struct heap *heap, uint32_t index);

static inline uint32_t heap_item_index(const struct heap_item *item)
{
	return (uint32_t)item->rank & ((1u << HEAP_INDEX_BITS) - 1);
}

/* The first index, which stays in; HEAP_NONE when there is none. */
static inline uint32_t heap_first(const struct heap *heap)
{
	return heap->used ? heap_item_index(&heap->items[0]) : HEAP_NONE;
}

static inline bool heap_has(const struct heap *heap, uint32_t index)
{
	return heap->place[index] != HEAP_NONE;
}

#endif
