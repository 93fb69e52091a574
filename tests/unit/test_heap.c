/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMBERS 300

static uint32_t random_state = 1;

static uint32_t roll(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)random_state * n) >> 32);
}

static struct heap_item take_first(struct heap *h)
{
	struct heap_item item = *heap_first(h);

	heap_remove(h, item.index);
	return item;
}

static void items_come_out_in_order(void **state)
{
	struct heap h;
	uint64_t last = 0;

	(void)state;
	assert_int_equal(heap_init(&h, MEMBERS), 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		heap_put(&h, (struct heap_item){ .key = roll(100), .index = i });
	for (int i = 0; i < MEMBERS; i++) {
		struct heap_item item = take_first(&h);

		assert_true(item.key >= last);
		last = item.key;
	}
	assert_null(heap_first(&h));
	heap_finish(&h);
}

static void equal_keys_go_by_tie_and_then_by_index(void **state)
{
	struct heap h;

	(void)state;
	assert_int_equal(heap_init(&h, 4), 0);
	heap_put(&h, (struct heap_item){ .key = 5, .tie = 1, .index = 0 });
	heap_put(&h, (struct heap_item){ .key = 5, .tie = 0, .index = 3 });
	heap_put(&h, (struct heap_item){ .key = 5, .tie = 0, .index = 1 });
	heap_put(&h, (struct heap_item){ .key = 4, .tie = 9, .index = 2 });
	assert_int_equal(take_first(&h).index, 2);
	assert_int_equal(take_first(&h).index, 1);
	assert_int_equal(take_first(&h).index, 3);
	assert_int_equal(take_first(&h).index, 0);
	heap_finish(&h);
}

static void keys_may_wrap_around(void **state)
{
	struct heap h;

	(void)state;
	assert_int_equal(heap_init(&h, 3), 0);
	heap_put(&h, (struct heap_item){ .key = 10, .index = 0 });
	heap_put(&h, (struct heap_item){ .key = UINT64_MAX - 10, .index = 1 });
	heap_put(&h, (struct heap_item){ .key = 10, .tie = UINT32_MAX, .index = 2 });
	assert_int_equal(take_first(&h).index, 1);
	assert_int_equal(take_first(&h).index, 2);
	assert_int_equal(take_first(&h).index, 0);
	heap_finish(&h);
}

/* Against an array that is searched from end to end. */
static void moves_and_removals_agree_with_a_plain_search(void **state)
{
	struct heap h;
	uint64_t keys[MEMBERS];
	bool is_in[MEMBERS] = { false };

	(void)state;
	assert_int_equal(heap_init(&h, MEMBERS), 0);
	for (int round = 0; round < 30000; round++) {
		uint32_t i = roll(MEMBERS), first = HEAP_NONE;

		is_in[i] = roll(3) > 0;
		keys[i] = roll(1000);
		if (is_in[i])
			heap_put(&h, (struct heap_item){ .key = keys[i], .index = i });
		else
			heap_remove(&h, i);
		assert_int_equal(heap_has(&h, i), is_in[i]);
		for (uint32_t k = 0; k < MEMBERS; k++)
			if (is_in[k] && (first == HEAP_NONE || keys[k] < keys[first]))
				first = k;
		if (first == HEAP_NONE)
			assert_null(heap_first(&h));
		else
			assert_int_equal(heap_first(&h)->index, first);
	}
	heap_finish(&h);
}

static void an_empty_heap_is_a_heap(void **state)
{
	struct heap h = { 0 };

	(void)state;
	heap_finish(&h);
	assert_int_equal(heap_init(&h, 0), 0);
	assert_null(heap_first(&h));
	heap_finish(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_in_order),
		cmocka_unit_test(equal_keys_go_by_tie_and_then_by_index),
		cmocka_unit_test(keys_may_wrap_around),
		cmocka_unit_test(moves_and_removals_agree_with_a_plain_search),
		cmocka_unit_test(an_empty_heap_is_a_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
