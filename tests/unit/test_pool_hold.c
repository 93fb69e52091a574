/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance_bed.h"
#include "health_defaults.h"

/* New sessions that nobody serves wait, and are let go when somebody does; what a role decides. */

static struct bed *bed_of_hold(void **state, const char *weights, unsigned max)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, weights);

	st->config.check = health_check_default;
	st->config.hold = (struct hold_config){ .ms = 1000, .max = max };
	bed_start(st);
	return st;
}

static struct backend *nth(struct bed *st, size_t n)
{
	return pool_backend(st->pool, n);
}

static enum health_change says(struct bed *st, size_t n, enum health_answer answer)
{
	uint64_t delay_ms;

	return pool_on_check(st->pool, nth(st, n), answer, 0, &delay_ms);
}

static struct pool_waiter *call(struct bed *st, uint64_t now_ms)
{
	return pool_may_serve_queue(st->pool) ? pool_serve_next(st->pool, now_ms) : NULL;
}

static void who_comes_while_nobody_serves_waits_for_one_that_does(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct pool_waiter w[2] = { 0 };

	says(st, 0, HEALTH_ANSWER_FAILED);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0), POOL_WAITING);
	assert_null(call(st, 1));
	assert_int_equal(says(st, 0, HEALTH_ANSWER_NEEDED), HEALTH_WENT_UP);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(call(st, 2), &w[i]);
		pool_release(st->pool, w[i].backend);
	}
	assert_null(call(st, 2));
}

/* Right after a crash the old one is believed to be healthy still, and refuses. */
static void one_that_was_tried_in_vain_has_to_show_that_it_serves(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct pool_waiter w = { .ask = { .tried = { 0 }, .tried_n = 1 } };

	says(st, 0, HEALTH_ANSWER_PASSED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 0), POOL_WAITING);
	assert_null(call(st, 1));
	says(st, 0, HEALTH_ANSWER_FAILED);
	assert_null(call(st, 2));
	says(st, 0, HEALTH_ANSWER_PASSED);
	assert_ptr_equal(call(st, 3), &w);
	assert_int_equal(w.ask.tried_n, 0);
	pool_release(st->pool, w.backend);

	/* It failed again: what was known before does not count, what others meet does. */
	w.ask.tried[w.ask.tried_n++] = 0;
	assert_int_equal(pool_hold_waiter(st->pool, &w, 10), POOL_WAITING);
	assert_null(call(st, 11));
	pool_on_connect(st->pool, nth(st, 0), HEALTH_FINE, 12);
	assert_ptr_equal(call(st, 12), &w);
	pool_release(st->pool, w.backend);
}

static void a_hold_has_one_end_however_often_it_begins(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct pool_waiter w = { .ask = { .tried = { 0 }, .tried_n = 1 } };

	assert_int_equal(pool_pick_or_wait(st->pool, &w, 500), POOL_WAITING);
	assert_int_equal(w.node.deadline_ms, 1500);
	assert_true(pool_leave(st->pool, &w));
	assert_int_equal(pool_hold_waiter(st->pool, &w, 1400), POOL_WAITING);
	assert_int_equal(w.node.deadline_ms, 1500);
	assert_true(pool_leave(st->pool, &w));
	assert_int_equal(pool_hold_waiter(st->pool, &w, 1500), POOL_NONE_READY);
}

static void so_many_are_held(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 1);
	struct pool_waiter w[2] = { 0 };
	struct queue_stats stats;

	says(st, 0, HEALTH_ANSWER_FAILED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_WAITING);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[1], 0), POOL_NONE_READY);
	pool_queue_stats(st->pool, &stats);
	assert_int_equal(stats.held, 1);
	assert_true(pool_leave(st->pool, &w[0]));
	pool_queue_stats(st->pool, &stats);
	assert_int_equal(stats.held, 0);
}

static void they_are_let_go_at_a_rate(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct backend *returned;
	struct pool_waiter w[3] = { 0 };
	unsigned gone = 0;

	st->config.hold.per_s = 10;
	says(st, 0, HEALTH_ANSWER_FAILED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0), POOL_WAITING);
	says(st, 0, HEALTH_ANSWER_NEEDED);
	for (uint64_t ms = 1; ms < 250; ms++) {
		const struct pool_waiter *let_go = call(st, ms);

		assert_true(!let_go || let_go == &w[gone]);
		gone += let_go != NULL;
		assert_true(gone <= 1 + ms / 100);
		(void)pool_tick(st->pool, ms, &returned);
	}
	assert_int_equal(gone, 3);
	for (int i = 0; i < 3; i++)
		pool_release(st->pool, w[i].backend);
}

/* Nobody waits for a slot: there is room for all of them. */
static void who_comes_while_they_are_let_go_is_not_refused(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct backend *returned;
	struct pool_waiter w[2] = { 0 };

	st->config.hold.per_s = 10;
	says(st, 0, HEALTH_ANSWER_FAILED);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0), POOL_WAITING);
	says(st, 0, HEALTH_ANSWER_NEEDED);
	assert_true(pool_may_serve_queue(st->pool));
	assert_true(bed_index(st) >= 0);
	assert_ptr_equal(call(st, 1), &w[0]);
	assert_null(call(st, 1));
	(void)pool_tick(st->pool, 11, &returned);
	assert_true(pool_may_serve_queue(st->pool));
	assert_true(bed_index(st) >= 0);
	assert_ptr_equal(call(st, 150), &w[1]);
	for (int i = 0; i < 2; i++)
		pool_release(st->pool, w[i].backend);
}

/* ---- roles, and servers that are full ---- */

static void nobody_gets_sessions_before_its_role_is_known(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");

	st->config.check = health_check_default;
	st->config.role.wanted = ROLE_PRIMARY;
	bed_start(st);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	assert_int_equal(nth(st, 0)->state, BACKEND_STANDBY);
	pool_set_standby(st->pool, nth(st, 1), NULL, 0);
	assert_int_equal(bed_index(st), 1);
	pool_set_standby(st->pool, nth(st, 1), "role unknown", 0);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	pool_set_standby(st->pool, nth(st, 1), NULL, 0);
	says(st, 1, HEALTH_ANSWER_REFUSED); /* believed at once */
	assert_int_equal(nth(st, 1)->state, BACKEND_DOWN);
}

/* The thread of the checks may have been kept from saying so. */
static void what_is_known_of_a_role_grows_old_by_itself(void **state)
{
	struct bed *st = bed_of_hold(state, "1", 10);
	struct pool_waiter w = { 0 };

	st->config.role.wanted = ROLE_PRIMARY;
	assert_int_equal(pool_reconfigure(st->pool, &st->config), 0);
	says(st, 0, HEALTH_ANSWER_PASSED);
	pool_set_standby(st->pool, nth(st, 0), NULL, 0);
	atomic_store(&nth(st, 0)->role_until_ms, 1000);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 1000), POOL_PICKED);
	pool_release(st->pool, w.backend);
	assert_false(pool_take_expiry(nth(st, 0)));
	assert_null(pool_take(st->pool, nth(st, 0)->id, 1001));
	assert_int_equal(nth(st, 0)->state, BACKEND_STANDBY);
	assert_true(pool_take_expiry(nth(st, 0)));
	assert_false(pool_take_expiry(nth(st, 0)));
	pool_set_standby(st->pool, nth(st, 0), NULL, 1001);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 1001), POOL_WAITING);
	assert_true(pool_take_expiry(nth(st, 0)));

	/* One that is held does not come to it either. */
	pool_set_standby(st->pool, nth(st, 0), NULL, 1002);
	assert_null(call(st, 1002));
	atomic_store(&nth(st, 0)->role_until_ms, 2000);
	pool_set_standby(st->pool, nth(st, 0), NULL, 1003);
	assert_ptr_equal(call(st, 1003), &w);
	pool_release(st->pool, w.backend);
}

/* Whatever was right before is not, until somebody has looked; who comes waits for that. */
static void another_role_is_told_before_anybody_gets_sessions(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");
	static struct pool_config other;
	struct pool_waiter w = { 0 };

	st->config.check = health_check_default;
	st->config.hold.max = 10;
	bed_start(st);
	for (size_t n = 0; n < 2; n++)
		says(st, n, HEALTH_ANSWER_PASSED);
	assert_true(bed_index(st) >= 0);
	other = st->config;
	other.role.wanted = ROLE_PRIMARY;
	assert_int_equal(pool_reconfigure(st->pool, &other), 0);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 0), POOL_WAITING);
	pool_set_standby(st->pool, nth(st, 0), "has another role: replica", 1);
	assert_null(call(st, 1));
	pool_set_standby(st->pool, nth(st, 1), NULL, 2);
	assert_ptr_equal(call(st, 2), &w);
	pool_release(st->pool, w.backend);
	assert_false(pool_awaits_checks(st->pool));

	/* The same role, and something else: nothing changes. */
	st->config = other;
	st->config.connect_total_ms++;
	assert_int_equal(pool_reconfigure(st->pool, &st->config), 0);
	assert_int_equal(bed_index(st), 1);
	other.role.wanted = ROLE_REPLICA;
	assert_int_equal(pool_reconfigure(st->pool, &other), 0);
	assert_int_equal(nth(st, 1)->state, BACKEND_STANDBY);
	st->config.role.wanted = ROLE_ANY;
	assert_int_equal(pool_reconfigure(st->pool, &st->config), 0);
	assert_true(bed_index(st) >= 0);
}

/* Without hold, too: at a start nobody knows yet that nobody serves. */
static void who_comes_before_the_first_checks_waits_for_them(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");
	struct pool_waiter w = { 0 }, late = { 0 };

	st->config.check = health_check_default;
	st->config.hold.max = 10;
	st->config.role.wanted = ROLE_PRIMARY;
	bed_start(st);
	assert_true(pool_awaits_checks(st->pool));
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 100), POOL_WAITING);
	assert_int_equal(w.node.deadline_ms, 100 + 3 * 1000); /* check_timeout times check_fall */
	says(st, 0, HEALTH_ANSWER_PASSED);
	pool_set_standby(st->pool, nth(st, 0), "has another role: replica", 200);
	assert_true(pool_awaits_checks(st->pool));
	assert_null(call(st, 200));
	says(st, 1, HEALTH_ANSWER_PASSED);
	pool_set_standby(st->pool, nth(st, 1), NULL, 300);
	assert_ptr_equal(call(st, 300), &w);
	pool_release(st->pool, w.backend);

	assert_false(pool_awaits_checks(st->pool));
	pool_set_standby(st->pool, nth(st, 1), "has another role: replica", 400);
	assert_int_equal(pool_pick_or_wait(st->pool, &late, 400), POOL_NONE_READY);
}

/* Whom the operator has taken out, or gave no weight, no check will bring in. */
static void nobody_waits_for_checks_that_decide_nothing(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");
	struct pool_waiter w = { 0 };

	st->config.check = health_check_default;
	st->config.hold.max = 10;
	st->config.role.wanted = ROLE_PRIMARY;
	bed_start(st);
	pool_set_state(st->pool, nth(st, 0), BACKEND_MAINT, 0);
	assert_int_equal(pool_set_weight(st->pool, nth(st, 1), 0), 0);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 0), POOL_NONE_READY);
}

static void the_operator_and_sessions_are_heard_once(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1");

	assert_false(pool_take_approval(nth(st, 0)));
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_true(pool_take_approval(nth(st, 0)));
	assert_false(pool_take_approval(nth(st, 0)));
	/* What ends a maintenance says nothing of who is primary. */
	for (int i = BACKEND_DRAIN; i <= BACKEND_MAINT; i++) {
		pool_set_state(st->pool, nth(st, 0), (enum backend_state)i, 0);
		pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
		assert_false(pool_take_approval(nth(st, 0)));
	}
	pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
	assert_true(pool_take_approval(nth(st, 0)));
	assert_false(pool_take_recheck(st->pool));
	pool_on_connect(st->pool, nth(st, 0), HEALTH_FAILED, 0);
	assert_true(pool_take_recheck(st->pool));
	assert_false(pool_take_recheck(st->pool));
}

static void one_that_says_it_is_full_gets_sessions_last(void **state)
{
	struct bed *st = bed_of(state, BALANCE_LEASTCONN, "1 1");

	assert_int_equal(says(st, 0, HEALTH_ANSWER_FULL), HEALTH_FILLED);
	assert_int_equal(says(st, 0, HEALTH_ANSWER_FULL), HEALTH_SAME);
	assert_int_equal(nth(st, 0)->state, BACKEND_READY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bed_index(st), 1);
	says(st, 1, HEALTH_ANSWER_FULL); /* then it may say so itself */
	assert_true(bed_index(st) >= 0);
	assert_int_equal(says(st, 0, HEALTH_ANSWER_PASSED), HEALTH_HAS_ROOM);
	assert_int_equal(bed_index(st), 0);
}

static void with_a_queue_who_finds_all_full_waits(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1");
	struct pool_waiter w = { 0 };

	st->config.queue_max = 1;
	st->config.queue_timeout_ms = 1000;
	bed_start(st);
	says(st, 0, HEALTH_ANSWER_FULL);
	assert_int_equal(pool_pick_or_wait(st->pool, &w, 0), POOL_WAITING);
	assert_false(w.node.is_held);
	says(st, 0, HEALTH_ANSWER_PASSED);
	assert_ptr_equal(call(st, 1), &w);
	pool_release(st->pool, w.backend);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_comes_while_nobody_serves_waits_for_one_that_does),
		bed_test(one_that_was_tried_in_vain_has_to_show_that_it_serves),
		bed_test(a_hold_has_one_end_however_often_it_begins),
		bed_test(so_many_are_held),
		bed_test(they_are_let_go_at_a_rate),
		bed_test(who_comes_while_they_are_let_go_is_not_refused),
		bed_test(nobody_gets_sessions_before_its_role_is_known),
		bed_test(what_is_known_of_a_role_grows_old_by_itself),
		bed_test(another_role_is_told_before_anybody_gets_sessions),
		bed_test(who_comes_before_the_first_checks_waits_for_them),
		bed_test(nobody_waits_for_checks_that_decide_nothing),
		bed_test(the_operator_and_sessions_are_heard_once),
		bed_test(one_that_says_it_is_full_gets_sessions_last),
		bed_test(with_a_queue_who_finds_all_full_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
