/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

static void release_all(struct bed *st)
{
	for (size_t i = 0; i < pool_backends(st->pool); i++)
		while (pool_backend(st->pool, i)->sessions > 0)
			pool_release(st->pool, pool_backend(st->pool, i));
}

static void backends_fill_in_order(void **state)
{
	struct bed *st = bed_new(state, BALANCE_FIRST, "");

	for (size_t i = 0; i < 200; i++) {
		bed_add(st, 1);
		st->backends[i].sessions_max = 3;
	}
	bed_start(st);
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(bed_pick(st)->index, i / 3);
	assert_int_equal(bed_index(st), -POOL_ALL_FULL);

	pool_release(st->pool, pool_backend(st->pool, 150));
	pool_release(st->pool, pool_backend(st->pool, 64));
	assert_int_equal(bed_pick(st)->index, 64);
	assert_int_equal(bed_pick(st)->index, 150);
	release_all(st);
}

static void without_a_limit_the_first_gets_all(void **state)
{
	struct bed *st = bed_of(state, BALANCE_FIRST, "0 1 5");

	for (int i = 0; i < 10; i++)
		assert_int_equal(bed_index(st), 1);
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	assert_int_equal(bed_index(st), 2);
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_READY, 0);
	assert_int_equal(bed_index(st), 1);
}

static void the_tried_are_skipped(void **state)
{
	struct bed *st = bed_of(state, BALANCE_FIRST, "1 1 1");
	struct pool_ask ask = { .tried = { 0, 2 }, .tried_n = 2 };
	enum pool_answer why;
	struct backend *b = pool_pick(st->pool, &ask, &why);

	assert_int_equal(b->index, 1);
	pool_release(st->pool, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(backends_fill_in_order),
		bed_test(without_a_limit_the_first_gets_all),
		bed_test(the_tried_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
