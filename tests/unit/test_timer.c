/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000)
#define DAY (24 * 60 * 60 * SECOND)
#define START UINT64_C(1234567890123)

#define BELLS 200

/*
 * Each bell has a timer and, beside it, what a naive model knows: when it
 * must ring. Firing only notes the fact; the model is compared after a run.
 */
struct bell {
	struct timer timer;
	uint64_t due_ms; /* TIMER_NEVER: must not ring */
	unsigned rings;
	unsigned order; /* when it rang, counted over all bells */
};

static struct timers timers;
static struct bell bells[BELLS];
static unsigned rings;

static void ring(struct timer *timer)
{
	struct bell *bell = container_of(timer, struct bell, timer);

	assert_false(timer_is_set(timer));
	bell->rings++;
	bell->order = ++rings;
}

static int set_up(void **state)
{
	(void)state;
	timers_init(&timers, START);
	for (size_t i = 0; i < BELLS; i++) {
		bells[i] = (struct bell){ .due_ms = TIMER_NEVER };
		timer_init(&bells[i].timer, ring);
	}
	rings = 0;
	return 0;
}

static void set(struct bell *bell, uint64_t due_ms)
{
	bell->due_ms = due_ms;
	timer_set(&timers, &bell->timer, due_ms);
}

static void a_timer_fires_once_and_never_early(void **state)
{
	static const uint64_t delays_ms[] = {
		1, 2, 63, 64, 65, 4095, 4096, 100000, 262144, DAY, 12 * DAY, 13 * DAY, 400 * DAY,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
		struct bell *bell = &bells[i];
		uint64_t due_ms = timers.now_ms + delays_ms[i];

		set(bell, due_ms);
		assert_true(timer_is_set(&bell->timer));
		timers_run(&timers, due_ms - 1);
		assert_int_equal(bell->rings, 0);
		timers_run(&timers, due_ms);
		assert_int_equal(bell->rings, 1);
		assert_false(timer_is_set(&bell->timer));
		timers_run(&timers, due_ms + 10);
		assert_int_equal(bell->rings, 1);
	}
	assert_int_equal(timers.armed, 0);
}

static void the_past_fires_at_the_next_run(void **state)
{
	(void)state;
	set(&bells[0], 0);
	set(&bells[1], START);
	assert_true(timers_next_ms(&timers) <= START);
	timers_run(&timers, START);
	assert_int_equal(bells[0].rings, 1);
	assert_int_equal(bells[1].rings, 1);
}

static void setting_again_moves(void **state)
{
	(void)state;
	set(&bells[0], START + 10);
	set(&bells[0], START + 20);
	assert_int_equal(timers.armed, 1);
	timers_run(&timers, START + 19);
	assert_int_equal(bells[0].rings, 0);
	timers_run(&timers, START + 20);
	assert_int_equal(bells[0].rings, 1);
}

static void stopping_is_harmless_twice(void **state)
{
	(void)state;
	set(&bells[0], START + 10);
	timer_stop(&timers, &bells[0].timer);
	timer_stop(&timers, &bells[0].timer);
	assert_int_equal(timers.armed, 0);
	assert_true(timers_next_ms(&timers) == TIMER_NEVER);
	timers_run(&timers, START + DAY);
	assert_int_equal(rings, 0);
}

static void never_stops(void **state)
{
	(void)state;
	set(&bells[0], START + 10);
	timer_set(&timers, &bells[0].timer, TIMER_NEVER);
	assert_false(timer_is_set(&bells[0].timer));
	assert_int_equal(timers.armed, 0);
}

static void the_end_of_time_is_a_time(void **state)
{
	(void)state;
	timers_init(&timers, TIMER_NEVER - 3 * DAY);
	set(&bells[0], TIMER_NEVER - 1);
	timers_run(&timers, TIMER_NEVER - 2);
	assert_int_equal(rings, 0);
	timers_run(&timers, TIMER_NEVER - 1);
	assert_int_equal(rings, 1);
}

static void a_clock_that_runs_backwards_stands_still(void **state)
{
	(void)state;
	set(&bells[0], START + 10);
	timers_run(&timers, START + 5);
	timers_run(&timers, START);
	assert_true(timers.now_ms == START + 5);
	timers_run(&timers, START + 10);
	assert_int_equal(rings, 1);
}

static void one_run_fires_in_the_order_of_due_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < BELLS; i++)
		set(&bells[i], START + ((i * 7919) % BELLS) * 12345);
	timers_run(&timers, START + DAY);
	for (size_t i = 0; i < BELLS; i++) {
		for (size_t j = 0; j < BELLS; j++)
			assert_true(bells[i].due_ms >= bells[j].due_ms ||
				    bells[i].order < bells[j].order);
	}
}

static void ring_and_set_at_once(struct timer *timer)
{
	ring(timer);
	set(container_of(timer, struct bell, timer), timers.now_ms);
}

static void a_callback_that_sets_itself_waits_for_the_next_run(void **state)
{
	(void)state;
	timer_init(&bells[0].timer, ring_and_set_at_once);
	set(&bells[0], START + 1);
	timers_run(&timers, START + 1);
	assert_int_equal(rings, 1);
	assert_true(timers_next_ms(&timers) == START + 1);
	timers_run(&timers, START + 1);
	timers_run(&timers, START + 50);
	assert_int_equal(rings, 3);
}

static void ring_and_stop_the_next(struct timer *timer)
{
	struct bell *bell = container_of(timer, struct bell, timer);

	ring(timer);
	timer_stop(&timers, &bell[1].timer);
	set(&bell[2], START + DAY);
}

static void a_callback_may_stop_and_move_others_that_are_due(void **state)
{
	(void)state;
	timer_init(&bells[0].timer, ring_and_stop_the_next);
	for (size_t i = 0; i < 4; i++)
		set(&bells[i], START + 5);
	timers_run(&timers, START + 5);
	assert_int_equal(bells[0].rings, 1);
	assert_int_equal(bells[1].rings, 0);
	assert_int_equal(bells[2].rings, 0);
	assert_int_equal(bells[3].rings, 1);
	assert_int_equal(timers.armed, 1);
	timers_run(&timers, START + DAY);
	assert_int_equal(bells[2].rings, 1);
	assert_int_equal(timers.armed, 0);
}

static void waking_at_the_time_told_fires_at_the_millisecond(void **state)
{
	static const uint64_t delays_ms[] = { 5, 64, 1000, 60 * SECOND, DAY, 30 * DAY };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
		unsigned wakes = 0;

		set(&bells[i], timers.now_ms + delays_ms[i]);
		while (bells[i].rings == 0) {
			uint64_t next_ms = timers_next_ms(&timers);

			assert_true(next_ms > timers.now_ms);
			timers_run(&timers, next_ms);
			wakes++;
		}
		assert_true(timers.now_ms == bells[i].due_ms);
		/* One for each level it comes down, and for the rounds of the wheel. */
		assert_in_range(wakes, 1, TIMER_LEVELS + 3);
	}
}

/* xorshift64: the same sequence on every machine. */
static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Short, long and very long spans are equally likely. */
static uint64_t draw_span(uint64_t *seed)
{
	return draw(seed) % (UINT64_C(1) << (1 + draw(seed) % 36));
}

static uint64_t earliest_due_ms(void)
{
	uint64_t earliest = TIMER_NEVER;

	for (size_t i = 0; i < BELLS; i++)
		earliest = MIN(earliest, bells[i].due_ms);
	return earliest;
}

static void run_and_compare(uint64_t now_ms)
{
	timers_run(&timers, now_ms);
	for (size_t i = 0; i < BELLS; i++) {
		struct bell *bell = &bells[i];
		bool is_due = bell->due_ms <= now_ms;

		assert_int_equal(bell->rings, is_due);
		assert_int_equal(timer_is_set(&bell->timer),
				 !is_due && bell->due_ms != TIMER_NEVER);
		bell->rings = 0;
		if (is_due)
			bell->due_ms = TIMER_NEVER;
	}
}

static void any_sequence_agrees_with_the_naive_model(void **state)
{
	uint64_t seed = 88172645463325252u, now_ms = START;

	(void)state;
	for (int step = 0; step < 40000; step++) {
		struct bell *bell = &bells[draw(&seed) % BELLS];

		switch (draw(&seed) % 8) {
		case 0:
			now_ms += draw_span(&seed);
			run_and_compare(now_ms);
			break;
		case 1:
			now_ms = MAX(now_ms, MIN(timers_next_ms(&timers), now_ms + 400 * DAY));
			run_and_compare(now_ms);
			break;
		case 2:
			bell->due_ms = TIMER_NEVER;
			timer_stop(&timers, &bell->timer);
			break;
		case 3:
			set(bell, now_ms - draw_span(&seed));
			break;
		default:
			set(bell, now_ms + draw_span(&seed));
		}
		assert_true(timers_next_ms(&timers) <= MAX(earliest_due_ms(), now_ms));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_timer_fires_once_and_never_early, set_up),
		cmocka_unit_test_setup(the_past_fires_at_the_next_run, set_up),
		cmocka_unit_test_setup(setting_again_moves, set_up),
		cmocka_unit_test_setup(stopping_is_harmless_twice, set_up),
		cmocka_unit_test_setup(never_stops, set_up),
		cmocka_unit_test_setup(the_end_of_time_is_a_time, set_up),
		cmocka_unit_test_setup(a_clock_that_runs_backwards_stands_still, set_up),
		cmocka_unit_test_setup(one_run_fires_in_the_order_of_due_times, set_up),
		cmocka_unit_test_setup(a_callback_that_sets_itself_waits_for_the_next_run, set_up),
		cmocka_unit_test_setup(a_callback_may_stop_and_move_others_that_are_due, set_up),
		cmocka_unit_test_setup(waking_at_the_time_told_fires_at_the_millisecond, set_up),
		cmocka_unit_test_setup(any_sequence_agrees_with_the_naive_model, set_up),
	};

	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
