/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/heap.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int heap_init(struct heap *heap, uint32_t max)
{
	CHECK(max <= 1u << HEAP_INDEX_BITS);
	*heap = (struct heap){ .max = max };
	heap->items = calloc(max + 1ul, sizeof(*heap->items));
	heap->place = malloc((max + 1ul) * sizeof(*heap->place));
	if (!heap->items || !heap->place) {
		heap_finish(heap);
		return -ENOMEM;
	}
	memset(heap->place, 0xff, max * sizeof(*heap->place));
	return 0;
}

void heap_finish(struct heap *heap)
{
	free(heap->items);
	free(heap->place);
	*heap = (struct heap){ 0 };
}

static bool goes_before(const struct heap_item *a, const struct heap_item *b)
{
	unsigned __int128 a_all = (unsigned __int128)a->key << 64 | a->rank;
	unsigned __int128 b_all = (unsigned __int128)b->key << 64 | b->rank;

	return (int64_t)((a_all - b_all) >> 64) < 0;
}

static void put_at(struct heap *heap, uint32_t at, const struct heap_item *item)
{
	heap->items[at] = *item;
	heap->place[heap_item_index(item)] = at;
}

static uint32_t sift_up(struct heap *heap, uint32_t at, const struct heap_item *item)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (!goes_before(item, &heap->items[parent]))
			break;
		put_at(heap, at, &heap->items[parent]);
		at = parent;
	}
	return at;
}

/*
 * Fills the hole at @at with the first of its children, and so on down to a
 * leaf. What belongs into the hole mostly belongs near the leaves, so that
 * going back up from there costs less than comparing on the way down
 * (Wegener, Bottom-up heapsort, Theoretical Computer Science 118, 1993).
 */
static uint32_t sink_hole(struct heap *heap, uint32_t at)
{
	uint32_t child;

	while ((child = 2 * at + 1) + 1 < heap->used) {
		child += goes_before(&heap->items[child + 1], &heap->items[child]);
		put_at(heap, at, &heap->items[child]);
		at = child;
	}
	if (child < heap->used) {
		put_at(heap, at, &heap->items[child]);
		at = child;
	}
	return at;
}

/* Puts @item where it belongs, given that place @at is free for it. */
static void settle(struct heap *heap, uint32_t at, struct heap_item item)
{
	uint32_t up = sift_up(heap, at, &item);

	if (up == at)
		up = sift_up(heap, sink_hole(heap, at), &item);
	put_at(heap, up, &item);
}

void heap_put(struct heap *heap, uint32_t index, uint64_t key, uint64_t tie)
{
	struct heap_item item = { .rank = tie << HEAP_INDEX_BITS | index, .key = key };

	DCHECK(index < heap->max);
	DCHECK(tie <= HEAP_TIE_MAX);
	settle(heap, heap_has(heap, index) ? heap->place[index] : heap->used++, item);
}

void heap_remove(struct heap *heap, uint32_t index)
{
	uint32_t at = heap->place[index];

	if (at == HEAP_NONE)
		return;
	heap->place[index] = HEAP_NONE;
	heap->used--;
	if (at != heap->used)
		settle(heap, at, heap->items[heap->used]);
}
