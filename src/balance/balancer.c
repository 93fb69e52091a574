/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/balancer.h"

#include "balance/heap.h"

int heap_take_untried(struct heap *heap, const struct pool_ask *ask)
{
	struct heap_item tried[POOL_TRIES_MAX];
	const struct heap_item *first;
	unsigned n = 0;
	int index = -1;

	while ((first = heap_first(heap)) && n < POOL_TRIES_MAX &&
	       ask_has_tried(ask, first->index)) {
		tried[n++] = *first;
		heap_remove(heap, first->index);
	}
	if (first) {
		index = (int)first->index;
		heap_remove(heap, first->index);
	}
	while (n > 0)
		heap_put(heap, tried[--n]);
	return index;
}
