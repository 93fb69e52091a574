/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include <pthread.h>

static struct bed *bed_of_slots(void **state, const char *weights, unsigned slots)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, weights);

	for (size_t i = 0; i < st->config.backends_n; i++)
		st->backends[i].sessions_max = slots;
	st->config.queue_max = 100;
	st->config.queue_timeout_ms = 1000;
	bed_start(st);
	return st;
}

static struct pool_waiter *call(struct bed *st, uint64_t now_ms)
{
	return pool_may_serve_queue(st->pool) ? pool_serve_next(st->pool, now_ms) : NULL;
}

static void places_go_to_who_waited_longest(void **state)
{
	struct bed *st = bed_of_slots(state, "1 1", 1);
	struct pool_waiter w[5] = { 0 };

	for (int i = 0; i < 5; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0),
				 i < 2 ? POOL_PICKED : POOL_WAITING);
	assert_null(call(st, 1));
	for (int i = 0; i < 3; i++) {
		pool_release(st->pool, w[i].backend);
		assert_true(pool_may_serve_queue(st->pool));
		assert_ptr_equal(call(st, 1), &w[i + 2]);
		assert_ptr_equal(w[i + 2].backend, w[i].backend);
		assert_null(call(st, 1));
		assert_false(pool_may_serve_queue(st->pool));
	}
	pool_release(st->pool, w[3].backend);
	pool_release(st->pool, w[4].backend);
	assert_null(call(st, 1));
}

static void nobody_overtakes_the_queue(void **state)
{
	struct bed *st = bed_of_slots(state, "1", 1);
	struct pool_waiter first = { 0 }, second = { 0 }, late = { 0 };

	assert_int_equal(pool_pick_or_wait(st->pool, &first, 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &second, 0), POOL_WAITING);
	pool_release(st->pool, first.backend);
	/* The slot is free, but it is the second one's. */
	assert_int_equal(pool_pick_or_wait(st->pool, &late, 0), POOL_WAITING);
	assert_ptr_equal(call(st, 0), &second);
	assert_null(call(st, 0));
	pool_release(st->pool, second.backend);
	assert_ptr_equal(call(st, 0), &late);
	pool_release(st->pool, late.backend);
}

static void the_queue_has_an_end(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1");
	struct pool_waiter w[3] = { 0 };

	st->backends[0].sessions_max = 1;
	st->config.queue_max = 1;
	st->config.queue_timeout_ms = 1000;
	bed_start(st);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[1], 0), POOL_WAITING);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[2], 0), POOL_ALL_FULL);
	assert_true(pool_leave(st->pool, &w[1]));
	assert_int_equal(pool_pick_or_wait(st->pool, &w[2], 0), POOL_WAITING);
	assert_true(pool_leave(st->pool, &w[2]));
	pool_release(st->pool, w[0].backend);
}

static void without_a_queue_full_is_full(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1");
	struct pool_waiter w[2] = { 0 };

	st->backends[0].sessions_max = 1;
	bed_start(st);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[1], 0), POOL_ALL_FULL);
	pool_release(st->pool, w[0].backend);
}

static void who_leaves_or_is_late_is_passed_over(void **state)
{
	struct bed *st = bed_of_slots(state, "1", 1);
	struct pool_waiter w[4] = { 0 };
	struct queue_stats stats;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], i == 2 ? 0 : 500),
				 i ? POOL_WAITING : POOL_PICKED);
	assert_true(pool_leave(st->pool, &w[1]));
	pool_release(st->pool, w[0].backend);
	assert_ptr_equal(call(st, 1000), &w[3]);
	/* Its own timer comes later; it has no slot. */
	assert_true(pool_leave(st->pool, &w[2]));
	pool_queue_stats(st->pool, &stats);
	assert_int_equal(stats.served, 1);
	assert_int_equal(stats.gone, 2);
	assert_int_equal(stats.waiting, 0);
	pool_release(st->pool, w[3].backend);
}

static void who_was_called_has_a_place_to_give_back(void **state)
{
	struct bed *st = bed_of_slots(state, "1", 1);
	struct pool_waiter first = { 0 }, second = { 0 };

	assert_int_equal(pool_pick_or_wait(st->pool, &first, 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &second, 0), POOL_WAITING);
	pool_release(st->pool, first.backend);
	assert_ptr_equal(call(st, 0), &second);
	/* The word is on its way to the owner, whose client leaves just now. */
	assert_false(pool_leave(st->pool, &second));
	pool_release(st->pool, second.backend);
	assert_int_equal(pool_backend(st->pool, 0)->sessions, 0);
}

static void all_that_makes_places_calls(void **state)
{
	struct bed *st = bed_of_slots(state, "1 1 1", 1);
	struct pool_waiter w[3] = { 0 };
	struct backend *returned;

	st->config.slow_start_ms = 0;
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_DOWN, 0);
	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, 2), 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0),
				 i ? POOL_WAITING : POOL_PICKED);
	pool_tick(st->pool, 0, &returned);
	assert_false(pool_may_serve_queue(st->pool));
	pool_set_state(st->pool, pool_backend(st->pool, 1), BACKEND_READY, 0);
	assert_ptr_equal(call(st, 0), &w[1]);
	assert_null(call(st, 0));
	assert_int_equal(pool_set_weight(st->pool, pool_backend(st->pool, 2), 4), 0);
	assert_ptr_equal(call(st, 0), &w[2]);
	for (int i = 0; i < 3; i++)
		pool_release(st->pool, w[i].backend);
}

static void one_that_tried_the_free_one_lets_others_by(void **state)
{
	struct bed *st = bed_of_slots(state, "1 1", 1);
	struct pool_waiter w[4] = { [2].ask = { .tried = { 0 }, .tried_n = 1 } };

	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[1], 0), POOL_PICKED);
	assert_int_equal(w[0].backend->index, 0);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[2], 0), POOL_WAITING);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[3], 0), POOL_WAITING);
	pool_release(st->pool, w[0].backend);
	assert_ptr_equal(call(st, 0), &w[3]);
	pool_release(st->pool, w[1].backend);
	assert_ptr_equal(call(st, 0), &w[2]);
	assert_int_equal(w[2].backend->index, 1);
	pool_release(st->pool, w[2].backend);
	pool_release(st->pool, w[3].backend);
}

static void none_ready_does_not_wait(void **state)
{
	struct bed *st = bed_of_slots(state, "1", 1);
	struct pool_waiter w = { 0 };

	pool_set_state(st->pool, pool_backend(st->pool, 0), BACKEND_DOWN, 0);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 0), POOL_NONE_READY);
}

#define WORKERS 4
#define TURNS 5000

struct worker {
	struct bed *st;
	atomic_bool is_called[WORKERS];
};

static struct worker house;
static struct pool_waiter waiters[WORKERS];

static void spread_word(struct bed *st)
{
	struct pool_waiter *w;

	while (pool_may_serve_queue(st->pool) && (w = pool_serve_next(st->pool, 1)))
		house.is_called[w - waiters] = true;
}

static void *come_wait_go(void *arg)
{
	struct pool_waiter *w = arg;
	struct bed *st = house.st;

	for (int i = 0; i < TURNS; i++) {
		enum pool_answer answer = pool_pick_or_wait(st->pool, w, 0);

		if (answer == POOL_WAITING) {
			if (i % 7 == 0 && pool_leave(st->pool, w))
				continue;
			while (!house.is_called[w - waiters])
				spread_word(st);
			house.is_called[w - waiters] = false;
		}
		assert_non_null(w->backend);
		assert_in_range(w->backend->sessions, 1, 1);
		pool_release(st->pool, w->backend);
		spread_word(st);
	}
	return NULL;
}

/* Two slots, four threads: nobody is forgotten, or this never ends. */
static void no_wake_up_is_lost_between_threads(void **state)
{
	struct bed *st = bed_of_slots(state, "1 1", 1);
	pthread_t threads[WORKERS];
	struct queue_stats stats;

	house.st = st;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_wait_go, &waiters[i]), 0);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	pool_queue_stats(st->pool, &stats);
	assert_int_equal(stats.waiting, 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pool_backend(st->pool, i)->sessions, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(places_go_to_who_waited_longest),
		bed_test(nobody_overtakes_the_queue),
		bed_test(the_queue_has_an_end),
		bed_test(without_a_queue_full_is_full),
		bed_test(who_leaves_or_is_late_is_passed_over),
		bed_test(who_was_called_has_a_place_to_give_back),
		bed_test(all_that_makes_places_calls),
		bed_test(one_that_tried_the_free_one_lets_others_by),
		bed_test(none_ready_does_not_wait),
		bed_test(no_wake_up_is_lost_between_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
