/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "unit/role_bed.h"

/* ---- roles ---------------------------------------------------------------- */

static void each_pool_takes_what_it_wants(void **state)
{
	static const struct {
		enum role_wanted wanted;
		enum role_reason primary, replica;
	} cases[] = {
		{ ROLE_WANTED_PRIMARY, ROLE_ADMITTED, ROLE_OTHER },
		{ ROLE_WANTED_REPLICA, ROLE_OTHER, ROLE_ADMITTED },
		{ ROLE_WANTED_ANY, ROLE_ADMITTED, ROLE_ADMITTED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct role_config config = postgres(cases[i].wanted);

		begin(&config, 3);
		expect(0, ROLE_UNKNOWN);
		primary(0, 1);
		replica(1, 1, 1000);
		expect(0, cases[i].primary);
		expect(1, cases[i].replica);
		expect(2, ROLE_UNKNOWN);
	}
}

static void the_primary_stands_in_while_no_replica_serves(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_REPLICA_FIRST);

	(void)state;
	config.lag_max_bytes = 100;
	begin(&config, 3);
	primary(0, 1); /* at 1000 */
	expect(0, ROLE_ADMITTED);
	replica(1, 1, 500);
	expect(0, ROLE_ADMITTED);
	expect(1, ROLE_LAGS);
	replica(1, 1, 1000);
	expect(0, ROLE_SPARE);
	expect(1, ROLE_ADMITTED);
	b.judge->members[1].is_out = true; /* its operator wants it so */
	pass(0);
	expect(0, ROLE_ADMITTED);
	b.judge->members[1].is_out = false;
	fails(1, CHECK_FULL); /* it has no room, as it says itself */
	expect(0, ROLE_ADMITTED);
	expect(1, ROLE_ADMITTED);
	fails(1, CHECK_OWN_FAULT); /* it was asked who wants to know */
	expect(0, ROLE_SPARE);
	fails(1, CHECK_FULL);
	replica(1, 1, 1000);
	expect(0, ROLE_SPARE);
	primary(2, 2); /* of two primaries the right one */
	replica(1, 2, 2000);
	expect(0, ROLE_STALE);
	expect(2, ROLE_SPARE);
	dies(1);
	expect(0, ROLE_STALE);
	expect(2, ROLE_ADMITTED);
}

static void a_role_is_evidence_with_an_age(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 2);
	primary(0, 1);
	pass(AGE_MS);
	expect(0, ROLE_ADMITTED);
	assert_int_equal(role_judge_next_ms(b.judge, b.now_ms), b.now_ms + 1);
	pass(1);
	expect(0, ROLE_UNKNOWN);
	assert_true(role_judge_next_ms(b.judge, b.now_ms) == UINT64_MAX);
	primary(0, 1);
	expect(0, ROLE_ADMITTED);

	/* Who answers, though it cannot be asked, is the same one still. */
	pass(AGE_MS - 1);
	fails(0, CHECK_OWN_FAULT);
	pass(AGE_MS - 1);
	expect(0, ROLE_ADMITTED);
	fails(0, CHECK_FULL);
	pass(AGE_MS - 1);
	expect(0, ROLE_ADMITTED);
	fails(0, CHECK_NOT_READY);
	fails(0, CHECK_FAILED);
	pass(2);
	expect(0, ROLE_UNKNOWN);

	/* One that was never known does not become so by answering. */
	fails(1, CHECK_OWN_FAULT);
	expect(1, ROLE_UNKNOWN);
	primary(0, 1);
	dies(0);
	expect(0, ROLE_UNKNOWN);
	fails(0, CHECK_OWN_FAULT);
	expect(0, ROLE_UNKNOWN);
}

/* Since a check could not ask it any more, it was not there, or said that it is not ready. */
static void what_is_only_assumed_ends_with_the_first_doubt(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 1);
	for (int order = 0; order < 2; order++) {
		primary(0, 1);
		fails(0, order ? CHECK_OWN_FAULT : CHECK_NOT_READY);
		expect(0, ROLE_ADMITTED);
		fails(0, order ? CHECK_FAILED : CHECK_FULL);
		expect(0, ROLE_UNKNOWN);
		fails(0, CHECK_OWN_FAULT);
		expect(0, ROLE_UNKNOWN);
	}
	primary(0, 1);
	fails(0, CHECK_OWN_FAULT);
	say(0, (struct check_facts){ .verdict = CHECK_FAILED, .is_silent = true }); /* it hangs */
	fails(0, CHECK_OWN_FAULT);
	expect(0, ROLE_ADMITTED);
	role_judge_doubt(b.judge, 0); /* a session was refused */
	pass(0);
	expect(0, ROLE_UNKNOWN);
}

static void what_is_only_assumed_yields_to_who_was_promoted(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 2);
	primary(0, 1);
	fails(0, CHECK_OWN_FAULT);
	primary(1, 2);
	expect(0, ROLE_STALE);
	expect(1, ROLE_ADMITTED);
	dies(1);
	fails(0, CHECK_OWN_FAULT);
	expect(0, ROLE_STALE);
}

static void a_demotion_counts_at_once(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 2);
	primary(0, 1);
	replica(0, 1, 1000);
	expect(0, ROLE_OTHER);
	say(0, (struct check_facts){ .role = CHECK_ROLE_PRIMARY, .is_read_only = true });
	expect(0, ROLE_READ_ONLY);
}

/* ---- fencing --------------------------------------------------------------- */

static void the_higher_timeline_is_the_primary(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 3);
	primary(0, 1);
	primary(1, 2); /* promoted, while the old one still runs */
	expect(0, ROLE_STALE);
	expect(1, ROLE_ADMITTED);
	primary(2, 3);
	expect(0, ROLE_STALE);
	expect(1, ROLE_STALE);
	expect(2, ROLE_ADMITTED);
	primary(0, 1); /* whatever comes in what order */
	primary(2, 3);
	primary(1, 2);
	expect(2, ROLE_ADMITTED);
}

static void who_was_overtaken_stays_out_though_it_is_alone(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 2);
	primary(0, 1);
	dies(0);
	primary(1, 2);
	expect(1, ROLE_ADMITTED);
	dies(1);
	primary(0, 1); /* started again as it was */
	expect(0, ROLE_STALE);
	replica(0, 2, 100); /* rewound, follows, promoted */
	primary(0, 3);
	expect(0, ROLE_ADMITTED);

	primary(1, 2);
	expect(1, ROLE_STALE);
	dies(0);
	role_judge_allow(b.judge, 1, b.now_ms); /* the operator wants it so */
	primary(1, 2);
	expect(1, ROLE_ADMITTED);
}

static void what_cannot_be_told_apart_is_not_written_to(void **state)
{
	static const struct check_facts pairs[][2] = {
		/* equal timelines */
		{ { .system_id = 7, .timeline = 2, .started_us = 1 },
		  { .system_id = 7, .timeline = 2, .started_us = 2 } },
		/* two databases */
		{ { .system_id = 7, .timeline = 2, .started_us = 1 },
		  { .system_id = 8, .timeline = 3, .started_us = 2 } },
		/* nothing known of one, or of both */
		{ { .system_id = 7, .timeline = 2, .started_us = 1 }, { .system_id = 0 } },
		{ { .system_id = 0 }, { .system_id = 0 } },
		{ { .system_id = 7, .timeline = 2, .started_us = 1 },
		  { .system_id = 7, .timeline = 0, .started_us = 2 } },
	};
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		begin(&config, 2);
		for (size_t n = 0; n < 2; n++) {
			struct check_facts facts = pairs[i][n];

			facts.role = CHECK_ROLE_PRIMARY;
			role_judge_note(b.judge, n, &facts, b.now_ms);
		}
		role_judge_decide(b.judge, b.now_ms);
		expect(0, ROLE_SPLIT);
		expect(1, ROLE_SPLIT);
		dies(1); /* one is left */
		expect(0, ROLE_ADMITTED);
	}
}

static void two_names_of_one_server_are_one(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);
	const struct check_facts facts = {
		.role = CHECK_ROLE_PRIMARY, .system_id = 7, .timeline = 2, .started_us = 55
	};

	(void)state;
	begin(&config, 4);
	b.judge->members[0].port = b.judge->members[1].port = 5432;
	b.judge->members[3].port = 0;    /* its unix socket */
	b.judge->members[2].port = 5433; /* the same machine may have two */
	say(0, facts);
	say(1, facts);
	say(3, facts);
	expect(0, ROLE_ADMITTED);
	expect(1, ROLE_ADMITTED);
	expect(3, ROLE_ADMITTED);
	assert_false(role_judge_has_fenced(b.judge, 0));
	say(2, facts);
	expect(0, ROLE_SPLIT);
	expect(1, ROLE_SPLIT);
	expect(2, ROLE_SPLIT);
	assert_true(role_judge_has_fenced(b.judge, 0));
}

static void without_fencing_all_are_written_to(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	config.fence = false;
	config.failback.policy = FAILBACK_NO;
	begin(&config, 2);
	for (int i = 0; i < 3; i++) {
		primary(0, 1);
		primary(1, 1);
		expect(0, ROLE_ADMITTED);
		expect(1, ROLE_ADMITTED);
	}
}

/* ---- lag ------------------------------------------------------------------- */

static void replicas_are_measured_by_the_primary(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_REPLICA);

	(void)state;
	config.lag_max_bytes = 100;
	begin(&config, 3);
	replica(1, 1, 950);
	expect(1, ROLE_LAG_UNKNOWN); /* nobody to compare with */
	primary(0, 1);               /* at 1000 */
	expect(1, ROLE_ADMITTED);
	replica(2, 1, 899);
	expect(2, ROLE_LAGS);
	replica(2, 1, 900);
	expect(2, ROLE_ADMITTED);
	replica(2, 1, 5000); /* asked later than the primary was */
	expect(2, ROLE_ADMITTED);

	/* The primary is gone: what it had come to is what counts. */
	dies(0);
	pass(AGE_MS + 1);
	replica(1, 1, 950);
	replica(2, 1, 800);
	expect(1, ROLE_ADMITTED);
	expect(2, ROLE_LAGS);

	/* After a promotion only who follows it. */
	primary(0, 2); /* at 2000 */
	replica(1, 1, 2000);
	replica(2, 2, 1990);
	expect(1, ROLE_LAG_UNKNOWN);
	expect(2, ROLE_ADMITTED);
	say(1, (struct check_facts){ .role = CHECK_ROLE_REPLICA,
				     .system_id = 8,
				     .timeline = 2,
				     .has_position = true,
				     .position = 2000 });
	expect(1, ROLE_LAG_UNKNOWN);
	say(1, (struct check_facts){ .role = CHECK_ROLE_REPLICA, .system_id = 7, .timeline = 2 });
	expect(1, ROLE_LAG_UNKNOWN);
}

static void has_come_to(size_t n, enum check_role role, uint64_t position)
{
	say(n, (struct check_facts){ .role = role, .has_position = true, .position = position });
}

/* Redis: one that is started again counts from 0, and says of no other history. */
static void a_primary_that_begins_anew_is_what_counts_then(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_REPLICA);

	(void)state;
	config.lag_max_bytes = 100;
	begin(&config, 3);
	has_come_to(0, CHECK_ROLE_PRIMARY, 3000055);
	has_come_to(1, CHECK_ROLE_REPLICA, 3000055);
	expect(1, ROLE_ADMITTED);
	has_come_to(0, CHECK_ROLE_PRIMARY, 200);
	has_come_to(1, CHECK_ROLE_REPLICA, 150);
	expect(1, ROLE_ADMITTED);
	has_come_to(1, CHECK_ROLE_REPLICA, 50);
	expect(1, ROLE_LAGS);

	/* Another one, that has not all of what the last one had. */
	dies(0);
	has_come_to(2, CHECK_ROLE_PRIMARY, 20);
	has_come_to(1, CHECK_ROLE_REPLICA, 20);
	expect(1, ROLE_ADMITTED);
}

/* An old primary that goes on writing does not make the replicas of the new one look late. */
static void only_the_primary_that_is_written_to_counts(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_REPLICA);

	(void)state;
	config.lag_max_bytes = 100;
	begin(&config, 3);
	primary(0, 2); /* at 2000 */
	replica(1, 2, 2000);
	say(2, (struct check_facts){ .role = CHECK_ROLE_PRIMARY,
				     .system_id = 7,
				     .timeline = 1,
				     .started_us = 9,
				     .has_position = true,
				     .position = 999999 });
	replica(1, 2, 2000);
	expect(1, ROLE_ADMITTED);
}

static void a_lag_in_time_is_what_the_server_says(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_ANY);
	struct check_facts facts = { .role = CHECK_ROLE_REPLICA, .has_lag = true, .lag_ms = 5000 };

	(void)state;
	config.lag_max_ms = 5000;
	begin(&config, 2);
	say(0, facts);
	expect(0, ROLE_ADMITTED);
	facts.lag_ms++;
	say(0, facts);
	expect(0, ROLE_LAGS);
	facts.has_lag = false;
	say(0, facts);
	expect(0, ROLE_LAG_UNKNOWN);
}

static void a_decision_says_whether_it_changed_anything(void **state)
{
	const struct role_config config = postgres(ROLE_WANTED_PRIMARY);
	const struct check_facts facts = { .role = CHECK_ROLE_PRIMARY };

	(void)state;
	begin(&config, 2);
	assert_false(role_judge_decide(b.judge, b.now_ms));
	role_judge_note(b.judge, 0, &facts, b.now_ms);
	assert_true(role_judge_decide(b.judge, b.now_ms));
	assert_false(role_judge_decide(b.judge, b.now_ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pool_takes_what_it_wants),
		cmocka_unit_test(the_primary_stands_in_while_no_replica_serves),
		cmocka_unit_test(a_role_is_evidence_with_an_age),
		cmocka_unit_test(what_is_only_assumed_ends_with_the_first_doubt),
		cmocka_unit_test(what_is_only_assumed_yields_to_who_was_promoted),
		cmocka_unit_test(a_demotion_counts_at_once),
		cmocka_unit_test(the_higher_timeline_is_the_primary),
		cmocka_unit_test(who_was_overtaken_stays_out_though_it_is_alone),
		cmocka_unit_test(what_cannot_be_told_apart_is_not_written_to),
		cmocka_unit_test(two_names_of_one_server_are_one),
		cmocka_unit_test(without_fencing_all_are_written_to),
		cmocka_unit_test(replicas_are_measured_by_the_primary),
		cmocka_unit_test(only_the_primary_that_is_written_to_counts),
		cmocka_unit_test(a_primary_that_begins_anew_is_what_counts_then),
		cmocka_unit_test(a_lag_in_time_is_what_the_server_says),
		cmocka_unit_test(a_decision_says_whether_it_changed_anything),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
