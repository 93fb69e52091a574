/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include <pthread.h>

static void place_is_taken_and_given_back(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1");
	struct backend *b = bed_pick(st);

	assert_non_null(b);
	assert_int_equal(b->sessions, 1);
	assert_int_equal(b->picked, 1);
	pool_release(st->pool, b);
	assert_int_equal(b->sessions, 0);
	assert_int_equal(b->picked, 1);
}

static void weight_of_zero_gets_nothing_new(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "0 1 0");

	for (int i = 0; i < 10; i++)
		assert_int_equal(bed_index(st), 1);
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
}

static void nobody_is_ready_in_a_pool_of_zeroes(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "0 0 0");

	assert_int_equal(bed_index(st), -POOL_NONE_READY);
}

static void down_and_draining_get_nothing_new(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_DOWN, 0);
	pool_set_state(st->pool, pool_backend(st->pool, 2), BACKEND_DRAIN, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(bed_index(st), 1);
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_READY, 0);
	assert_int_equal(bed_index(st), 0);
}

static void sessions_outlive_their_backends_state(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1");
	struct backend *b = bed_pick(st);

	pool_set_state(st->pool, b, BACKEND_DOWN, 0);
	assert_int_equal(b->sessions, 1);
	pool_release(st->pool, b);
	assert_int_equal(b->sessions, 0);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
}

static void the_tried_are_not_picked_again(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	struct pool_ask ask = { 0 };
	enum pool_answer why;
	unsigned seen = 0;

	for (int i = 0; i < 3; i++) {
		struct backend *b = pool_pick(st->pool, &ask, &why);

		assert_non_null(b);
		assert_int_equal(why, POOL_PICKED);
		assert_false(seen & BIT(b->index));
		seen |= BIT(b->index);
		pool_release(st->pool, b);
		ask.tried[ask.tried_n++] = (uint16_t)b->index;
	}
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_NONE_READY);
}

static void full_backends_are_skipped_until_a_place_is_free(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1");
	struct backend *held[5];
	struct pool_ask ask = { 0 };
	enum pool_answer why;

	st->backends[0].sessions_max = 2;
	st->backends[1].sessions_max = 3;
	bed_start(st);
	for (int i = 0; i < 5; i++) {
		held[i] = pool_pick(st->pool, &ask, &why);
		assert_non_null(held[i]);
	}
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_ALL_FULL);
	assert_int_equal(pool_backend(st->pool, 0)->sessions, 2);
	assert_int_equal(pool_backend(st->pool, 1)->sessions, 3);

	pool_release(st->pool, pool_backend(st->pool, 0));
	assert_ptr_equal(pool_pick(st->pool, &ask, &why), pool_backend(st->pool, 0));

	/* One is full, the other tried: more slots would help this session. */
	ask.tried[ask.tried_n++] = 1;
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_ALL_FULL);
	ask.tried[ask.tried_n++] = 0;
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_NONE_READY);

	for (int i = 0; i < 5; i++)
		pool_release(st->pool, pool_backend(st->pool, i < 2 ? 0 : 1));
}

static void a_few_have_places_beyond_all_limits(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1");
	struct pool_ask ask = { 0 };
	struct backend *b0, *b1, *got;
	enum pool_answer why;

	st->backends[0].sessions_max = st->backends[1].sessions_max = 1;
	bed_start(st);
	b0 = pool_backend(st->pool, 0);
	b1 = pool_backend(st->pool, 1);
	assert_true(pool_take(st->pool, b0->id, 0));
	for (int n = 0; n < POOL_BEYOND_MAX; n++)
		assert_int_equal(pool_take_beyond(st->pool, b0->id, &got), POOL_PICKED);
	assert_int_equal(pool_take_beyond(st->pool, b0->id, &got), POOL_ALL_FULL);
	assert_int_equal(pool_take_beyond(st->pool, b1->id, &got), POOL_PICKED);
	assert_int_equal(b0->sessions, 1 + POOL_BEYOND_MAX);
	pool_release_beyond(st->pool, b0);
	assert_int_equal(pool_take_beyond(st->pool, b0->id, &got), POOL_PICKED);
	assert_null(pool_pick(st->pool, &ask, &why));

	for (int n = 0; n < POOL_BEYOND_MAX; n++)
		pool_release_beyond(st->pool, b0);
	pool_release_beyond(st->pool, b1);
	assert_ptr_equal(pool_pick(st->pool, &ask, &why), b1);
	pool_release(st->pool, b0);
	pool_release(st->pool, b1);
	assert_int_equal(b0->sessions, 0);
}

#define WORKERS 4
#define PICKS 30000

static void *work(void *arg)
{
	struct bed *st = arg;

	for (int i = 0; i < PICKS; i++) {
		enum pool_answer why;
		struct pool_ask ask = { .key = (uint64_t)i };
		struct backend *b = pool_pick(st->pool, &ask, &why);

		assert_non_null(b);
		pool_release(st->pool, b);
	}
	return NULL;
}

static void workers_together_get_exact_shares(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 2 3 4");
	pthread_t threads[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, st), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pool_backend(st->pool, i)->picked, WORKERS * PICKS / 10 * (i + 1));
		assert_int_equal(pool_backend(st->pool, i)->sessions, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(place_is_taken_and_given_back),
		bed_test(weight_of_zero_gets_nothing_new),
		bed_test(nobody_is_ready_in_a_pool_of_zeroes),
		bed_test(down_and_draining_get_nothing_new),
		bed_test(sessions_outlive_their_backends_state),
		bed_test(the_tried_are_not_picked_again),
		bed_test(full_backends_are_skipped_until_a_place_is_free),
		bed_test(a_few_have_places_beyond_all_limits),
		bed_test(workers_together_get_exact_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
