/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include <pthread.h>

static unsigned sessions(struct bed *st, size_t i)
{
	return pool_backend(st->pool, i)->sessions;
}

static void release_all(struct bed *st)
{
	for (size_t i = 0; i < pool_backends(st->pool); i++)
		while (sessions(st, i) > 0)
			pool_release(st->pool, pool_backend(st->pool, i));
}

static void the_one_with_the_fewest_is_picked(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1 1");

	for (int i = 0; i < 9; i++)
		assert_non_null(bed_pick(st));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sessions(st, i), 3);
	pool_release(st->pool, pool_backend(st->pool, 1));
	pool_release(st->pool, pool_backend(st->pool, 1));
	assert_int_equal(bed_pick(st)->index, 1);
	assert_int_equal(bed_pick(st)->index, 1);
	release_all(st);
}

static void places_count_from_the_pick_on(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1");

	/* None of these has connected yet. */
	for (int i = 0; i < 100; i++)
		assert_non_null(bed_pick(st));
	assert_int_equal(sessions(st, 0), 50);
	assert_int_equal(sessions(st, 1), 50);
	release_all(st);
}

static void weights_set_the_ratio_of_sessions(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 2 3 0");

	for (int i = 0; i < 600; i++)
		assert_non_null(bed_pick(st));
	assert_int_equal(sessions(st, 0), 100);
	assert_int_equal(sessions(st, 1), 200);
	assert_int_equal(sessions(st, 2), 300);
	assert_int_equal(sessions(st, 3), 0);
	release_all(st);
}

static void equal_ones_take_turns(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1 1 1");

	for (int i = 0; i < 20; i++)
		assert_int_equal(bed_index(st), i % 4);
}

static void one_that_fails_seems_to_have_more_for_a_while(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1 1");
	struct backend *returned;

	st->config.eject.window_ms = 10000;
	bed_start(st);
	for (int i = 0; i < 60; i++)
		assert_non_null(bed_pick(st));
	while (sessions(st, 0) > 0)
		pool_release(st->pool, pool_backend(st->pool, 0));
	(void)pool_on_connect(st->pool, pool_backend(st->pool, 0), HEALTH_FAILED, 1000);
	assert_int_equal(bed_index(st), 0); /* it seems to have the average of 13, and one */
	(void)pool_on_connect(st->pool, pool_backend(st->pool, 0), HEALTH_FAILED, 1001);
	assert_int_not_equal(bed_index(st), 0);
	assert_int_equal(pool_tick(st->pool, 1002, &returned), 11001);
	assert_int_equal(pool_tick(st->pool, 11001, &returned), POOL_NEVER);
	assert_int_equal(bed_index(st), 0);
	release_all(st);
}

static void the_tried_are_skipped(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1 1");
	struct pool_ask ask = { 0 };
	enum pool_answer why;

	for (unsigned i = 0; i < 3; i++) {
		struct backend *b = pool_pick(st->pool, &ask, &why);

		assert_int_equal(b->index, i);
		pool_release(st->pool, b);
		ask.tried[ask.tried_n++] = (uint16_t)i;
	}
	assert_null(pool_pick(st->pool, &ask, &why));
}

static void one_that_comes_back_without_slow_start_gets_all_until_it_is_level(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1");

	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_DOWN, 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(bed_pick(st)->index, 1);
	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_READY, 0);
	for (int i = 0; i < 49; i++)
		assert_int_equal(bed_pick(st)->index, 0);
	release_all(st);
}

static void one_in_slow_start_gets_a_tenth(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");
	struct backend *returned;

	st->config.slow_start_ms = 60000;
	bed_start(st);
	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_DOWN, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(bed_pick(st)->index, 1);
	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_READY, 0);
	pool_tick(st->pool, 1000, &returned);
	for (int i = 0; i < 100; i++)
		assert_non_null(bed_pick(st));
	assert_in_range(sessions(st, 0), 15, 20);

	/* Half the time later: 55 % of its weight. */
	pool_tick(st->pool, 31000, &returned);
	for (int i = 0; i < 110; i++)
		assert_non_null(bed_pick(st));
	assert_in_range(sessions(st, 0), 107, 113);
	pool_tick(st->pool, 61000, &returned);
	for (int i = 0; i < 90; i++)
		assert_non_null(bed_pick(st));
	assert_int_equal(sessions(st, 0), 200);
	release_all(st);
}

static void always_the_least_of_a_thousand(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "");
	uint32_t random = 3;

	for (unsigned i = 0; i < 1000; i++)
		bed_add(st, 1 + i % 7);
	bed_start(st);
	for (int n = 0; n < 20000; n++) {
		struct backend *b = bed_pick(st);

		for (unsigned i = 0; i < 1000; i++)
			assert_true((uint64_t)(sessions(st, i) + 1) * (1 + b->index % 7) >=
				    (uint64_t)sessions(st, b->index) * (1 + i % 7));
		random = random * 1664525 + 1013904223;
		b = pool_backend(st->pool, (random >> 8) % 1000);
		if (b->sessions > 0)
			pool_release(st->pool, b);
	}
	release_all(st);
}

#define WORKERS 4
#define PICKS 3000

static void *pick_and_keep(void *arg)
{
	for (int i = 0; i < PICKS; i++)
		assert_non_null(bed_pick(arg));
	return NULL;
}

static void workers_together_keep_exact_shares(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 2 3 4");
	pthread_t threads[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pick_and_keep, st), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(sessions(st, i), WORKERS * PICKS / 10 * (i + 1));
	release_all(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(the_one_with_the_fewest_is_picked),
		bed_test(places_count_from_the_pick_on),
		bed_test(weights_set_the_ratio_of_sessions),
		bed_test(equal_ones_take_turns),
		bed_test(one_that_fails_seems_to_have_more_for_a_while),
		bed_test(the_tried_are_skipped),
		bed_test(one_that_comes_back_without_slow_start_gets_all_until_it_is_level),
		bed_test(one_in_slow_start_gets_a_tenth),
		bed_test(always_the_least_of_a_thousand),
		bed_test(workers_together_keep_exact_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
