/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void who_comes_first_is_first(void **state)
{
	struct queue q;
	struct queue_node n[3];

	(void)state;
	queue_init(&q, 10, 1000);
	for (int i = 0; i < 3; i++)
		assert_true(queue_join(&q, &n[i], (uint64_t)i));
	assert_ptr_equal(queue_first(&q), &n[0]);
	assert_ptr_equal(queue_next(&q, &n[0]), &n[1]);
	assert_null(queue_next(&q, &n[2]));
	assert_int_equal(n[2].deadline_ms, 1002);
	queue_serve(&q, &n[0], 5);
	queue_leave(&q, &n[1]);
	assert_ptr_equal(queue_first(&q), &n[2]);
	queue_leave(&q, &n[1]); /* harmless */
	queue_serve(&q, &n[2], 6);
	assert_null(queue_first(&q));
	assert_int_equal(q.stats.served, 2);
	assert_int_equal(q.stats.gone, 1);
	assert_int_equal(q.stats.waiting, 0);
	assert_int_equal(q.stats.waiting_most, 3);
}

static void it_holds_so_many_and_no_more(void **state)
{
	struct queue q;
	struct queue_node n[3];

	(void)state;
	queue_init(&q, 2, 1000);
	assert_true(queue_join(&q, &n[0], 0));
	assert_true(queue_join(&q, &n[1], 0));
	assert_false(queue_join(&q, &n[2], 0));
	assert_int_equal(q.stats.refused, 1);
	queue_leave(&q, &n[0]);
	assert_true(queue_join(&q, &n[2], 0));
	queue_init(&q, 0, 1000);
	assert_false(queue_join(&q, &n[0], 0));
}

static void waits_are_counted_by_length(void **state)
{
	static const uint64_t waits[] = { 0, 1, 2, 3, 4, 1023, 1024, 1u << 30, UINT64_MAX / 4 };
	static const unsigned class[] = { 0, 1, 2, 2, 3, 10, 11, QUEUE_WAITS - 1, QUEUE_WAITS - 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct queue q;
		struct queue_node n;

		queue_init(&q, 1, 1000);
		assert_true(queue_join(&q, &n, 10));
		queue_serve(&q, &n, 10 + waits[i]);
		assert_int_equal(q.stats.waits[class[i]], 1);
		assert_int_equal(q.stats.held_waits[class[i]], 0);
		assert_true(queue_join_held(&q, &n, 1, UINT64_MAX, 10));
		queue_serve(&q, &n, 10 + waits[i]);
		assert_int_equal(q.stats.waits[class[i]], 2);
		assert_int_equal(q.stats.held_waits[class[i]], 1);
		assert_int_equal(q.stats.held_waited_ms, waits[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_first_is_first),
		cmocka_unit_test(it_holds_so_many_and_no_more),
		cmocka_unit_test(waits_are_counted_by_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
