/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool/health.h"

#include "base/def.h"
#include "health_defaults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct health_group ten = { .eject = &health_eject_default, .members = 10 };

static struct health checked(bool up)
{
	struct check_config check = health_check_default;
	struct health h;

	health_init(&h, true);
	health_on_check(&h, &check, up);
	return h;
}

/* '+' passes, '-' fails; after each, upper case where it is believed up. */
static void assert_checks(struct health *h, const char *answers, const char *states)
{
	struct check_config check = health_check_default;

	for (size_t i = 0; answers[i]; i++) {
		bool was_up = h->is_up;
		enum health_change change = health_on_check(h, &check, answers[i] == '+');

		assert_int_equal(h->is_up ? 'U' : 'd', states[i]);
		assert_int_equal(change, h->is_up == was_up ? HEALTH_SAME
					 : h->is_up         ? HEALTH_WENT_UP
							    : HEALTH_WENT_DOWN);
	}
}

static void three_failures_take_it_down_two_passes_bring_it_up(void **state)
{
	struct health h = checked(true);

	(void)state;
	assert_checks(&h, "--+--+---", "UUUUUUUUd");
	assert_checks(&h, "+-+-++", "dddddU");
	assert_checks(&h, "---++", "UUddU");
	assert_int_equal(health_state(&h), BACKEND_READY);
}

static void the_first_answer_is_believed_at_once(void **state)
{
	struct health h;

	(void)state;
	health_init(&h, true);
	assert_int_equal(health_state(&h), BACKEND_READY);
	assert_checks(&h, "-++--", "ddUUU");

	health_init(&h, false);
	assert_int_equal(health_state(&h), BACKEND_DOWN);
	assert_checks(&h, "+--", "UUU");

	health_init(&h, false); /* down as it was, but now it is known why */
	assert_int_equal(health_on_check(&h, &health_check_default, HEALTH_ANSWER_FAILED),
			 HEALTH_STAYED_DOWN);
	assert_checks(&h, "+-+", "ddd");
}

static void contradicting_answers_are_checked_faster(void **state)
{
	struct check_config check = health_check_default;
	struct health h = checked(true);

	(void)state;
	check.jitter_percent = 0;
	assert_int_equal(health_check_delay_ms(&h, &check, 0), 2000);
	health_on_check(&h, &check, false);
	assert_int_equal(health_check_delay_ms(&h, &check, 0), 500);
	health_on_check(&h, &check, false);
	health_on_check(&h, &check, false);
	assert_int_equal(health_check_delay_ms(&h, &check, 0), 2000);
	health_on_check(&h, &check, true);
	assert_int_equal(health_check_delay_ms(&h, &check, 0), 500);
}

static void intervals_vary_by_the_jitter(void **state)
{
	struct check_config check = health_check_default;
	struct health h = checked(true);

	(void)state;
	assert_int_equal(health_check_delay_ms(&h, &check, 0), 1800);
	assert_int_equal(health_check_delay_ms(&h, &check, UINT32_MAX / 2), 2000);
	assert_int_equal(health_check_delay_ms(&h, &check, UINT32_MAX), 2200);
	assert_int_equal(health_first_delay_ms(&check, 0), 0);
	assert_int_equal(health_first_delay_ms(&check, UINT32_MAX), 1999);
}

static void what_the_operator_says_comes_first(void **state)
{
	static const struct {
		enum backend_state wanted, state;
		bool is_up, is_ejected;
	} cases[] = {
		{ BACKEND_READY, BACKEND_READY, true, false },
		{ BACKEND_READY, BACKEND_EJECTED, true, true },
		{ BACKEND_READY, BACKEND_DOWN, false, false },
		{ BACKEND_READY, BACKEND_DOWN, false, true },
		{ BACKEND_DRAIN, BACKEND_DRAIN, true, false },
		{ BACKEND_DRAIN, BACKEND_DRAIN, true, true },
		{ BACKEND_DRAIN, BACKEND_DOWN, false, false },
		{ BACKEND_MAINT, BACKEND_MAINT, false, false },
		{ BACKEND_MAINT, BACKEND_MAINT, true, true },
		{ BACKEND_DOWN, BACKEND_DOWN, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct health h = { .admin_state = cases[i].wanted,
				    .is_up = cases[i].is_up,
				    .is_ejected = cases[i].is_ejected };

		assert_int_equal(health_state(&h), cases[i].state);
	}
}

static enum health_change connect_at(struct health *h, enum health_result result, uint64_t now_ms)
{
	return health_on_connect(h, &ten, result, now_ms, 0);
}

static void five_failures_in_a_row_eject_for_ten_seconds(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(connect_at(&h, HEALTH_FAILED, 1000), HEALTH_SAME);
	assert_int_equal(connect_at(&h, HEALTH_FAILED, 1000), HEALTH_EJECTED);
	assert_int_equal(health_state(&h), BACKEND_EJECTED);
	assert_int_equal(health_on_time(&h, 10999), HEALTH_SAME);
	assert_int_equal(health_on_time(&h, 11000), HEALTH_RETURNED);
	assert_int_equal(health_state(&h), BACKEND_READY);
	assert_int_equal(health_on_time(&h, 11000), HEALTH_SAME);
	/* With a clean slate. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(connect_at(&h, HEALTH_FAILED, 11000), HEALTH_SAME);
}

static void a_success_ends_the_row(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 100; i++) {
		/* Four in five fail, but so far apart that the window holds few. */
		enum health_result result = i % 5 == 4 ? HEALTH_FINE : HEALTH_FAILED;

		assert_int_equal(connect_at(&h, result, 2000u * (unsigned)i), HEALTH_SAME);
	}
}

static void half_of_ten_in_the_window_eject(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(connect_at(&h, HEALTH_FINE, 1000u * (unsigned)i), HEALTH_SAME);
	for (int i = 5; i < 9; i++)
		assert_int_equal(connect_at(&h, HEALTH_FAILED, 1000u * (unsigned)i), HEALTH_SAME);
	assert_int_equal(connect_at(&h, HEALTH_FINE, 9000), HEALTH_SAME);
	/* 5 of 11 until now. */
	assert_int_equal(connect_at(&h, HEALTH_FAILED, 9000), HEALTH_SAME);
	assert_int_equal(connect_at(&h, HEALTH_FAILED, 9000), HEALTH_EJECTED);
}

static void what_is_older_than_the_window_is_forgotten(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 4; i++)
		connect_at(&h, HEALTH_FAILED, 500);
	for (int i = 0; i < 5; i++)
		connect_at(&h, HEALTH_FINE, 5000);
	/* The four are gone by now: 1 of 6. */
	assert_int_equal(connect_at(&h, HEALTH_FAILED, 11000), HEALTH_SAME);
}

static enum health_change unserved_at(struct health *h, uint64_t network, uint64_t now_ms)
{
	const struct unserved session = { .network = network, .began_ms = now_ms };

	return health_on_unserved(h, &ten, &session, now_ms, 0);
}

static void sessions_unserved_count_when_three_networks_have_seen_them(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(unserved_at(&h, i % 3, 1000), HEALTH_SAME); /* 0 is nobody's */
	health_on_served(&h, 999);                                           /* it began before */
	assert_int_equal(unserved_at(&h, 3, 1000), HEALTH_EJECTED);
	assert_int_equal(h.blamed_failures, 101);
	assert_int_equal(health_on_time(&h, 11000), HEALTH_RETURNED);
	assert_int_equal(unserved_at(&h, 4, 11000), HEALTH_SAME);
}

static void one_that_is_served_ends_the_row_of_the_unserved(void **state)
{
	struct health h = checked(true);

	(void)state;
	for (unsigned i = 1; i < 100; i++) {
		assert_int_equal(unserved_at(&h, i, 1000 + i), HEALTH_SAME);
		if (i % 4 == 0)
			health_on_served(&h, 1000 + i);
	}
}

static void one_that_is_certain_stands_for_all_networks(void **state)
{
	const struct unserved session = { .is_certain = true };
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(health_on_unserved(&h, &ten, &session, 1, 0), HEALTH_SAME);
	assert_int_equal(health_on_unserved(&h, &ten, &session, 1, 0), HEALTH_EJECTED);
}

/* Many may ask for a user that no server has; where another one takes them in it is not they. */
static void one_that_may_refuse_the_client_is_compared_with_others(void **state)
{
	struct health h = checked(true);
	struct health_group group = ten;

	(void)state;
	for (unsigned i = 1; i < 100; i++) {
		const struct unserved session = { .kind = REFUSAL_OF_CLIENT,
						  .network = i,
						  .is_certain = true };

		group.others_serve = i == 99;
		assert_int_equal(health_on_unserved(&h, &group, &session, 1, 0),
				 i == 99 ? HEALTH_EJECTED : HEALTH_SAME);
	}
}

static void trouble_of_our_own_is_not_held_against_it(void **state)
{
	static const int ours[] = { EADDRNOTAVAIL, EMFILE, ENFILE, ENOMEM, ENOBUFS,  EACCES,
				    EPERM,         EAGAIN, EINTR,  EINVAL, ECANCELED };
	static const int theirs[] = { ECONNREFUSED, ETIMEDOUT, ECONNRESET,
				      EHOSTUNREACH, ENOENT,    EPROTO };
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(connect_at(&h, HEALTH_LOCAL, 0), HEALTH_SAME);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		assert_int_equal(health_result_of(-ours[i]), HEALTH_LOCAL);
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		assert_int_equal(health_result_of(-theirs[i]), HEALTH_FAILED);
	assert_int_equal(health_result_of(0), HEALTH_FINE);
}

static void never_more_than_half_are_ejected(void **state)
{
	static const struct {
		unsigned members, out;
		bool may;
	} cases[] = {
		{ 1, 0, false }, { 2, 0, true },  { 2, 1, false },     { 3, 0, true },
		{ 3, 1, false }, { 10, 4, true }, { 10, 5, false },    { 10, 10, false },
		{ 4, 1, true },  { 4, 2, false }, { 1000, 499, true }, { 1000, 500, false },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct health_group group = { &health_eject_default, cases[i].members,
					      cases[i].out };
		struct health h = checked(true);
		enum health_change change = HEALTH_SAME;

		for (int n = 0; n < 20 && change == HEALTH_SAME; n++)
			change = health_on_connect(&h, &group, HEALTH_FAILED, 0, 0);
		assert_int_equal(change, cases[i].may ? HEALTH_EJECTED : HEALTH_SAME);
	}
}

/* Ejects it at @now_ms, lets it return, gives how long it was out. */
static uint64_t eject_once(struct health *h, uint64_t now_ms, uint32_t random)
{
	for (int i = 0; i < 4; i++)
		health_on_connect(h, &ten, HEALTH_FAILED, now_ms, random);
	assert_int_equal(health_on_connect(h, &ten, HEALTH_FAILED, now_ms, random), HEALTH_EJECTED);
	assert_int_equal(health_on_time(h, h->eject_end_ms - 1), HEALTH_SAME);
	assert_int_equal(health_on_time(h, h->eject_end_ms), HEALTH_RETURNED);
	return h->eject_end_ms - now_ms;
}

static void the_nth_ejection_lasts_n_times_as_long(void **state)
{
	struct health h = checked(true);
	uint64_t now_ms = 5000;

	(void)state;
	for (unsigned n = 1; n <= 40; n++) {
		uint64_t ms = eject_once(&h, now_ms, 0);

		assert_int_equal(ms, MIN(n * 10000, 300000));
		now_ms += ms + 9999;
	}
}

static void staying_in_is_forgiven_step_by_step(void **state)
{
	struct health h = checked(true);
	uint64_t now_ms = 0;

	(void)state;
	for (unsigned n = 1; n <= 5; n++)
		now_ms += eject_once(&h, now_ms, 0);
	assert_int_equal(h.ejections, 5);
	now_ms += 20000;
	assert_int_equal(eject_once(&h, now_ms, 0), 40000);
	now_ms += 40000 + 3600000;
	assert_int_equal(eject_once(&h, now_ms, 0), 10000);
}

static void ejections_last_up_to_a_tenth_longer(void **state)
{
	struct health h = checked(true);

	(void)state;
	assert_int_equal(eject_once(&h, 0, UINT32_MAX), 11000);
}

static void down_and_draining_are_not_ejected_too(void **state)
{
	struct health h = checked(false);

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(connect_at(&h, HEALTH_FAILED, 0), HEALTH_SAME);
	h = checked(true);
	h.admin_state = BACKEND_DRAIN;
	for (int i = 0; i < 20; i++)
		assert_int_equal(connect_at(&h, HEALTH_FAILED, 0), HEALTH_SAME);
}

static void without_rules_nothing_is_ejected(void **state)
{
	static const struct eject_config no_rules;
	struct health_group none = { .eject = &no_rules, .members = 10 };
	struct health h = checked(true);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(health_on_connect(&h, &none, HEALTH_FAILED, 0, 0), HEALTH_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_failures_take_it_down_two_passes_bring_it_up),
		cmocka_unit_test(the_first_answer_is_believed_at_once),
		cmocka_unit_test(contradicting_answers_are_checked_faster),
		cmocka_unit_test(intervals_vary_by_the_jitter),
		cmocka_unit_test(what_the_operator_says_comes_first),
		cmocka_unit_test(five_failures_in_a_row_eject_for_ten_seconds),
		cmocka_unit_test(a_success_ends_the_row),
		cmocka_unit_test(half_of_ten_in_the_window_eject),
		cmocka_unit_test(what_is_older_than_the_window_is_forgotten),
		cmocka_unit_test(sessions_unserved_count_when_three_networks_have_seen_them),
		cmocka_unit_test(one_that_is_served_ends_the_row_of_the_unserved),
		cmocka_unit_test(one_that_is_certain_stands_for_all_networks),
		cmocka_unit_test(one_that_may_refuse_the_client_is_compared_with_others),
		cmocka_unit_test(trouble_of_our_own_is_not_held_against_it),
		cmocka_unit_test(never_more_than_half_are_ejected),
		cmocka_unit_test(the_nth_ejection_lasts_n_times_as_long),
		cmocka_unit_test(staying_in_is_forgiven_step_by_step),
		cmocka_unit_test(ejections_last_up_to_a_tenth_longer),
		cmocka_unit_test(down_and_draining_are_not_ejected_too),
		cmocka_unit_test(without_rules_nothing_is_ejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
