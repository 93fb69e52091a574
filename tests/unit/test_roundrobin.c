/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include <string.h>

static void assert_picks(struct bed *st, const char *expected)
{
	for (const char *p = expected; *p; p++)
		assert_int_equal(bed_index(st), *p - 'a');
}

static void equal_weights_take_turns(void **state)
{
	assert_picks(bed_of(state, BALANCE_ROUNDROBIN, "1 1 1"), "abcabcabc");
}

static void only_the_ratio_of_weights_counts(void **state)
{
	assert_picks(bed_of(state, BALANCE_ROUNDROBIN, "256 256 256"), "abcabcabc");
}

static void a_heavy_one_is_spread_between_the_light_ones(void **state)
{
	assert_picks(bed_of(state, BALANCE_ROUNDROBIN, "5 1 1"), "abaacaaabaacaa");
}

static void one_backend_gets_all(void **state)
{
	assert_picks(bed_of(state, BALANCE_ROUNDROBIN, "7"), "aaaaaaaaaa");
}

/*
 * After every single pick each backend is less than one session away from its
 * share, and after each whole cycle exactly on it.
 */
static void assert_smooth(struct bed *st, unsigned long cycles)
{
	unsigned long *count = calloc(st->config.backends_n, sizeof(*count));
	double sum = 0;

	for (size_t i = 0; i < st->config.backends_n; i++)
		sum += st->backends[i].weight;
	for (unsigned long n = 1; n <= cycles * (unsigned long)sum; n++) {
		int index = bed_index(st);

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
		assert_smooth(bed_of(state, BALANCE_ROUNDROBIN, weights[i]), 5);
		bed_teardown(state);
	}
}

static void random_weights_of_many_backends_are_met_exactly(void **state)
{
	uint32_t random = 1;

	for (int round = 0; round < 20; round++) {
		struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "");

		for (int i = 0; i < 5 + 5 * round; i++) {
			random = random * 1664525 + 1013904223;
			bed_add(st, random >> 24);
		}
		bed_start(st);
		assert_smooth(st, 1);
		bed_teardown(state);
	}
}

/*
 * In whole numbers, without any rounding: at pick m turn k of weight w may be
 * taken when k/w <= m/W, and nobody else who may be has an earlier (k+1)/w.
 */
static void assert_picks_in_order_of_windows(struct bed *st, unsigned long cycles)
{
	unsigned long turns[BED_BACKENDS_MAX] = { 0 }, sum = 0;

	for (size_t i = 0; i < st->config.backends_n; i++)
		sum += st->backends[i].weight;
	for (unsigned long m = 0; m < cycles * sum; m++) {
		int picked = bed_index(st);
		unsigned long weight = st->backends[picked].weight;

		assert_true(turns[picked] * sum <= m * weight);
		for (size_t i = 0; i < st->config.backends_n; i++)
			if (turns[i] * sum <= m * st->backends[i].weight)
				assert_true((turns[picked] + 1) * st->backends[i].weight <=
					    (turns[i] + 1) * weight);
		turns[picked]++;
	}
}

static void every_pick_is_of_the_open_window_that_closes_first(void **state)
{
	/* Windows open exactly at picks, at fractions that no binary number holds. */
	static const char *const weights[] = {
		"9 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"49 7 7 35",
		"55 11 33 5 6",
		"7 49 11 3 27",
	};

	for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
		assert_picks_in_order_of_windows(bed_of(state, BALANCE_ROUNDROBIN, weights[i]),
						 100);
		bed_teardown(state);
	}
}

static void a_thousand_backends_take_turns(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "");

	for (int i = 0; i < 1000; i++)
		bed_add(st, 1);
	bed_start(st);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(bed_index(st), i % 1000);
}

static void who_comes_back_does_not_catch_up(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	assert_picks(st, "acacacacacacac");
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_READY, 0);
	int count[3] = { 0 };

	for (int i = 0; i < 9; i++)
		count[bed_index(st)]++;
	for (int i = 0; i < 3; i++)
		assert_in_range(count[i], 2, 4);
}

static void coming_and_going_earns_nothing(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	struct backend *last = pool_backend(st->pool, 2);
	uint32_t random = 7;

	for (int round = 0; round < 1000; round++) {
		int count[3] = { 0 };

		for (int i = 0; i < 10; i++) {
			random = random * 1664525 + 1013904223;
			if (random >> 30 == 0)
				bed_index(st);
			else
				pool_set_state(st->pool, last,
					       random >> 31 ? BACKEND_READY : BACKEND_DOWN, 0);
		}
		pool_set_state(st->pool, last, BACKEND_READY, 0);
		for (int i = 0; i < 9; i++)
			count[bed_index(st)]++;
		for (int i = 0; i < 3; i++)
			assert_in_range(count[i], 2, 4);
	}
}

static void being_full_for_a_moment_does_not_earn_extra_turns(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 3");

	st->backends[0].sessions_max = 1; /* full whenever it is picked, free at once after */
	bed_start(st);
	assert_smooth(st, 20);
}

/* Wherever one begins to count: nobody is @limit sessions away from its share. */
static void assert_evenly_spread(struct bed *st, unsigned long picks, long limit)
{
	long count[8] = { 0 }, most[8] = { 0 }, least[8] = { 0 }, sum = 0;

	for (size_t i = 0; i < st->config.backends_n; i++)
		sum += st->backends[i].weight;
	for (unsigned long n = 1; n <= picks; n++) {
		count[bed_index(st)]++;
		for (size_t i = 0; i < st->config.backends_n; i++) {
			long off = count[i] * sum - (long)n * st->backends[i].weight;

			most[i] = MAX(most[i], off);
			least[i] = MIN(least[i], off);
			if (most[i] - least[i] >= limit * sum)
				fail_msg("b%zu is off by %ld/%ld within %lu picks", i,
					 most[i] - least[i], sum, n);
		}
	}
}

/*
 * Who was full when its turn came has lost that one, no more: afterwards it
 * has its next one within a cycle, and nobody's turns have moved together.
 */
static void who_was_full_has_its_next_turn_in_time(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "5 1 1 3 2");

	st->backends[1].sessions_max = 1;
	st->backends[2].sessions_max = 1;
	bed_start(st);
	for (int i = 0; i < 1000; i++) {
		struct backend *held[2];
		unsigned n = 0;

		for (int k = 0; k < 13; k++) {
			struct backend *b = bed_pick(st);

			if (b->config->sessions_max > 0)
				held[n++] = b;
			else
				pool_release(st->pool, b);
		}
		assert_int_equal(n, 2);
		for (int k = 0; k < 30; k++)
			bed_index(st);
		while (n > 0)
			pool_release(st->pool, held[--n]);
	}
	assert_evenly_spread(st, 1000, 2);
}

/* For a session that has tried all in @tried. */
static void assert_retry_picks(struct bed *st, const char *tried, const char *expected)
{
	struct pool_ask ask = { 0 };
	enum pool_answer why;
	struct backend *b;

	while (tried[ask.tried_n]) {
		ask.tried[ask.tried_n] = (uint16_t)(tried[ask.tried_n] - 'a');
		ask.tried_n++;
	}
	for (const char *p = expected; *p; p++) {
		b = pool_pick(st->pool, &ask, &why);
		assert_int_equal(b->index, *p - 'a');
		pool_release(st->pool, b);
	}
}

static void a_tried_one_keeps_its_turn(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	assert_retry_picks(st, "a", "b");
	assert_picks(st, "acabc");
}

static void a_tried_one_comes_before_those_picked_instead(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1 10");
	int count[4] = { 0 };

	assert_retry_picks(st, "acd", "bb"); /* b has had its second turn, too */
	for (int i = 2; i < 26; i++)
		count[bed_index(st)]++;
	assert_int_equal(count[0], 2);
	assert_int_equal(count[1], 0);
	assert_int_equal(count[2], 2);
}

static void tried_ones_that_are_due_do_not_lose_time(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "5 1 1");

	assert_retry_picks(st, "bc", "aaa");
	assert_picks(st, "bcaa"
			 "abaacaa");
}

/* Of so many picks of sessions that have tried nobody. */
static unsigned turns_of(struct bed *st, unsigned index, unsigned picks)
{
	unsigned n = 0;

	while (picks-- > 0)
		n += (unsigned)bed_index(st) == index;
	return n;
}

static void a_tried_one_does_not_make_up_for_all_that_it_missed(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1");

	for (int i = 0; i < 1000; i++)
		assert_retry_picks(st, "a", "b");
	assert_in_range(turns_of(st, 0, 100), 50, 52);
}

/* Though the light one stood in for it again and again, far beyond its own share. */
static void a_light_one_that_stood_in_does_not_wait_for_long(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "256 1");

	for (int i = 0; i < 1000; i++)
		if (bed_index(st) == 0)
			assert_retry_picks(st, "a", "b");
	assert_in_range(turns_of(st, 1, 5 * 257), 3, 5);
}

static void set_weight(struct bed *st, unsigned index, unsigned weight)
{
	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, index), weight), 0);
	st->backends[index].weight = weight;
}

static void a_turn_comes_nearer_with_a_greater_weight(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 256");

	while (bed_index(st) != 0)
		;
	set_weight(st, 0, 256);
	assert_evenly_spread(st, 100, 2);
}

static void a_weight_may_change_while_its_backend_is_full(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 2 2");
	struct backend *held;

	st->backends[0].sessions_max = 1;
	bed_start(st);
	do {
		held = bed_pick(st);
		if (held->index != 0)
			pool_release(st->pool, held);
	} while (held->index != 0);
	set_weight(st, 0, 10);
	pool_release(st->pool, held);
	assert_evenly_spread(st, 1000, 2);
}

static void weights_may_change_for_ever(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	for (unsigned i = 0; i < 10000; i++) {
		set_weight(st, i % 3, 1 + i % POOL_WEIGHT_MAX);
		assert_in_range(bed_index(st), 0, 2);
	}
	for (unsigned i = 0; i < 3; i++)
		set_weight(st, i, 1 + i);
	assert_evenly_spread(st, 1000, 2);
}

static void churn_keeps_shares_close(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "2 2 2 2 1");
	unsigned long count[5] = { 0 };
	uint32_t random = 7;

	for (int i = 0; i < 90000; i++) {
		random = random * 1664525 + 1013904223;
		if (random >> 28 == 0)
			pool_set_state(st->pool, pool_backend(st->pool, 4), BACKEND_DOWN, 0);
		count[bed_index(st)]++;
		pool_set_state(st->pool, pool_backend(st->pool, 4), BACKEND_READY, 0);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], 19000, 21000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(equal_weights_take_turns),
		bed_test(only_the_ratio_of_weights_counts),
		bed_test(a_heavy_one_is_spread_between_the_light_ones),
		bed_test(one_backend_gets_all),
		bed_test(nobody_is_ever_a_session_away_from_its_share),
		bed_test(random_weights_of_many_backends_are_met_exactly),
		bed_test(every_pick_is_of_the_open_window_that_closes_first),
		bed_test(a_thousand_backends_take_turns),
		bed_test(who_comes_back_does_not_catch_up),
		bed_test(coming_and_going_earns_nothing),
		bed_test(being_full_for_a_moment_does_not_earn_extra_turns),
		bed_test(who_was_full_has_its_next_turn_in_time),
		bed_test(a_tried_one_keeps_its_turn),
		bed_test(a_tried_one_comes_before_those_picked_instead),
		bed_test(tried_ones_that_are_due_do_not_lose_time),
		bed_test(a_tried_one_does_not_make_up_for_all_that_it_missed),
		bed_test(a_light_one_that_stood_in_does_not_wait_for_long),
		bed_test(a_turn_comes_nearer_with_a_greater_weight),
		bed_test(a_weight_may_change_while_its_backend_is_full),
		bed_test(weights_may_change_for_ever),
		bed_test(churn_keeps_shares_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
