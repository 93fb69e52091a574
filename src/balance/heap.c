/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/heap.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int heap_init(struct heap *heap, uint32_t max)
{
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
	if (a->key != b->key)
		return (int64_t)(a->key - b->key) < 0;
	if (a->tie != b->tie)
		return (int32_t)(a->tie - b->tie) < 0;
	return a->index < b->index;
}

static void put_at(struct heap *heap, uint32_t at, const struct heap_item *item)
{
	heap->items[at] = *item;
	heap->place[item->index] = at;
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

static uint32_t sift_down(struct heap *heap, uint32_t at, const struct heap_item *item)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= heap->used)
			return at;
		if (child + 1 < heap->used &&
		    goes_before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!goes_before(&heap->items[child], item))
			return at;
		put_at(heap, at, &heap->items[child]);
		at = child;
	}
}

/* Puts @item where it belongs, given that place @at is free for it. */
static void settle(struct heap *heap, uint32_t at, struct heap_item item)
{
	at = sift_up(heap, at, &item);
	at = sift_down(heap, at, &item);
	put_at(heap, at, &item);
}

void heap_put(struct heap *heap, struct heap_item item)
{
	DCHECK(item.index < heap->max);
	settle(heap, heap_has(heap, item.index) ? heap->place[item.index] : heap->used++, item);
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
