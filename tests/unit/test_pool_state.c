/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"

#include "health_defaults.h"

#include <pthread.h>

static const enum balance_kind kinds[] = { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN, BALANCE_RANDOM,
					   BALANCE_MAGLEV, BALANCE_FIRST };

static struct backend *nth(struct bed *st, size_t i)
{
	return pool_backend(st->pool, i);
}

static uint64_t tick(struct bed *st, uint64_t now_ms)
{
	struct backend *returned;
	uint64_t next_ms = pool_tick(st->pool, now_ms, &returned);

	assert_null(returned);
	return next_ms;
}

/* Which backends 300 short sessions with different keys reach, as a set of bits. */
static unsigned reached(struct bed *st)
{
	unsigned set = 0;

	for (uint64_t k = 0; k < 300; k++) {
		struct pool_ask ask = { .key = k * 0x9e3779b97f4a7c15 };
		enum pool_answer why;
		struct backend *b = pool_pick(st->pool, &ask, &why);

		if (!b)
			return 0;
		set |= BIT(b->index);
		pool_release(st->pool, b);
	}
	return set;
}

/* Since when it is in the state that it shows. */
static uint64_t since(struct bed *st, size_t n)
{
	struct backend_facts facts;

	pool_inspect(st->pool, nth(st, n), &facts);
	return facts.changed_ms;
}

/* Whoever changes what is shown; what changes nothing that is shown leaves it. */
static void a_state_has_the_time_when_it_began(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1");
	struct backend *b = nth(st, 0), *returned;
	uint64_t delay_ms;

	st->config.check = health_check_default;
	st->config.eject = health_eject_default;
	assert_int_equal(since(st, 0), 0);
	pool_set_standby(st->pool, b, "has another role", 1000);
	assert_int_equal(since(st, 0), 1000);
	pool_set_standby(st->pool, b, "too far behind its primary", 2000); /* still on standby */
	assert_int_equal(since(st, 0), 1000);
	pool_set_standby(st->pool, b, NULL, 3000);
	assert_int_equal(since(st, 0), 3000);

	pool_set_state(st->pool, b, BACKEND_MAINT, 4000);
	pool_set_standby(st->pool, b, "has another role", 5000); /* which maint hides */
	assert_int_equal(since(st, 0), 4000);
	pool_clear_state(st->pool, b, 6000);
	assert_int_equal(b->state, BACKEND_STANDBY);
	assert_int_equal(since(st, 0), 6000);
	pool_set_standby(st->pool, b, NULL, 7000);

	assert_int_equal(pool_on_check(st->pool, b, HEALTH_ANSWER_REFUSED, 8000, &delay_ms),
			 HEALTH_WENT_DOWN);
	pool_set_state(st->pool, b, BACKEND_DRAIN, 9000); /* it is down all the same */
	assert_int_equal(b->state, BACKEND_DOWN);
	assert_int_equal(since(st, 0), 8000);
	assert_int_equal(pool_set_weight(st->pool, b, 7), 0);
	assert_int_equal(since(st, 0), 8000);
	pool_set_state(st->pool, b, BACKEND_READY, 10000);
	assert_int_equal(since(st, 0), 10000);

	for (unsigned n = 0; b->state == BACKEND_READY && n < 100; n++)
		(void)pool_on_connect(st->pool, b, HEALTH_FAILED, 11000);
	assert_int_equal(b->state, BACKEND_EJECTED);
	assert_int_equal(since(st, 0), 11000);
	(void)pool_tick(st->pool, 999000, &returned);
	assert_ptr_equal(returned, b);
	assert_int_equal(since(st, 0), 999000);
	assert_int_equal(since(st, 1), 0);
}

static void backups_serve_when_all_others_are_out(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 1 1 1");
		bool is_first = kinds[k] == BALANCE_FIRST;

		st->backends[1].tier = 1;
		st->backends[3].tier = 5;
		bed_start(st);
		assert_int_equal(reached(st), is_first ? 1 : 5);
		pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
		assert_int_equal(reached(st), 4);
		pool_set_state(st->pool, nth(st, 2), BACKEND_DRAIN, 0);
		assert_int_equal(reached(st), 2);
		assert_int_equal(pool_set_weight(st->pool, nth(st, 1), 0), 0);
		assert_int_equal(reached(st), 8);
		pool_set_state(st->pool, nth(st, 3), BACKEND_MAINT, 0);
		assert_int_equal(reached(st), 0);
		pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
		assert_int_equal(reached(st), 1);
		bed_teardown(state);
	}
}

static void too_few_of_a_tier_open_the_next_beside_it(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1 1 1 1");

	st->backends[3].tier = 1;
	st->backends[4].tier = 2;
	st->config.tier_ready_min = 2;
	bed_start(st);
	assert_int_equal(reached(st), 7);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
	assert_int_equal(reached(st), 6);
	pool_set_state(st->pool, nth(st, 1), BACKEND_DOWN, 0);
	assert_int_equal(reached(st), 4 | 8);
	pool_set_state(st->pool, nth(st, 3), BACKEND_DOWN, 0);
	assert_int_equal(reached(st), 4 | 16);
	pool_set_state(st->pool, nth(st, 1), BACKEND_READY, 0);
	assert_int_equal(reached(st), 6);
}

static void a_full_tier_overflows_into_the_next(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1 1");
	struct pool_waiter w[4] = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		st->backends[i].tier = i;
		st->backends[i].sessions_max = 1;
	}
	st->config.overflow = true;
	st->config.queue_max = 10;
	st->config.queue_timeout_ms = 1000;
	bed_start(st);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0), POOL_PICKED);
		assert_int_equal(w[i].backend->config->tier, i);
	}
	assert_int_equal(pool_pick_or_wait(st->pool, &w[3], 0), POOL_WAITING);
	pool_release(st->pool, w[2].backend); /* its tier is closed, and has room */
	assert_true(pool_may_serve_queue(st->pool));
	assert_ptr_equal(pool_serve_next(st->pool, 1), &w[3]);
	assert_int_equal(w[3].backend->config->tier, 2);
	pool_release(st->pool, w[3].backend);
	pool_release(st->pool, w[0].backend);
	pool_release(st->pool, w[1].backend);
}

static void too_few_that_are_ready_make_all_serve(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1 1 1");
	uint64_t delay_ms;

	st->config.panic_percent = 50;
	st->config.check = health_check_default;
	bed_start(st);
	assert_int_equal(reached(st), 15);
	pool_set_state(st->pool, nth(st, 3), BACKEND_DRAIN, 0);
	(void)pool_on_check(st->pool, nth(st, 0), HEALTH_ANSWER_FAILED, 0, &delay_ms);
	assert_int_equal(reached(st), 6); /* half of them: enough */
	(void)pool_on_check(st->pool, nth(st, 1), HEALTH_ANSWER_FAILED, 0, &delay_ms);
	assert_true(pool_is_panicking(st->pool));
	assert_int_equal(pool_ready(st->pool), 1);
	assert_int_equal(nth(st, 1)->state, BACKEND_DOWN);
	assert_int_equal(reached(st), 7); /* but who drains */
	pool_set_state(st->pool, nth(st, 3), BACKEND_READY, 0);
	assert_false(pool_is_panicking(st->pool));
	assert_int_equal(reached(st), 12);
}

static void a_session_that_tried_all_of_a_tier_goes_to_the_next(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 1 1 1");
		struct pool_ask ask = { .key = 99 };
		enum pool_answer why;

		st->backends[2].tier = 2;
		st->backends[3].tier = 1;
		bed_start(st);
		for (unsigned i = 0; i < 4; i++) {
			struct backend *b = pool_pick(st->pool, &ask, &why);

			assert_non_null(b);
			assert_int_equal(b->config->tier, i < 2 ? 0 : i - 1);
			ask.tried[ask.tried_n++] = (uint16_t)b->index;
			pool_release(st->pool, b);
		}
		assert_null(pool_pick(st->pool, &ask, &why));
		assert_int_equal(why, POOL_NONE_READY);
		bed_teardown(state);
	}
}

static void a_full_tier_makes_sessions_wait(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");
	struct pool_ask ask = { 0 };
	enum pool_answer why;
	struct backend *b;

	st->backends[0].sessions_max = 1;
	st->backends[1].tier = 1;
	bed_start(st);
	b = pool_pick(st->pool, &ask, &why);
	assert_int_equal(b->index, 0);
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_ALL_FULL);
	pool_release(st->pool, b);
}

static void weights_change_at_run_time(void **state)
{
	static const enum balance_kind by_weight[] = { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN,
						       BALANCE_RANDOM };

	for (size_t k = 0; k < ARRAY_LEN(by_weight); k++) {
		struct bed *st = bed_of(state, by_weight[k], "1 1 256");

		pool_seed(st->pool, 1);
		assert_int_equal(pool_set_weight(st->pool, nth(st, 2), 0), 0);
		assert_int_equal(pool_set_weight(st->pool, nth(st, 0), 3), 0);
		for (int i = 0; i < 4000; i++)
			assert_non_null(bed_pick(st));
		assert_in_range(nth(st, 0)->sessions, 2950, 3050);
		assert_int_equal(nth(st, 2)->sessions, 0);
		for (size_t i = 0; i < 2; i++)
			while (nth(st, i)->sessions > 0)
				pool_release(st->pool, nth(st, i));
		bed_teardown(state);
	}
}

static void a_place_at_one_backend_can_be_asked_for(void **state)
{
	struct bed *st = bed_new(state, BALANCE_RANDOM, "1 1 0");

	st->backends[0].sessions_max = 1;
	st->backends[1].tier = 3;
	bed_start(st);
	assert_true(pool_take(st->pool, nth(st, 0)->id, 0));
	assert_false(pool_take(st->pool, nth(st, 0)->id, 0));
	assert_true(pool_take(st->pool, nth(st, 1)->id, 0));
	assert_false(pool_take(st->pool, nth(st, 2)->id, 0));
	assert_int_equal(nth(st, 0)->sessions, 1);
	pool_release(st->pool, nth(st, 0));
	pool_release(st->pool, nth(st, 1));
	pool_set_state(st->pool, nth(st, 0), BACKEND_DRAIN, 0);
	assert_false(pool_take(st->pool, nth(st, 0)->id, 0));
}

/* ---- slow start ---- */

static unsigned share_of_first(struct bed *st)
{
	unsigned n = 0;

	for (int i = 0; i < 1000; i++)
		n += bed_index(st) == 0;
	return n;
}

static void one_that_comes_back_gets_its_share_little_by_little(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "4 4");
	uint64_t now_ms = 5000, next_ms;
	unsigned last = 0;

	st->config.slow_start_ms = 10000;
	bed_start(st);
	assert_in_range(share_of_first(st), 499, 501);
	assert_true(tick(st, 0) == POOL_NEVER);

	pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_in_range(share_of_first(st), 90, 95); /* 0.1 of 1.1 */
	for (next_ms = tick(st, now_ms); next_ms != POOL_NEVER; next_ms = tick(st, now_ms)) {
		unsigned share = share_of_first(st);

		assert_true(next_ms > now_ms && next_ms <= now_ms + 100);
		assert_true(share + 2 >= last);
		last = share;
		now_ms = next_ms;
	}
	assert_int_equal(now_ms, 15000);
	assert_in_range(share_of_first(st), 499, 501);
}

static void places_come_back_little_by_little_too(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1");

	st->backends[0].sessions_max = 100;
	st->config.slow_start_ms = 10000;
	bed_start(st);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	tick(st, 1000);
	while (bed_pick(st))
		;
	assert_in_range(nth(st, 0)->sessions, 10, 11);
	tick(st, 6000);
	while (bed_pick(st))
		;
	assert_in_range(nth(st, 0)->sessions, 54, 56);
	tick(st, 11000);
	while (bed_pick(st))
		;
	assert_int_equal(nth(st, 0)->sessions, 100);
	while (nth(st, 0)->sessions > 0)
		pool_release(st->pool, nth(st, 0));
}

static void nothing_ramps_at_start_up_or_after_a_drain(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1");
	uint64_t delay_ms;

	st->config.slow_start_ms = 10000;
	st->config.check = health_check_default;
	until_a_check_passes(&st->config);
	bed_start(st);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(pool_on_check(st->pool, nth(st, i), true, 0, &delay_ms),
				 HEALTH_WENT_UP);
	assert_in_range(share_of_first(st), 499, 501);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DRAIN, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_in_range(share_of_first(st), 499, 501);
	assert_true(tick(st, 0) == POOL_NEVER);
	/* But after a maintenance. */
	pool_set_state(st->pool, nth(st, 0), BACKEND_MAINT, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DRAIN, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_in_range(share_of_first(st), 90, 95);
}

static void one_that_fails_in_its_slow_start_starts_again(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1");

	st->config.slow_start_ms = 10000;
	bed_start(st);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	tick(st, 0);
	tick(st, 9000);
	assert_in_range(share_of_first(st), 450, 500);
	pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
	assert_true(tick(st, 9500) == POOL_NEVER);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	tick(st, 10000);
	assert_in_range(share_of_first(st), 90, 95);
	tick(st, 20000);
	assert_in_range(share_of_first(st), 499, 501);
}

/* ---- reports of health ---- */

static void failing_sessions_eject_and_time_brings_back(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1 1 1");
	struct backend *returned;
	uint64_t next_ms;

	st->config.eject = health_eject_default;
	st->config.eject.jitter_percent = 0;
	bed_start(st);
	for (size_t i = 0; i < 4; i++)
		for (int n = 0; n < 5; n++) {
			enum health_change change =
				pool_on_connect(st->pool, nth(st, i), HEALTH_FAILED, 1000 * i);

			/* Half of them at most. */
			assert_int_equal(change, i < 2 && n == 4 ? HEALTH_EJECTED : HEALTH_SAME);
		}
	assert_int_equal(nth(st, 1)->state, BACKEND_EJECTED);
	assert_int_equal(nth(st, 1)->connect_failures, 5);
	assert_int_equal(nth(st, 3)->failures_in_row, 5);
	assert_int_equal(reached(st), 4 | 8);

	next_ms = pool_tick(st->pool, 3000, &returned);
	assert_null(returned);
	assert_int_equal(next_ms, 10000);
	/* The next failure of the third has room now. */
	next_ms = pool_tick(st->pool, 20000, &returned);
	assert_ptr_equal(returned, nth(st, 0));
	assert_int_equal(next_ms, 20000);
	assert_true(pool_tick(st->pool, 20000, &returned) == POOL_NEVER);
	assert_ptr_equal(returned, nth(st, 1));
	assert_true(pool_tick(st->pool, 20000, &returned) == POOL_NEVER);
	assert_null(returned);
	assert_int_equal(reached(st), 15);
	pool_on_connect(st->pool, nth(st, 3), HEALTH_FINE, 20000);
	assert_int_equal(nth(st, 3)->failures_in_row, 0);
}

static void the_operator_may_end_an_ejection(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");

	st->config.eject = health_eject_default;
	bed_start(st);
	for (int n = 0; n < 5; n++)
		pool_on_connect(st->pool, nth(st, 0), HEALTH_FAILED, 0);
	assert_int_equal(nth(st, 0)->state, BACKEND_EJECTED);
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_int_equal(nth(st, 0)->state, BACKEND_READY);
	assert_true(tick(st, 1) == POOL_NEVER);
}

static void checks_take_down_and_bring_up(void **state)
{
	struct bed *st = bed_new(state, BALANCE_RANDOM, "1 1");
	uint64_t delay_ms;

	st->config.check = health_check_default;
	st->config.check.jitter_percent = 0;
	bed_start(st);
	assert_in_range(pool_first_check_ms(st->pool), 0, 1999);
	assert_int_equal(pool_on_check(st->pool, nth(st, 0), true, 0, &delay_ms), HEALTH_SAME);
	assert_int_equal(delay_ms, 2000);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pool_on_check(st->pool, nth(st, 0), false, 0, &delay_ms),
				 HEALTH_SAME);
	assert_int_equal(delay_ms, 500);
	assert_int_equal(reached(st), 3);
	assert_int_equal(pool_on_check(st->pool, nth(st, 0), false, 0, &delay_ms),
			 HEALTH_WENT_DOWN);
	assert_int_equal(nth(st, 0)->state, BACKEND_DOWN);
	assert_int_equal(reached(st), 2);
	pool_on_check(st->pool, nth(st, 0), true, 0, &delay_ms);
	assert_int_equal(pool_on_check(st->pool, nth(st, 0), true, 0, &delay_ms), HEALTH_WENT_UP);
	assert_int_equal(reached(st), 3);
}

/* ---- many threads ---- */

#define WORKERS 4
#define ROUNDS 20000

static void *pick_and_release(void *arg)
{
	struct bed *st = arg;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct pool_ask ask = { .key = i * 0x9e3779b97f4a7c15 };
		enum pool_answer why;
		struct backend *b = pool_pick(st->pool, &ask, &why);

		if (!b)
			continue;
		pool_on_connect(st->pool, b, i % 3 ? HEALTH_FINE : HEALTH_FAILED, i);
		pool_release(st->pool, b);
	}
	return NULL;
}

static void *change_everything(void *arg)
{
	struct bed *st = arg;
	struct backend *returned;

	for (unsigned i = 0; i < 2000; i++) {
		struct backend *b = nth(st, i % 5);

		pool_set_state(st->pool, b, (enum backend_state)(i / 5 % 4), 0);
		pool_tick(st->pool, i, &returned);
		if (i % 50 == 0)
			assert_int_equal(pool_set_weight(st->pool, b, 1 + i % 7), 0);
	}
	return NULL;
}

static void threads_may_do_all_of_it_at_once(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 2 3 4 5");
		pthread_t threads[WORKERS + 1];

		st->backends[0].sessions_max = 1;
		st->backends[4].tier = 1;
		st->config.slow_start_ms = 500;
		st->config.hash_balance_percent = 150;
		st->config.eject = health_eject_default;
		bed_start(st);
		for (int i = 0; i <= WORKERS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							i ? pick_and_release : change_everything,
							st),
					 0);
		for (int i = 0; i <= WORKERS; i++)
			pthread_join(threads[i], NULL);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(nth(st, i)->sessions, 0);
		bed_teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_state_has_the_time_when_it_began),
		bed_test(backups_serve_when_all_others_are_out),
		bed_test(too_few_of_a_tier_open_the_next_beside_it),
		bed_test(a_full_tier_overflows_into_the_next),
		bed_test(too_few_that_are_ready_make_all_serve),
		bed_test(a_session_that_tried_all_of_a_tier_goes_to_the_next),
		bed_test(a_full_tier_makes_sessions_wait),
		bed_test(weights_change_at_run_time),
		bed_test(a_place_at_one_backend_can_be_asked_for),
		bed_test(one_that_comes_back_gets_its_share_little_by_little),
		bed_test(places_come_back_little_by_little_too),
		bed_test(nothing_ramps_at_start_up_or_after_a_drain),
		bed_test(one_that_fails_in_its_slow_start_starts_again),
		bed_test(failing_sessions_eject_and_time_brings_back),
		bed_test(the_operator_may_end_an_ejection),
		bed_test(checks_take_down_and_bring_up),
		bed_test(threads_may_do_all_of_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
