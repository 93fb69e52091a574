/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/balancer.h"

#include "balance/heap.h"

uint32_t heap_first_untried(struct heap *heap, const struct pool_ask *ask)
{
	struct heap_item tried[POOL_TRIES_MAX];
	uint32_t first;
	unsigned n = 0;

	while ((first = heap_first(heap)) != HEAP_NONE && n < POOL_TRIES_MAX &&
	       ask_has_tried(ask, first)) {
		tried[n++] = heap->items[0];
		heap_remove(heap, first);
	}
	while (n > 0) {
		const struct heap_item *item = &tried[--n];

		heap_put(heap, heap_item_index(item), item->key, item->rank >> HEAP_INDEX_BITS);
	}
	return first;
}
