/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include "balance/maglev_table.h"
#include "base/hash.h"

#include <math.h>

static uint64_t key_of(uint64_t n)
{
	return hash_bytes(&n, sizeof(n), 0);
}

/* Who owns each slot, of backends that are called b0, b1, ... with these weights. */
static uint16_t *table_of(const unsigned *weights, size_t n, uint32_t slots_n)
{
	struct maglev_name *names = calloc(n, sizeof(*names));
	char(*texts)[32] = calloc(n, sizeof(*texts));
	uint16_t *slots = calloc(slots_n, sizeof(*slots));

	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "b%zu", i);
		names[i] = (struct maglev_name){ texts[i], (uint16_t)i, weights[i] };
	}
	assert_int_equal(maglev_build(slots, slots_n, names, n), 0);
	free(names);
	free(texts);
	return slots;
}

static void count_slots(const uint16_t *slots, uint32_t slots_n, unsigned *count, size_t n)
{
	memset(count, 0, n * sizeof(*count));
	for (uint32_t i = 0; i < slots_n; i++) {
		assert_in_range(slots[i], 0, n - 1);
		count[slots[i]]++;
	}
}

/* Slots whose owner differs, in percent; *ret_needless: though the former owner is still there. */
static double changed(const uint16_t *before, const uint16_t *after, uint32_t slots_n,
		      const unsigned *weights, double *ret_needless)
{
	uint32_t all = 0, needless = 0;

	for (uint32_t i = 0; i < slots_n; i++) {
		all += before[i] != after[i];
		needless += before[i] != after[i] && weights[before[i]] > 0;
	}
	*ret_needless = 100.0 * needless / slots_n;
	return 100.0 * all / slots_n;
}

/* The bars: evenness and disruption when @fail of @n backends go. */
static void tables_are_even_and_change_little(void **state)
{
	static const struct {
		size_t n;
		uint32_t slots_n;
		size_t fail;
		unsigned least, most;
		double changed, needless;
	} bars[] = {
		{ 3, 65537, 1, 21845, 21846, 33.41, 0.08 },
		{ 5, 65537, 1, 13107, 13108, 20.11, 0.11 },
		{ 10, 65537, 1, 6553, 6554, 10.23, 0.23 },
		{ 10, 65537, 2, 6553, 6554, 20.21, 0.21 },
		{ 100, 65537, 1, 655, 656, 1.58, 0.58 },
		{ 100, 65537, 5, 655, 656, 5.86, 0.86 },
		{ 1000, 65537, 1, 65, 66, 0.70, 0.60 },
		{ 1000, 65537, 10, 65, 66, 3.38, 2.37 },
		{ 1000, 655373, 1, 655, 656, 0.43, 0.33 },
		{ 1000, 655373, 10, 655, 656, 1.58, 0.58 },
	};
	unsigned weights[1000], count[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bars); i++) {
		uint32_t slots_n = bars[i].slots_n;
		uint16_t *before, *after;
		double all, needless;

		for (size_t k = 0; k < bars[i].n; k++)
			weights[k] = 1;
		before = table_of(weights, bars[i].n, slots_n);
		count_slots(before, slots_n, count, bars[i].n);
		for (size_t k = 0; k < bars[i].n; k++)
			assert_in_range(count[k], bars[i].least, bars[i].most);

		for (size_t k = 0; k < bars[i].fail; k++)
			weights[k * bars[i].n / bars[i].fail] = 0;
		after = table_of(weights, bars[i].n, slots_n);
		all = changed(before, after, slots_n, weights, &needless);
		print_message("%4zu backends, %6u slots, %2zu fail: %5.2f %% changed (%5.2f), "
			      "%4.2f %% needless (%4.2f)\n",
			      bars[i].n, slots_n, bars[i].fail, all, bars[i].changed, needless,
			      bars[i].needless);
		/* Another hash function, other luck: a fifth more is the same bar. */
		assert_true(needless <= bars[i].needless * 1.2 + 0.05);
		free(before);
		free(after);
	}
}

static void weights_are_met(void **state)
{
	static const struct {
		unsigned weights[8];
		size_t n;
	} cases[] = {
		{ { 1, 2, 3 }, 3 },
		{ { 1, 1, 1, 7 }, 4 },
		{ { 256, 1 }, 2 },
		{ { 0, 5, 0, 5 }, 4 },
		{ { 255, 256, 254, 1, 2, 3, 128, 64 }, 8 },
	};
	unsigned count[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint16_t *slots = table_of(cases[i].weights, cases[i].n, 65537);
		double sum = 0;

		for (size_t k = 0; k < cases[i].n; k++)
			sum += cases[i].weights[k];
		count_slots(slots, 65537, count, cases[i].n);
		/* To one slot, which is 0.0015 %. */
		for (size_t k = 0; k < cases[i].n; k++)
			assert_true(fabs(count[k] - 65537 * cases[i].weights[k] / sum) <= 1);
		free(slots);
	}
}

static void a_change_of_weights_moves_what_it_must(void **state)
{
	unsigned weights[500];
	uint16_t *before, *after;
	double all, unused;

	(void)state;
	for (size_t i = 0; i < 500; i++)
		weights[i] = 1;
	before = table_of(weights, 500, 65537);
	for (size_t i = 0; i < 25; i++)
		weights[i * 20] = 127;
	after = table_of(weights, 500, 65537);
	all = changed(before, after, 65537, weights, &unused);
	print_message("25 of 500 from weight 1 to 127: %.2f %% changed (81.99 at best)\n", all);
	assert_true(all >= 81 && all <= 83.0);
	free(before);
	free(after);
}

static void order_in_the_file_does_not_matter(void **state)
{
	static const char *const one[] = { "alpha", "beta", "gamma", "delta" };
	static const char *const other[] = { "delta", "alpha", "gamma", "beta" };
	struct maglev_name names[2][4];
	uint16_t *slots[2];

	(void)state;
	for (int t = 0; t < 2; t++) {
		for (uint16_t i = 0; i < 4; i++)
			names[t][i] =
				(struct maglev_name){ (t ? other : one)[i], i,
						      (t ? other : one)[i][0] == 'b' ? 2 : 3 };
		slots[t] = calloc(65537, sizeof(**slots));
		assert_int_equal(maglev_build(slots[t], 65537, names[t], 4), 0);
	}
	for (uint32_t i = 0; i < 65537; i++)
		assert_string_equal(one[slots[0][i]], other[slots[1][i]]);
	free(slots[0]);
	free(slots[1]);
}

static void nobody_leaves_the_table_empty(void **state)
{
	unsigned weights[2] = { 0, 0 };
	uint16_t *slots = table_of(weights, 2, 65537);

	(void)state;
	for (uint32_t i = 0; i < 65537; i++)
		assert_int_equal(slots[i], MAGLEV_EMPTY);
	free(slots);
}

/* ---- the balancer ---- */

static int index_of(struct bed *st, uint64_t key)
{
	struct pool_ask ask = { .key = key };
	enum pool_answer why;
	struct backend *b = pool_pick(st->pool, &ask, &why);

	if (!b)
		return -(int)why;
	pool_release(st->pool, b);
	return (int)b->index;
}

static struct bed *bed_of_many(void **state, size_t n)
{
	struct bed *st = bed_new(state, BALANCE_MAGLEV, "");

	for (size_t i = 0; i < n; i++)
		bed_add(st, 1);
	bed_start(st);
	return st;
}

#define KEYS 20000

static void a_key_stays_where_it_is(void **state)
{
	struct bed *st = bed_of_many(state, 10);
	struct pool_route route;

	for (uint64_t k = 0; k < KEYS; k++) {
		struct pool_ask ask = { .key = key_of(k) };

		assert_true(pool_route(st->pool, &ask, &route));
		assert_int_equal(route.home, route.chosen);
		assert_int_equal(route.steps, 0);
		assert_int_equal(route.slots, 65537);
		assert_int_equal(index_of(st, ask.key), route.home);
	}
}

static void who_fails_moves_only_its_own_keys_and_they_come_home(void **state)
{
	struct bed *st = bed_of_many(state, 10);
	int home[KEYS];
	unsigned moved_to[10] = { 0 }, moved = 0;

	for (uint64_t k = 0; k < KEYS; k++)
		home[k] = index_of(st, key_of(k));
	pool_set_state(st->pool, pool_backend(st->pool, 3), BACKEND_DOWN, 0);
	pool_set_state(st->pool, pool_backend(st->pool, 7), BACKEND_DOWN, 0);
	for (uint64_t k = 0; k < KEYS; k++) {
		int index = index_of(st, key_of(k));

		if (home[k] != 3 && home[k] != 7) {
			assert_int_equal(index, home[k]);
			continue;
		}
		assert_true(index != 3 && index != 7);
		moved_to[index]++;
		moved++;
	}
	/* Spread evenly over the others. */
	for (unsigned i = 0; i < 10; i++)
		if (i != 3 && i != 7)
			assert_in_range(moved_to[i], moved / 8 * 8 / 10, moved / 8 * 12 / 10);

	pool_set_state(st->pool, pool_backend(st->pool, 3), BACKEND_READY, 0);
	pool_set_state(st->pool, pool_backend(st->pool, 7), BACKEND_READY, 0);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_int_equal(index_of(st, key_of(k)), home[k]);
}

static void a_weight_of_zero_at_run_time_moves_only_its_own_keys(void **state)
{
	struct bed *st = bed_of_many(state, 5);
	uint64_t digest = pool_digest(st->pool);
	int home[KEYS];

	for (uint64_t k = 0; k < KEYS; k++)
		home[k] = index_of(st, key_of(k));
	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, 2), 0), 0);
	for (uint64_t k = 0; k < KEYS; k++) {
		int index = index_of(st, key_of(k));

		assert_true(home[k] == 2 ? index != 2 : index == home[k]);
	}
	assert_true(pool_digest(st->pool) == digest);
	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, 2), 1), 0);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_int_equal(index_of(st, key_of(k)), home[k]);
}

static void a_new_weight_builds_the_table_that_a_restart_would(void **state)
{
	struct bed *st = bed_of(state, BALANCE_MAGLEV, "1 1 1");
	uint64_t digest = pool_digest(st->pool);
	void *other = NULL;

	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, 1), 5), 0);
	assert_true(pool_digest(st->pool) != digest);
	digest = pool_digest(bed_of(&other, BALANCE_MAGLEV, "1 5 1")->pool);
	assert_true(pool_digest(st->pool) == digest);
	bed_teardown(&other);
}

static void digests_agree_whatever_the_order(void **state)
{
	struct bed *st = bed_new(state, BALANCE_MAGLEV, "1 2 3");
	void *other = NULL;
	struct bed *st2 = bed_new(&other, BALANCE_MAGLEV, "3 2 1");

	snprintf(st2->backends[0].name, 8, "b2");
	snprintf(st2->backends[2].name, 8, "b0");
	bed_start(st);
	bed_start(st2);
	assert_true(pool_digest(st->pool) == pool_digest(st2->pool));
	for (uint64_t k = 0; k < KEYS; k++)
		assert_string_equal(st->backends[index_of(st, key_of(k))].name,
				    st2->backends[index_of(st2, key_of(k))].name);
	bed_teardown(&other);
}

/* Other releases, other machines: keys must not move by themselves. */
static void the_digest_of_three_is_known(void **state)
{
	assert_true(pool_digest(bed_of(state, BALANCE_MAGLEV, "1 1 1")->pool) ==
		    0x600a8fb8f6ceae0e);
}

static void the_size_of_the_table_fits_the_number_of_backends(void **state)
{
	static const struct {
		size_t n;
		unsigned slots;
	} cases[] = { { 3, 65537 }, { 655, 65537 }, { 656, 655373 }, { 1000, 655373 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bed *st = bed_of_many(state, cases[i].n);
		struct pool_route route;
		struct pool_ask ask = { 0 };

		assert_true(pool_route(st->pool, &ask, &route));
		assert_int_equal(route.slots, cases[i].slots);
		bed_teardown(state);
	}
}

static void the_last_of_a_thousand_gets_everything(void **state)
{
	struct bed *st = bed_new(state, BALANCE_MAGLEV, "");

	for (size_t i = 0; i < 1000; i++)
		bed_add(st, i == 500 ? 1 : 256); /* so light that it has hardly a slot */
	bed_start(st);
	for (unsigned i = 0; i < 1000; i++)
		if (i != 500)
			pool_set_state(st->pool, pool_backend(st->pool, i), BACKEND_DOWN, 0);
	for (uint64_t k = 0; k < 100; k++)
		assert_int_equal(index_of(st, key_of(k)), 500);
	pool_set_state(st->pool, pool_backend(st->pool, 500), BACKEND_DOWN, 0);
	assert_int_equal(index_of(st, 1), -POOL_NONE_READY);
}

static void the_tried_are_skipped_in_the_keys_own_order(void **state)
{
	struct bed *st = bed_of_many(state, 9);
	enum pool_answer why;

	for (uint64_t k = 0; k < 1000; k++) {
		int order[POOL_TRIES_MAX];

		/* The same order every time, each backend once. */
		for (int round = 0; round < 2; round++) {
			struct pool_ask ask = { .key = key_of(k) };
			unsigned seen = 0;

			for (unsigned i = 0; i < POOL_TRIES_MAX; i++) {
				struct backend *b = pool_pick(st->pool, &ask, &why);

				assert_false(seen & BIT(b->index));
				seen |= BIT(b->index);
				assert_true(round == 0 || order[i] == (int)b->index);
				order[i] = (int)b->index;
				ask.tried[ask.tried_n++] = (uint16_t)b->index;
				pool_release(st->pool, b);
			}
		}
	}
}

/* Zipf with exponent 1: the n-th key comes 1/n as often as the first. */
static uint64_t zipf(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return (uint64_t)exp((*random >> 8) / 16777216.0 * log(10000));
}

static void bounded_load_holds_at_every_instant(void **state)
{
	static const char *const pools[] = { "1 1 1 1 1 1 1 1 1 1", "1 2 3 4 5 6 7 8", "1 1 1",
					     "256 1 1 1" };
	enum { HELD = 3000 };
	struct backend *held[HELD] = { NULL };
	uint32_t random = 5;

	for (size_t p = 0; p < ARRAY_LEN(pools); p++) {
		struct bed *st = bed_new(state, BALANCE_MAGLEV, pools[p]);
		unsigned sessions = 0, weight = 0;

		st->config.hash_balance_percent = 125;
		bed_start(st);
		for (size_t i = 0; i < st->config.backends_n; i++)
			weight += st->backends[i].weight;
		for (int n = 0; n < 30000; n++) {
			struct pool_ask ask = { .key = key_of(zipf(&random)) };
			unsigned at = (random >> 9) % HELD;
			enum pool_answer why;
			double bound;

			if (held[at]) {
				pool_release(st->pool, held[at]);
				sessions--;
			}
			held[at] = pool_pick(st->pool, &ask, &why);
			assert_non_null(held[at]);
			sessions++;
			bound = ceil(1.25 * sessions * held[at]->config->weight / weight - 1e-9);
			assert_true(held[at]->sessions <= bound);
		}
		for (size_t i = 0; i < HELD; i++)
			if (held[i])
				pool_release(st->pool, held[i]);
		memset(held, 0, sizeof(held));
		bed_teardown(state);
	}
}

/* While sessions only come, nobody is ever above the bound, whoever was picked last. */
static void the_fullest_of_all_stays_below_the_bound_while_sessions_come(void **state)
{
	static const unsigned bounds[] = { 100, 125, 200 };
	uint32_t random = 7;

	for (size_t k = 0; k < ARRAY_LEN(bounds); k++) {
		struct bed *st = bed_new(state, BALANCE_MAGLEV, "");
		unsigned most = 0;

		for (size_t i = 0; i < 100; i++)
			bed_add(st, 1);
		st->config.hash_balance_percent = bounds[k];
		bed_start(st);
		for (unsigned n = 1; n <= 20000; n++) {
			struct pool_ask ask = { .key = key_of(zipf(&random)) };
			enum pool_answer why;
			struct backend *b = pool_pick(st->pool, &ask, &why);

			most = MAX(most, b->sessions);
			assert_in_range(most, 1, (bounds[k] * n + 9999) / 10000);
		}
		for (size_t i = 0; i < 100; i++)
			while (pool_backend(st->pool, i)->sessions > 0)
				pool_release(st->pool, pool_backend(st->pool, i));
		bed_teardown(state);
	}
}

static void without_a_bound_a_hot_key_stays_together(void **state)
{
	struct bed *st = bed_of_many(state, 5);
	struct pool_ask ask = { .key = key_of(1) };
	enum pool_answer why;
	struct backend *b = pool_pick(st->pool, &ask, &why);

	for (int i = 0; i < 99; i++)
		assert_ptr_equal(pool_pick(st->pool, &ask, &why), b);
	for (int i = 0; i < 100; i++)
		pool_release(st->pool, b);
}

static void the_bound_gives_way_when_all_within_it_were_tried(void **state)
{
	struct bed *st = bed_new(state, BALANCE_MAGLEV, "1 1");
	struct pool_ask ask = { .key = key_of(1) };
	enum pool_answer why;
	struct backend *b, *other;

	st->config.hash_balance_percent = 100;
	bed_start(st);
	b = pool_pick(st->pool, &ask, &why);
	/* The other one is next by the bound; but it was tried. */
	ask.tried[ask.tried_n++] = (uint16_t)(1 - b->index);
	other = pool_pick(st->pool, &ask, &why);
	assert_ptr_equal(other, b);
	pool_release(st->pool, b);
	pool_release(st->pool, b);
}

static void a_backup_tier_takes_over_only_what_it_must(void **state)
{
	struct bed *st = bed_new(state, BALANCE_MAGLEV, "1 1 1 1 1");
	int home[KEYS];

	st->backends[3].tier = st->backends[4].tier = 1;
	st->config.tier_ready_min = 2;
	bed_start(st);
	for (uint64_t k = 0; k < KEYS; k++) {
		home[k] = index_of(st, key_of(k));
		assert_in_range(home[k], 0, 2);
	}
	/* Two of three are enough: they share the keys of the third. */
	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_DOWN, 0);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_in_range(index_of(st, key_of(k)), 1, 2);
	/* One is too few: its own keys stay, the backups take the rest. */
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	for (uint64_t k = 0; k < KEYS; k++) {
		int index = index_of(st, key_of(k));

		assert_true(home[k] == 2 ? index == 2 : index >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(tables_are_even_and_change_little),
		bed_test(weights_are_met),
		bed_test(a_change_of_weights_moves_what_it_must),
		bed_test(order_in_the_file_does_not_matter),
		bed_test(nobody_leaves_the_table_empty),
		bed_test(a_key_stays_where_it_is),
		bed_test(who_fails_moves_only_its_own_keys_and_they_come_home),
		bed_test(a_weight_of_zero_at_run_time_moves_only_its_own_keys),
		bed_test(a_new_weight_builds_the_table_that_a_restart_would),
		bed_test(digests_agree_whatever_the_order),
		bed_test(the_digest_of_three_is_known),
		bed_test(the_size_of_the_table_fits_the_number_of_backends),
		bed_test(the_last_of_a_thousand_gets_everything),
		bed_test(the_tried_are_skipped_in_the_keys_own_order),
		bed_test(bounded_load_holds_at_every_instant),
		bed_test(the_fullest_of_all_stays_below_the_bound_while_sessions_come),
		bed_test(without_a_bound_a_hot_key_stays_together),
		bed_test(the_bound_gives_way_when_all_within_it_were_tried),
		bed_test(a_backup_tier_takes_over_only_what_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
