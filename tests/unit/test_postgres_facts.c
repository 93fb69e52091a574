/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "postgres_bed.h"

/* ---- who it is ----------------------------------------------------------- */

static void rows_are_understood(void **state)
{
	static const struct {
		const char *columns;
		enum check_role role;
		bool is_read_only, is_detached, has_position;
		uint64_t position, system_id, started_us;
		uint32_t timeline;
	} cases[] = {
		{ "f|off|50331648|7|7012345678901234567|1795641537149749|-", CHECK_ROLE_PRIMARY,
		  false, false, true, 50331648, 7012345678901234567, 1795641537149749, 7 },
		{ "f|on|18446744073709551615|4294967295|1|1|-", CHECK_ROLE_PRIMARY, true, false,
		  true, UINT64_MAX, 1, 1, UINT32_MAX },
		{ "t|on|50331648|7|7012345678901234567|5|streaming", CHECK_ROLE_REPLICA, true,
		  false, true, 50331648, 7012345678901234567, 5, 7 },
		{ "t|on|50331648|7|7012345678901234567|5|-", CHECK_ROLE_REPLICA, true, true, true,
		  50331648, 7012345678901234567, 5, 7 },
		{ "t|on|1|7|8|5|stopped", CHECK_ROLE_REPLICA, true, true, true, 1, 8, 5, 7 },
		{ "t|on|-|-|-|-|-", CHECK_ROLE_REPLICA, true, true, false, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct bytes row = row_of(cases[i].columns);

		for (size_t piece = 1; piece < 50; piece++) {
			struct talk t;

			login(&t, &alice, piece);
			talk_hear(&t, LITERAL(DESCRIPTION), piece);
			talk_hear(&t, row.at, row.n, piece);
			talk_hear(&t, LITERAL(COMPLETE READY), piece);
			assert_int_equal(t.step, CHECK_STEP_DONE);
			talk_expect(&t, LITERAL(QUIT));
			assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
			assert_int_equal(t.x.facts.role, cases[i].role);
			assert_int_equal(t.x.facts.is_read_only, cases[i].is_read_only);
			assert_int_equal(t.x.facts.is_detached, cases[i].is_detached);
			assert_int_equal(t.x.facts.has_position, cases[i].has_position);
			assert_true(t.x.facts.position == cases[i].position);
			assert_true(t.x.facts.system_id == cases[i].system_id);
			assert_true(t.x.facts.started_us == cases[i].started_us);
			assert_int_equal(t.x.facts.timeline, cases[i].timeline);
		}
	}
}

static void rows_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[] = {
		"f",
		"f|off",
		"f|off|1|1|1|1|-|-",
		"x|off|1|1|1|1|-",
		"|off|1|1|1|1|-",
		"-|off|1|1|1|1|-",
		"f|-|1|1|1|1|-",
		"f|maybe|1|1|1|1|-",
		"f|off|x|1|1|1|-",
		"f|off|-1|1|1|1|-",
		"f|off|18446744073709551616|1|1|1|-",
		"f|off|1|4294967296|1|1|-",
		"f|off|1|1|1.5|1|-",
		"f|off|1|1|1|99999999999999999999999|-",
		"f|off|1|1|1|1|0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct bytes row = row_of(bad[i]);

		login(&t, &alice, 100);
		talk_hear(&t, row.at, row.n, 100);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
		assert_int_equal(t.x.facts.role, CHECK_ROLE_UNKNOWN);
	}
	login(&t, &alice, 100);
	talk_hear(&t,
		  LITERAL("D\0\0\0\x0c\0\x07\xff\xff\xff\xfe"
			  "xx"),
		  100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	login(&t, &alice, 100);
	talk_hear(&t, LITERAL("D\0\0\0\x05\0"), 100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void a_second_row_is_refused(void **state)
{
	const struct bytes row = row_of("f|off|1|1|1|1|-");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, row.at, row.n, 100);
	talk_hear(&t, row.at, row.n, 100);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void who_may_not_ask_all_asks_less(void **state)
{
	const struct bytes error = error_of("42501"), row = row_of("t|on");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, error.at, error.n, 1);
	talk_hear(&t, LITERAL(READY), 1);
	assert_int_equal(t.step, CHECK_STEP_MORE);
	assert_int_equal(t.said[0], 'Q');
	talk_expect(&t, NULL, 0);
	talk_hear(&t, row.at, row.n, 1);
	talk_hear(&t, LITERAL(COMPLETE READY), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	assert_int_equal(t.x.facts.role, CHECK_ROLE_REPLICA);
	assert_true(t.x.facts.is_read_only);

	/* Not even that: what the server told by itself counts. */
	login(&t, &alice, 100);
	for (int i = 0; i < 2; i++) {
		talk_hear(&t, error.at, error.n, 100);
		talk_hear(&t, LITERAL(READY), 100);
	}
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	assert_int_equal(t.x.facts.role, CHECK_ROLE_PRIMARY);
	assert_string_equal(t.x.facts.words, "does not say who it is: 42501 for that reason");

	talk_begin(&t, &alice, NULL);
	talk_hear(&t, LITERAL(AUTH_OK STANDBY READY), 1);
	for (int i = 0; i < 2; i++) {
		talk_hear(&t, error.at, error.n, 100);
		talk_hear(&t, LITERAL(READY), 100);
	}
	assert_int_equal(t.x.facts.role, CHECK_ROLE_REPLICA);
}

static void a_server_that_goes_while_it_is_asked_is_not_ready(void **state)
{
	const struct bytes error = error_of("57P01");
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	talk_hear(&t, error.at, error.n, 1);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_NOT_READY);
}

/* Notices may be longer than there is room for; they are passed over. */
static void long_messages_are_passed_over(void **state)
{
	static char notice[30000];
	struct talk t;

	(void)state;
	memset(notice, 'x', sizeof(notice));
	memcpy(notice, "N\0\0\x75\x2f", 5);
	for (size_t piece = 1; piece < sizeof(notice); piece = piece * 7 + 1) {
		talk_begin(&t, &alice, NULL);
		talk_hear(&t, notice, sizeof(notice), piece);
		talk_hear(&t, LITERAL(AUTH_OK READY), piece);
		assert_int_equal(t.step, CHECK_STEP_MORE);
		assert_int_equal(t.said[t.said_n - 1], '\0');
		check_late(&t.x);
		assert_string_equal(t.x.facts.words,
				    "no answer in time: waited for the answer to a query");
	}
}

static void nothing_of_the_password_is_left(void **state)
{
	const struct check_channel channel = { .is_tls = true, .is_verified = true };
	struct talk t;

	(void)state;
	talk_begin(&t, &alice, &channel);
	t.step = check_receive(&t.x, (const uint8_t *)AUTH_CLEAR, sizeof(AUTH_CLEAR) - 1);
	assert_non_null(memmem(t.x.out, sizeof(t.x.out), "pencil", 6));
	check_finish(&t.x);
	assert_null(memmem(&t.x, sizeof(t.x), "pencil", 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_understood),
		cmocka_unit_test(rows_that_cannot_be_are_refused),
		cmocka_unit_test(a_second_row_is_refused),
		cmocka_unit_test(who_may_not_ask_all_asks_less),
		cmocka_unit_test(a_server_that_goes_while_it_is_asked_is_not_ready),
		cmocka_unit_test(long_messages_are_passed_over),
		cmocka_unit_test(nothing_of_the_password_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
