/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bucket.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS 1000000ull

static void a_burst_goes_through_and_then_the_rate(void **state)
{
	const struct bucket_rate rate = { .per_second = 10, .burst = 3 };
	struct bucket b = { 0 };
	uint64_t now = 5000 * MS;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(bucket_take(&b, &rate, 1, now));
	assert_false(bucket_take(&b, &rate, 1, now));
	assert_int_equal(bucket_wait_ns(&b, &rate, 1, now), 100 * MS);
	assert_false(bucket_take(&b, &rate, 1, now + 100 * MS - 1));
	assert_true(bucket_take(&b, &rate, 1, now + 100 * MS));
	assert_false(bucket_take(&b, &rate, 1, now + 100 * MS));
}

static void it_never_holds_more_than_the_burst(void **state)
{
	const struct bucket_rate rate = { .per_second = 1000, .burst = 5 };
	struct bucket b = { 0 };
	int taken = 0;

	(void)state;
	assert_true(bucket_take(&b, &rate, 1, 1000 * MS));
	while (bucket_take(&b, &rate, 1, 3600000 * MS))
		taken++;
	assert_int_equal(taken, 5);
}

static void the_rate_is_met_and_not_exceeded(void **state)
{
	static const uint64_t rates[] = { 1, 3, 7, 1000, 123456 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		const struct bucket_rate rate = { .per_second = rates[i], .burst = 1 };
		struct bucket b = { 0 };
		uint64_t now = 0, taken = 0;

		while (now < 10000 * MS) {
			uint64_t wait = bucket_wait_ns(&b, &rate, 1, now);

			if (wait == 0) {
				assert_true(bucket_take(&b, &rate, 1, now));
				taken++;
			}
			now += wait;
		}
		assert_in_range(taken, rates[i] * 10 * 999 / 1000, rates[i] * 10 + 1);
	}
}

static void more_than_it_holds_empties_it_for_long(void **state)
{
	const struct bucket_rate rate = { .per_second = 1000, .burst = 100 };
	struct bucket b = { 0 };

	(void)state;
	assert_true(bucket_take(&b, &rate, 1000, 0));
	assert_int_equal(bucket_wait_ns(&b, &rate, 1, 0), 901 * MS);
	assert_false(bucket_take(&b, &rate, 1000, 999 * MS));
	assert_true(bucket_take(&b, &rate, 1000, 1000 * MS));
}

static void what_is_done_already_is_paid_later(void **state)
{
	const struct bucket_rate rate = { .per_second = 1000000, .burst = 65536 };
	struct bucket b = { 0 };

	(void)state;
	bucket_spend(&b, &rate, 1000000, 0);
	assert_int_equal(bucket_wait_ns(&b, &rate, 65536, 999 * MS), MS);
	assert_int_equal(bucket_wait_ns(&b, &rate, 65536, 1000 * MS), 0);
	assert_int_equal(bucket_wait_ns(&b, &rate, 65536, 0), 1000 * MS);
}

static void without_a_rate_there_is_no_limit(void **state)
{
	const struct bucket_rate rate = { 0 };
	struct bucket b = { 0 };

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(bucket_take(&b, &rate, UINT64_MAX, 0));
	assert_int_equal(bucket_wait_ns(&b, &rate, UINT64_MAX, 0), 0);
}

static void huge_numbers_do_not_wrap(void **state)
{
	const struct bucket_rate rate = { .per_second = 1, .burst = 1 };
	struct bucket b = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		bucket_spend(&b, &rate, UINT64_MAX, 0);
	assert_false(bucket_take(&b, &rate, 1, 1000 * MS));
	assert_true(bucket_wait_ns(&b, &rate, 1, 0) > UINT64_MAX / 8);
}

#define WORKERS 4

static struct bucket_shared shared;
static atomic_uint taken_by_all;

static void *take_many(void *arg)
{
	const struct bucket_rate rate = { .per_second = 1, .burst = 5000 };

	(void)arg;
	for (int i = 0; i < 5000; i++)
		taken_by_all += bucket_shared_take(&shared, &rate, 1, 0);
	return NULL;
}

static void threads_share_one_exactly(void **state)
{
	const struct bucket_rate rate = { .per_second = 1, .burst = 5000 };
	pthread_t threads[WORKERS];

	(void)state;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(taken_by_all, 5000);
	assert_int_equal(bucket_shared_wait_ns(&shared, &rate, 1, 0), 1000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_goes_through_and_then_the_rate),
		cmocka_unit_test(it_never_holds_more_than_the_burst),
		cmocka_unit_test(the_rate_is_met_and_not_exceeded),
		cmocka_unit_test(more_than_it_holds_empties_it_for_long),
		cmocka_unit_test(what_is_done_already_is_paid_later),
		cmocka_unit_test(without_a_rate_there_is_no_limit),
		cmocka_unit_test(huge_numbers_do_not_wrap),
		cmocka_unit_test(threads_share_one_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
