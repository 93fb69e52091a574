/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_stage.h"

#include <string.h>

static void assert_picks(struct stage *st, const char *expected)
{
	for (const char *p = expected; *p; p++)
		assert_int_equal(stage_index(st), *p - 'a');
}

static void equal_weights_take_turns(void **state)
{
	assert_picks(stage_of(state, BALANCE_ROUNDROBIN, "1 1 1"), "abcabcabc");
}

static void only_the_ratio_of_weights_counts(void **state)
{
	assert_picks(stage_of(state, BALANCE_ROUNDROBIN, "256 256 256"), "abcabcabc");
}

static void a_heavy_one_is_spread_between_the_light_ones(void **state)
{
	assert_picks(stage_of(state, BALANCE_ROUNDROBIN, "5 1 1"), "abaacaaabaacaa");
}

static void one_backend_gets_all(void **state)
{
	assert_picks(stage_of(state, BALANCE_ROUNDROBIN, "7"), "aaaaaaaaaa");
}

/*
 * After every single pick each backend is less than one session away from its
 * share, and after each whole cycle exactly on it.
 */
static void assert_smooth(struct stage *st, unsigned long cycles)
{
	unsigned long *count = calloc(st->config.backends_n, sizeof(*count));
	double sum = 0;

	for (size_t i = 0; i < st->config.backends_n; i++)
		sum += st->backends[i].weight;
	for (unsigned long n = 1; n <= cycles * (unsigned long)sum; n++) {
		int index = stage_index(st);

		assert_in_range(index, 0, st->config.backends_n - 1);
		count[index]++;
		for (size_t i = 0; i < st->config.backends_n; i++) {
			double off = (double)count[i] - (double)n * st->backends[i].weight / sum;

			if (off <= -1 || off >= 1)
				fail_msg("b%zu is %f off after %lu picks", i, off, n);
			if (n % (unsigned long)sum == 0)
				assert_true(off > -1e-6 && off < 1e-6);
		}
	}
	free(count);
}

static void nobody_is_ever_a_session_away_from_its_share(void **state)
{
	static const char *const weights[] = {
		"1 1",
		"1 2 3",
		"1 1 1 7",
		"3 3 7",
		"5 1 1 1 1 1",
		"256 1",
		"256 255 254 1",
		"13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97",
		"256 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 128 64 32 16 8 4 2 1",
	};

	for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
		assert_smooth(stage_of(state, BALANCE_ROUNDROBIN, weights[i]), 5);
		stage_teardown(state);
	}
}

static void random_weights_of_many_backends_are_met_exactly(void **state)
{
	uint32_t random = 1;

	for (int round = 0; round < 20; round++) {
		struct stage *st = stage_new(state, BALANCE_ROUNDROBIN, "");

		for (int i = 0; i < 5 + 5 * round; i++) {
			random = random * 1664525 + 1013904223;
			stage_add(st, random >> 24);
		}
		stage_start(st);
		assert_smooth(st, 1);
		stage_teardown(state);
	}
}

static void a_thousand_backends_take_turns(void **state)
{
	struct stage *st = stage_new(state, BALANCE_ROUNDROBIN, "");

	for (int i = 0; i < 1000; i++)
		stage_add(st, 1);
	stage_start(st);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(stage_index(st), i % 1000);
}

static void who_comes_back_does_not_catch_up(void **state)
{
	struct stage *st = stage_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN);
	assert_picks(st, "acacacacacacac");
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_READY);
	int count[3] = { 0 };

	for (int i = 0; i < 9; i++)
		count[stage_index(st)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(count[i], 2, 4);
}

static void being_full_for_a_moment_does_not_earn_extra_turns(void **state)
{
	struct stage *st = stage_new(state, BALANCE_ROUNDROBIN, "1 3");

	st->backends[0].sessions_max = 1; /* full whenever it is picked, free at once after */
	stage_start(st);
	assert_smooth(st, 20);
}

static void a_tried_one_keeps_its_turn(void **state)
{
	struct stage *st = stage_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	struct pool_ask ask = { .tried = { 0 }, .tried_n = 1 };
	enum pool_answer why;
	struct backend *b = pool_pick(st->pool, &ask, &why);

	assert_int_equal(b->index, 1);
	pool_release(st->pool, b);
	assert_picks(st, "acabc");
}

static void churn_keeps_shares_close(void **state)
{
	struct stage *st = stage_of(state, BALANCE_ROUNDROBIN, "2 2 2 2 1");
	unsigned long count[5] = { 0 };
	uint32_t random = 7;

	for (int i = 0; i < 90000; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 28 == 0)
			pool_set_state(st->pool, pool_backend(st->pool, 4), BACKEND_DOWN);
		count[stage_index(st)]++;
		pool_set_state(st->pool, pool_backend(st->pool, 4), BACKEND_READY);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], 19000, 21000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(equal_weights_take_turns),
		stage_test(only_the_ratio_of_weights_counts),
		stage_test(a_heavy_one_is_spread_between_the_light_ones),
		stage_test(one_backend_gets_all),
		stage_test(nobody_is_ever_a_session_away_from_its_share),
		stage_test(random_weights_of_many_backends_are_met_exactly),
		stage_test(a_thousand_backends_take_turns),
		stage_test(who_comes_back_does_not_catch_up),
		stage_test(being_full_for_a_moment_does_not_earn_extra_turns),
		stage_test(a_tried_one_keeps_its_turn),
		stage_test(churn_keeps_shares_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
