/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "unit/role_bed.h"

/* Servers that have no timelines. */
static void writes(size_t n)
{
	say(n, (struct check_facts){ .role = CHECK_ROLE_PRIMARY });
}

static void takes_over(void)
{
	writes(0);
	expect(0, ROLE_ADMITTED);
	dies(0);
	writes(1);
	expect(1, ROLE_ADMITTED);
	dies(1);
	writes(0); /* it comes back, and the other one is gone */
}

static void a_primary_that_was_replaced_comes_back_as_the_operator_wants(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	begin(&config, 2);
	takes_over();
	expect(0, ROLE_ADMITTED);

	config.failback.policy = FAILBACK_NO;
	begin(&config, 2);
	takes_over();
	expect(0, ROLE_RETURNED);
	pass(1000000);
	writes(0);
	expect(0, ROLE_RETURNED);
	role_judge_allow(b.judge, 0, b.now_ms);
	role_judge_decide(b.judge, b.now_ms);
	expect(0, ROLE_ADMITTED);
	dies(0);
	writes(1); /* now this one was replaced */
	expect(1, ROLE_RETURNED);

	config.failback = (struct failback_config){ FAILBACK_AFTER, 3000 };
	begin(&config, 2);
	takes_over();
	expect(0, ROLE_RETURNED);
	assert_int_equal(role_judge_next_ms(b.judge, b.now_ms), b.now_ms + 3000);
	pass(2999);
	expect(0, ROLE_RETURNED);
	pass(1);
	expect(0, ROLE_ADMITTED);
}

/* Servers without timelines: the one that took over goes on, whatever the old one says. */
static void who_was_replaced_contradicts_nobody(void **state)
{
	static const enum failback_policy policies[] = { FAILBACK_NO, FAILBACK_YES,
							 FAILBACK_AFTER };
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		config.failback = (struct failback_config){ policies[i], 3000 };
		begin(&config, 2);
		writes(0);
		dies(0);
		writes(1);
		writes(0); /* as it was, and both are there */
		expect(0, ROLE_RETURNED);
		expect(1, ROLE_ADMITTED);
		assert_true(role_judge_has_fenced(b.judge, 0));
		assert_false(role_judge_has_fenced(b.judge, 1));
		pass(4000);
		writes(1);
		writes(0);
		expect(0, ROLE_RETURNED);
		expect(1, ROLE_ADMITTED);
		dies(1);
		expect(0, policies[i] == FAILBACK_YES ? ROLE_ADMITTED : ROLE_RETURNED);
		pass(3000); /* alone for long enough */
		writes(0);
		expect(0, policies[i] == FAILBACK_NO ? ROLE_RETURNED : ROLE_ADMITTED);
	}
}

static void the_operator_says_which_of_two_it_is(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	config.failback.policy = FAILBACK_NO;
	begin(&config, 2);
	writes(0);
	writes(1); /* while the other one is there: which of them is right? */
	expect(0, ROLE_SPLIT);
	expect(1, ROLE_SPLIT);
	for (size_t n = 1; n < 3; n++) {
		role_judge_allow(b.judge, n % 2, b.now_ms);
		pass(0);
		expect(n % 2, ROLE_ADMITTED);
		expect((n + 1) % 2, ROLE_RETURNED);
	}
	replica(0, 0, 0); /* nothing to choose: it is ready, and that is all */
	role_judge_allow(b.judge, 0, b.now_ms);
	writes(1);
	expect(1, ROLE_RETURNED);
}

static void two_names_of_one_primary_do_not_replace_each_other(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);
	const struct check_facts facts = {
		.role = CHECK_ROLE_PRIMARY, .system_id = 7, .timeline = 2, .started_us = 55
	};

	(void)state;
	config.failback.policy = FAILBACK_NO;
	begin(&config, 2);
	for (int i = 0; i < 3; i++) {
		say(0, facts);
		say(1, facts);
		expect(0, ROLE_ADMITTED);
		expect(1, ROLE_ADMITTED);
	}
}

static void a_pause_begins_anew_when_it_was_gone(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	config.failback = (struct failback_config){ FAILBACK_AFTER, 3000 };
	begin(&config, 2);
	takes_over();
	pass(2000);
	dies(0);
	writes(0);
	pass(2000);
	expect(0, ROLE_RETURNED);
	pass(1000);
	expect(0, ROLE_ADMITTED);
}

static void one_that_was_promoted_since_is_no_mistake(void **state)
{
	struct role_config config = postgres(ROLE_WANTED_PRIMARY);

	(void)state;
	config.failback.policy = FAILBACK_NO;
	begin(&config, 2);
	takes_over();
	expect(0, ROLE_RETURNED);
	replica(0, 0, 0);
	writes(0);
	expect(0, ROLE_ADMITTED);

	begin(&config, 2); /* by its timeline */
	primary(0, 1);
	dies(0);
	primary(1, 2);
	dies(1);
	primary(0, 3);
	expect(0, ROLE_ADMITTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_primary_that_was_replaced_comes_back_as_the_operator_wants),
		cmocka_unit_test(who_was_replaced_contradicts_nobody),
		cmocka_unit_test(the_operator_says_which_of_two_it_is),
		cmocka_unit_test(two_names_of_one_primary_do_not_replace_each_other),
		cmocka_unit_test(a_pause_begins_anew_when_it_was_gone),
		cmocka_unit_test(one_that_was_promoted_since_is_no_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
