/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include <math.h>

static struct bed *seeded(struct bed *st)
{
	pool_seed(st->pool, 42);
	return st;
}

static void assert_near(double value, double expected, double sigmas)
{
	if (fabs(value - expected) > sigmas * sqrt(expected) + 1)
		fail_msg("%f is not near %f", value, expected);
}

/* With no load both draws are equal and the first one counts. */
static void without_load_shares_go_by_weight(void **state)
{
	static const double weights[] = { 1, 2, 3, 0, 4 };
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "1 2 3 0 4"));
	double count[5] = { 0 };

	for (int i = 0; i < 40000; i++)
		count[bed_index(st)]++;
	for (int i = 0; i < 5; i++)
		assert_near(count[i], 4000 * weights[i], 5);
}

/* Trees of every shape: full, with one too many, with one too few; some of it out for a while. */
static void shares_go_by_weight_in_pools_of_any_size(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 257 };

	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct bed *st = bed_new(state, BALANCE_RANDOM, "");
		double count[257] = { 0 }, sum = 0;
		size_t n = sizes[s];

		for (size_t i = 0; i < n; i++)
			bed_add(st, 1 + (unsigned)(i * 7 % 5));
		bed_start(st);
		seeded(st);
		for (size_t i = 0; i < n; i += 2)
			pool_set_state(st->pool, pool_backend(st->pool, i), BACKEND_DOWN, 0);
		for (size_t i = 0; i < n; i += 4)
			pool_set_state(st->pool, pool_backend(st->pool, i), BACKEND_READY, 0);
		for (size_t i = 0; i < n; i++)
			sum += i % 4 == 2 ? 0 : st->backends[i].weight;
		for (int k = 0; k < 40000; k++)
			count[bed_index(st)]++;
		for (size_t i = 0; i < n; i++)
			assert_near(count[i], i % 4 == 2 ? 0 : 40000 * st->backends[i].weight / sum,
				    5);
		bed_teardown(state);
	}
}

/*
 * The other one goes by weight among those that are left. The first backend
 * is so loaded that it never wins, the others are level: who was drawn first
 * of them, or as the other one, is picked. 8/12 * 1/4 + 1/12 = 1/4.
 */
static void the_second_draw_goes_by_weight_too(void **state)
{
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "8 1 3"));
	double count[3] = { 0 };

	for (int i = 0; i < 100; i++)
		assert_true(pool_take(st->pool, pool_backend(st->pool, 0)->id, 0));
	for (int i = 0; i < 40000; i++)
		count[bed_index(st)]++;
	assert_near(count[0], 0, 0);
	assert_near(count[1], 10000, 5);
	assert_near(count[2], 30000, 5);
	for (int i = 0; i < 100; i++)
		pool_release(st->pool, pool_backend(st->pool, 0));
}

/* Balls into bins with two choices: the fullest is ln ln n / ln 2 above the average, not ln n. */
static void the_better_of_two_keeps_loads_even(void **state)
{
	struct bed *st = bed_new(state, BALANCE_RANDOM, "");
	unsigned most = 0, least = UINT32_MAX;

	for (int i = 0; i < 1000; i++)
		bed_add(st, 1);
	bed_start(st);
	seeded(st);
	for (int i = 0; i < 100000; i++)
		assert_non_null(bed_pick(st));
	for (size_t i = 0; i < 1000; i++) {
		struct backend *b = pool_backend(st->pool, i);

		most = MAX(most, b->sessions);
		least = MIN(least, b->sessions);
		while (b->sessions > 0)
			pool_release(st->pool, b);
	}
	assert_in_range(most, 100, 104);
	assert_in_range(least, 92, 100);
}

static void loads_follow_the_weights(void **state)
{
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "1 2 3 4 256"));

	for (int i = 0; i < 26600; i++)
		assert_non_null(bed_pick(st));
	for (size_t i = 0; i < 5; i++) {
		struct backend *b = pool_backend(st->pool, i);
		unsigned fair = 100 * st->backends[i].weight;

		assert_in_range(b->sessions, fair * 95 / 100 - 1, fair * 105 / 100 + 1);
		while (b->sessions > 0)
			pool_release(st->pool, b);
	}
}

static void two_different_ones_are_compared(void **state)
{
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "1 1"));

	/* Of two backends both are always drawn: the less loaded one wins each time. */
	for (int i = 0; i < 1000; i++) {
		assert_non_null(bed_pick(st));
		assert_true(abs((int)pool_backend(st->pool, 0)->sessions -
				(int)pool_backend(st->pool, 1)->sessions) <= 1);
	}
	for (size_t i = 0; i < 2; i++)
		while (pool_backend(st->pool, i)->sessions > 0)
			pool_release(st->pool, pool_backend(st->pool, i));
}

static void the_tried_are_skipped_and_stay_in(void **state)
{
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "1 1 1 1 1 1 1 1 1"));
	enum pool_answer why;

	for (int round = 0; round < 200; round++) {
		struct pool_ask ask = { 0 };
		unsigned seen = 0;

		for (unsigned i = 0; i < POOL_TRIES_MAX; i++) {
			struct backend *b = pool_pick(st->pool, &ask, &why);

			assert_false(seen & BIT(b->index));
			seen |= BIT(b->index);
			ask.tried[ask.tried_n++] = (uint16_t)b->index;
			pool_release(st->pool, b);
		}
		pool_release(st->pool, pool_pick(st->pool, &ask, &why));
		assert_int_equal(why, POOL_PICKED);
	}
}

static void one_backend_needs_no_second(void **state)
{
	struct bed *st = seeded(bed_of(state, BALANCE_RANDOM, "0 3 0"));

	for (int i = 0; i < 100; i++)
		assert_int_equal(bed_index(st), 1);
}

static void different_pools_decide_differently(void **state)
{
	struct bed *a = bed_of(state, BALANCE_RANDOM, "1 1 1 1 1 1 1 1 1 1");
	void *other = NULL;
	struct bed *b = bed_of(&other, BALANCE_RANDOM, "1 1 1 1 1 1 1 1 1 1");
	int same = 0;

	for (int i = 0; i < 1000; i++)
		same += bed_index(a) == bed_index(b);
	assert_in_range(same, 0, 300);
	bed_teardown(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(without_load_shares_go_by_weight),
		bed_test(shares_go_by_weight_in_pools_of_any_size),
		bed_test(the_second_draw_goes_by_weight_too),
		bed_test(the_better_of_two_keeps_loads_even),
		bed_test(loads_follow_the_weights),
		bed_test(two_different_ones_are_compared),
		bed_test(the_tried_are_skipped_and_stay_in),
		bed_test(one_backend_needs_no_second),
		bed_test(different_pools_decide_differently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
