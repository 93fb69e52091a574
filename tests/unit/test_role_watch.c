/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_watch.h"

#include "balance_bed.h"
#include "health_defaults.h"

/* Who of a pool gets sessions by what checks tell of roles. */

static struct role_watch *watch;

static const struct backend *loser;

static void lost(void *owner, struct backend *backend)
{
	(void)owner;
	loser = backend;
}

static struct bed *begin(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1 1");

	st->config.check = health_check_default; /* what it tells lasts for 7.6 s */
	st->config.check.kind = CHECK_POSTGRES;
	st->config.role.wanted = ROLE_PRIMARY;
	bed_start(st);
	loser = NULL;
	watch = role_watch_create(st->pool, lost, NULL);
	assert_non_null(watch);
	return st;
}

static void say(struct bed *st, size_t n, struct check_facts facts, uint64_t now_ms)
{
	const struct backend *backend = pool_backend(st->pool, n);

	(void)role_watch_wake(watch, now_ms);
	(void)role_watch_hear(watch, backend);
	(void)role_watch_note(watch, backend, &facts, now_ms);
	(void)role_watch_decide(watch, now_ms);
}

static struct check_facts primary(uint32_t timeline)
{
	return (struct check_facts){ .role = CHECK_ROLE_PRIMARY,
				     .system_id = 7,
				     .timeline = timeline,
				     .started_us = timeline };
}

static struct check_facts replica(void)
{
	return (struct check_facts){ .role = CHECK_ROLE_REPLICA, .system_id = 7, .timeline = 1 };
}

/* The old primary may be the first to answer. */
static void who_was_stopped_asks_all_before_anybody_gets_sessions(void **state)
{
	struct bed *st = begin(state);

	say(st, 0, primary(1), 1000);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	say(st, 1, replica(), 1000);
	assert_int_equal(bed_index(st), 0);
	for (uint64_t ms = 1000; ms < 8000; ms += 100)
		assert_false(role_watch_wake(watch, ms));

	assert_true(role_watch_wake(watch, 20000));
	assert_false(role_watch_is_served(watch));
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	say(st, 0, primary(1), 20001);
	assert_int_equal(bed_index(st), -POOL_NONE_READY);
	assert_null(loser);
	say(st, 1, primary(2), 20002);
	assert_int_equal(bed_index(st), 1);
	assert_ptr_equal(loser, pool_backend(st->pool, 0)); /* its sessions are to end */
	role_watch_destroy(watch);
}

/* A session came to it first, and found that it was too old; then a check has told it again. */
static void what_a_session_found_too_old_is_told_anew(void **state)
{
	struct bed *st = begin(state);
	const struct backend *first = pool_backend(st->pool, 0);

	say(st, 0, primary(1), 1000);
	say(st, 1, replica(), 1000);
	assert_int_equal(atomic_load(&first->role_until_ms), 1000 + 7600);
	assert_null(pool_take(st->pool, first->id, 8601));
	assert_int_equal(first->state, BACKEND_STANDBY);
	say(st, 0, primary(1), 8600); /* by a clock that is a little late */
	say(st, 0, primary(1), 8700);
	assert_int_equal(first->state, BACKEND_READY);
	assert_int_equal(atomic_load(&first->role_until_ms), 8700 + 7600);
	role_watch_destroy(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_was_stopped_asks_all_before_anybody_gets_sessions),
		bed_test(what_a_session_found_too_old_is_told_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
