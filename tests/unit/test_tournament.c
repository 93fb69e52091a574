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

static uint32_t take_first(struct heap *h)
{
	uint32_t index = heap_first(h);

	heap_remove(h, index);
	return index;
}

static void items_come_out_in_order(void **state)
{
	struct heap h;
	uint64_t last = 0;

	(void)state;
	assert_int_equal(heap_init(&h, MEMBERS), 0);
	for (uint32_t i = 0; i < MEMBERS; i++)
		heap_put(&h, i, roll(100), 0);
	for (int i = 0; i < MEMBERS; i++) {
		uint64_t key = h.items[0].key;

		assert_true(key >= last);
		last = key;
		take_first(&h);
	}
	assert_int_equal(heap_first(&h), HEAP_NONE);
	heap_finish(&h);
}

static void equal_keys_go_by_tie_and_then_by_index(void **state)
{
	struct heap h;

	(void)state;
	assert_int_equal(heap_init(&h, 4), 0);
	heap_put(&h, 0, 5, 1);
	heap_put(&h, 3, 5, 0);
	heap_put(&h, 1, 5, 0);
	heap_put(&h, 2, 4, 9);
	assert_int_equal(take_first(&h), 2);
	assert_int_equal(take_first(&h), 1);
	assert_int_equal(take_first(&h), 3);
	assert_int_equal(take_first(&h), 0);
	heap_finish(&h);
}

static void keys_may_wrap_around(void **state)
{
	struct heap h;

	(void)state;
	assert_int_equal(heap_init(&h, 3), 0);
	heap_put(&h, 0, 10, 0);
	heap_put(&h, 1, UINT64_MAX - 10, 0);
	heap_put(&h, 2, 10, HEAP_TIE_MAX);
	assert_int_equal(take_first(&h), 1);
	assert_int_equal(take_first(&h), 0);
	assert_int_equal(take_first(&h), 2);
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
			heap_put(&h, i, keys[i], 0);
		else
			heap_remove(&h, i);
		assert_int_equal(heap_has(&h, i), is_in[i]);
		for (uint32_t k = 0; k < MEMBERS; k++)
			if (is_in[k] && (first == HEAP_NONE || keys[k] < keys[first]))
				first = k;
		assert_int_equal(heap_first(&h), first);
	}
	heap_finish(&h);
}

static void an_empty_heap_is_a_heap(void **state)
{
	struct heap h = { 0 };

	(void)state;
	heap_finish(&h);
	assert_int_equal(heap_init(&h, 0), 0);
	assert_int_equal(heap_first(&h), HEAP_NONE);
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
