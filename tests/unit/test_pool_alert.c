/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "state/pool_alert.h"

#define LOST "msg=\"pool has no backend left\" pool=p backends=2\n"
#define BACK "msg=\"pool has a backend again\" pool=p backends=2\n"
#define FULL "msg=\"all backends of a pool are full\" pool=p backends=2\n"
#define ROOM "msg=\"pool has room again\" pool=p backends=2\n"

static struct pool_alert alert_of_test;

static struct pool *pool_of(struct bed *st)
{
	return st->runtime->pools[0];
}

static struct bed *two_backends(void **state)
{
	alert_of_test = (struct pool_alert){ 0 };
	return bed_with(state, &(struct bed_options){ .backends = 2 });
}

/* What a look at that moment has logged: one line that ends so, or nothing. */
static void expect_tick(struct bed *st, uint64_t ms, const char *wanted)
{
	const char *log;

	(void)bed_log(st);
	pool_alert_tick(&alert_of_test, pool_of(st), ms);
	log = bed_log(st);
	if (!wanted) {
		assert_string_equal(log, "");
		return;
	}
	assert_non_null(strstr(log, wanted));
	assert_int_equal(strchr(log, '\n') - log, (long)strlen(log) - 1);
}

static void set_state(struct bed *st, unsigned n, enum backend_state state)
{
	pool_set_state(pool_of(st), bed_backend(st, n), state, 0);
}

static void who_is_held_does_not_make_it_full(void **state)
{
	const struct bed_options options = { .backends = 2, .pool_keys = "hold = 10s" };
	struct bed *st = bed_with(state, &options);
	struct pool_waiter w = { 0 };

	alert_of_test = (struct pool_alert){ 0 };
	set_state(st, 0, BACKEND_DOWN);
	set_state(st, 1, BACKEND_DOWN);
	assert_int_equal(pool_pick_or_wait(pool_of(st), &w, 1), POOL_WAITING);
	expect_tick(st, 2, LOST);
	assert_true(pool_leave(pool_of(st), &w));
}

static void the_last_one_is_missed_once(void **state)
{
	struct bed *st = two_backends(state);

	expect_tick(st, 1, NULL);
	set_state(st, 0, BACKEND_DOWN);
	expect_tick(st, 2, NULL);
	set_state(st, 1, BACKEND_DRAIN);
	expect_tick(st, 3, LOST);
	expect_tick(st, 4, NULL);
	set_state(st, 0, BACKEND_READY);
	expect_tick(st, 5, BACK);
	set_state(st, 1, BACKEND_READY);
	expect_tick(st, 6, NULL);
}

/* Roles are told by checks: until the first has, or had time to, there is nothing to be told. */
static void nothing_is_missed_before_the_first_checks(void **state)
{
	const struct bed_options options = {
		.backends = 2,
		.pool_keys = "check = redis\nrole = primary\ncheck_timeout = 1s\ncheck_fall = 3",
	};
	struct bed *st = bed_with(state, &options);
	uint64_t delay_ms;

	alert_of_test = (struct pool_alert){ 0 };
	expect_tick(st, 1, NULL);
	expect_tick(st, 3000, NULL);
	expect_tick(st, 3001, LOST); /* they are late */

	alert_of_test = (struct pool_alert){ 0 };
	expect_tick(st, 1, NULL);
	for (unsigned n = 0; n < 2; n++)
		(void)pool_on_check(pool_of(st), bed_backend(st, n), HEALTH_ANSWER_FAILED, 2,
				    &delay_ms);
	expect_tick(st, 2, LOST);
}

static void without_weights_there_is_nobody(void **state)
{
	alert_of_test = (struct pool_alert){ 0 };
	struct bed *st =
		bed_with(state, &(struct bed_options){ .backends = 2, .backend_keys = "weight=0" });

	expect_tick(st, 1, LOST);
	assert_int_equal(pool_set_weight(pool_of(st), bed_backend(st, 1), 1), 0);
	expect_tick(st, 2, BACK);
}

static void full_is_said_once_and_room_when_it_lasts(void **state)
{
	struct bed *st = two_backends(state);
	uint64_t ms = 1000;

	for (int n = 0; n < 20; n++, ms += POOL_ALERT_CALM_MS - 1) {
		pool_alert_note_full(&alert_of_test, ms);
		expect_tick(st, ms, n == 0 ? FULL : NULL);
		expect_tick(st, ms + POOL_ALERT_CALM_MS - 1, NULL);
	}
	ms -= POOL_ALERT_CALM_MS - 1;
	expect_tick(st, ms + POOL_ALERT_CALM_MS, ROOM);
	expect_tick(st, ms + 100 * POOL_ALERT_CALM_MS, NULL);
	pool_alert_note_full(&alert_of_test, ms + 200 * POOL_ALERT_CALM_MS);
	expect_tick(st, ms + 200 * POOL_ALERT_CALM_MS, FULL);
}

static void who_waits_means_that_it_is_full(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .backends = 2,
								.pool_keys = "queue = 5",
								.backend_keys = "max_sessions=1" });
	struct pair c = bed_relaying(st), other = bed_relaying(st);
	int waiting = bed_client(st);

	(void)other;
	alert_of_test = (struct pool_alert){ 0 };
	bed_run(st);
	expect_tick(st, 1000, FULL);
	expect_tick(st, 1000 + 3 * POOL_ALERT_CALM_MS, NULL);
	bed_reset(st, c.client);
	bed_run(st);
	expect_nothing(waiting);
	expect_tick(st, 1000 + 4 * POOL_ALERT_CALM_MS - 1, NULL);
	expect_tick(st, 1000 + 4 * POOL_ALERT_CALM_MS, ROOM);
}

/* Sessions that find no slot, whether they wait or not, say so to the pool alert. */
static void sessions_note_that_all_are_full(void **state)
{
	const char *const keys[] = { "", "queue = 5" };

	for (size_t n = 0; n < ARRAY_LEN(keys); n++) {
		struct bed *st =
			bed_with(state, &(struct bed_options){ .pool_keys = keys[n],
							       .backend_keys = "max_sessions=1" });
		struct pool_alert *alert = &st->runtime->alerts[0];

		(void)bed_relaying(st);
		assert_int_equal(atomic_load(&alert->full_ms), 0);
		(void)bed_client(st);
		bed_run(st);
		assert_true(atomic_load(&alert->full_ms) > 0);
		assert_int_equal(bed_ended(st, CLOSE_BACKENDS_FULL), n == 0);
		assert_int_equal(bed_teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_is_held_does_not_make_it_full),
		bed_test(the_last_one_is_missed_once),
		bed_test(nothing_is_missed_before_the_first_checks),
		bed_test(without_weights_there_is_nobody),
		bed_test(full_is_said_once_and_room_when_it_lasts),
		bed_test(who_waits_means_that_it_is_full),
		bed_test(sessions_note_that_all_are_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
