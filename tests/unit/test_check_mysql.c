/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "mysql_bed.h"

/* ---- logging in ---------------------------------------------------------- */

#define OPTIONS(caps)       \
	caps "\0\0\1\0\x21" \
	     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"

static void a_proof_is_sent_in_the_servers_own_way(void **state)
{
	static const struct {
		const char *plugin, *said;
		size_t n;
	} cases[] = {
		{ "caching_sha2_password",
		  LITERAL("\x5d\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x20" PROOF_CACHING
								 "caching_sha2_password\0") },
		{ "mysql_native_password",
		  LITERAL("\x51\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x14" PROOF_NATIVE
								 "mysql_native_password\0") },
		/* One that nobody knows: it will ask for another, if that will do for this user. */
		{ "client_ed25519",
		  LITERAL("\x51\0\0\1" OPTIONS("\x05\xa2\x08\0") "alice\0\x14" PROOF_NATIVE
								 "mysql_native_password\0") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece < 90; piece++) {
			struct talk t;

			talk_begin(&t, &alice, NULL);
			talk_expect(&t, LITERAL(""));
			hear(&t, greeting(cases[i].plugin, true), piece);
			talk_expect(&t, cases[i].said, cases[i].n);
		}
	}
}

static void a_database_and_tls_are_asked_for(void **state)
{
	const struct check_request request = { .protocol = &check_mysql,
					       .user = "alice",
					       .password = "secret",
					       .database = "shop",
					       .tls = CHECK_TLS_PREFER };
	const struct check_request must = { .protocol = &check_mysql, .tls = CHECK_TLS_REQUIRE };
	const struct check_channel tls = { .is_tls = true };
	struct talk t;

	(void)state;
	talk_begin(&t, &request, NULL);
	hear(&t, greeting("mysql_native_password", true), 1);
	assert_int_equal(t.step, CHECK_STEP_TLS);
	talk_expect(&t, LITERAL("\x20\0\0\1" OPTIONS("\x0d\xaa\x08\0")));
	t.said_n = 0;
	talk_secure(&t, &tls);
	talk_expect(&t, LITERAL("\x56\0\0\2" OPTIONS(
				"\x0d\xaa\x08\0") "alice\0\x14" PROOF_NATIVE
						  "shop\0mysql_native_password\0"));

	talk_begin(&t, &request, NULL); /* one that has no TLS */
	hear(&t, greeting("mysql_native_password", false), 1);
	assert_int_equal(t.step, CHECK_STEP_MORE);
	talk_begin(&t, &must, NULL);
	hear(&t, greeting("mysql_native_password", false), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	assert_string_equal(t.x.facts.words, "does not speak TLS");
}

static void a_server_may_switch_to_another_way_once(void **state)
{
	static const char native[] = "\xfe"
				     "mysql_native_password\0" NONCE_A NONCE_B;
	static const char caching[] = "\xfe"
				      "caching_sha2_password\0" NONCE_A NONCE_B;
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	hear(&t, reply(native, sizeof(native), 2), 1);
	talk_expect(&t, LITERAL("\x14\0\0\3" PROOF_NATIVE));
	hear(&t, reply(LITERAL(OK), 4), 1);
	assert_int_equal(t.said[4], 3);

	login(&t, &alice, 100);
	hear(&t, reply(native, sizeof(native), 2), 1);
	hear(&t, reply(caching, sizeof(caching), 4), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);

	login(&t, &alice, 100); /* a nonce that is too short */
	hear(&t, reply(native, sizeof(native) - 3, 2), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void ways_that_are_not_known_are_the_checks_fault(void **state)
{
	static const struct {
		const char *payload;
		size_t n;
		const char *words;
	} cases[] = {
		{ LITERAL("\xfe"
			  "client_ed25519\0abc"),
		  "it asks for an unknown way to log in: client_ed25519" },
		{ LITERAL("\xfe"), "it asks for a password of before MySQL 4.1" },
		{ LITERAL("\xfe"
			  "mysql_clear_password\0"),
		  "it asks for the password in clear" },
		{ LITERAL("\x01\x07"),
		  "it asks for an unknown way to log in: caching_sha2_password" },
		{ LITERAL("\xfe"
			  "a_way_whose_name_is_longer_than_any_there_is_and_will_be_in_future\0"),
		  "it asks for an unknown way to log in: a_way_whose" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		login(&t, &alice, 100);
		hear(&t, reply(cases[i].payload, cases[i].n, 2), 1);
		assert_int_equal(t.step, CHECK_STEP_DONE);
		assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
		assert_memory_equal(t.x.facts.words, cases[i].words, strlen(cases[i].words));
		assert_int_equal(t.said_n, 0);
		login(&t, &nobody, 100);
		hear(&t, reply(cases[i].payload, cases[i].n, 2), 1);
		assert_true(t.x.facts.verdict == CHECK_PASSED || i == 1);
	}
}

static void the_whole_password_goes_only_where_it_is_safe(void **state)
{
	static const struct {
		struct check_channel channel;
		const char *said; /* NULL: nothing */
		size_t n;
	} cases[] = {
		{ { .is_tls = true, .is_verified = true }, LITERAL("\x07\0\0\3secret\0") },
		{ { .is_local = true }, LITERAL("\x07\0\0\3secret\0") },
		{ { .is_tls = true }, LITERAL("") },
		{ { .is_tls = false }, LITERAL("\x01\0\0\3\x02") },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		talk_begin(&t, &alice, &cases[i].channel);
		hear(&t, greeting("caching_sha2_password", false), 100);
		talk_expect(&t, NULL, 0);
		hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
		talk_expect(&t, cases[i].said, cases[i].n);
		if (cases[i].n == 0)
			assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
	}
}

static void a_key_that_is_none_gets_no_password(void **state)
{
	struct talk t;

	(void)state;
	login(&t, &alice, 100);
	hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
	talk_expect(&t, NULL, 0);
	hear(&t,
	     reply(LITERAL("\x01-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 4),
	     1);
	assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
	assert_int_equal(t.said_n, 0);

	login(&t, &alice, 100); /* nor is it enough to say OK then */
	hear(&t, reply(LITERAL("\x01\x04"), 2), 1);
	hear(&t, reply(LITERAL(OK), 4), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		unsigned number;
		enum check_verdict with_user, without;
	} cases[] = {
		{ 1040, CHECK_FULL, CHECK_FULL },
		{ 1203, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1226, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1045, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1044, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1049, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1820, CHECK_OWN_FAULT, CHECK_PASSED },
		{ 1053, CHECK_NOT_READY, CHECK_NOT_READY },
		{ 1047, CHECK_NOT_READY, CHECK_NOT_READY },
		{ 1129, CHECK_FAILED, CHECK_FAILED },
		{ 1130, CHECK_FAILED, CHECK_FAILED },
		{ 1158, CHECK_FAILED, CHECK_FAILED },
	};
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct check_request *const requests[] = { &alice, &nobody };
		const enum check_verdict verdicts[] = { cases[i].with_user, cases[i].without };

		for (size_t k = 0; k < 2; k++) {
			talk_begin(&t, requests[k], NULL); /* in place of a greeting */
			hear(&t, refusal(cases[i].number, "no", 0), 1);
			assert_int_equal(t.x.facts.verdict, verdicts[k]);
			login(&t, requests[k], 100);
			hear(&t, refusal(cases[i].number, "#HY000no", 2), 1);
			assert_int_equal(t.x.facts.verdict, verdicts[k]);
			assert_string_equal(strchr(t.x.facts.words, ' '), " no");
		}
	}
	talk_begin(&t, &nobody, NULL);
	hear(&t, reply(LITERAL("\xff\x15"), 0), 1); /* no error at all */
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

static void a_check_without_a_user_logs_in_as_nobody(void **state)
{
	struct talk t;

	(void)state;
	talk_begin(&t, &nobody, NULL);
	hear(&t, greeting("caching_sha2_password", false), 1);
	talk_expect(&t, LITERAL("\x40\0\0\1" OPTIONS("\x05\xa2\x08\0") "ringmain\0\0"
								       "caching_sha2_password\0"));
	hear(&t, reply(LITERAL(OK), 2), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	talk_expect(&t, LITERAL("\x01\0\0\0\x01"));
}

static void greetings_that_are_none_are_refused(void **state)
{
	const struct bytes whole = greeting("caching_sha2_password", false);

	(void)state;
	for (size_t n = 0; n < whole.n - 4 - sizeof("caching_sha2_password"); n++) {
		struct bytes cut = { .n = 0 };

		add_packet(&cut, whole.at + 4, n);
		if (n != 62) /* all but the last zero of the nonce: some servers leave it out */
			talk_ends(&alice, cut.at, cut.n, CHECK_FAILED);
	}
	for (size_t n = 0; n < whole.n; n++)
		talk_ends(&alice, whole.at, n, CHECK_FAILED);
	talk_ends(&alice, LITERAL("HTTP/1.1 400 Bad Request\r\n\r\n"), CHECK_FAILED);
	talk_ends(&alice,
		  LITERAL("\x05\0\0\0\x09"
			  "3.23"),
		  CHECK_FAILED);
	talk_ends(&alice, LITERAL("\0\0\0\0"), CHECK_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_is_sent_in_the_servers_own_way),
		cmocka_unit_test(a_database_and_tls_are_asked_for),
		cmocka_unit_test(a_server_may_switch_to_another_way_once),
		cmocka_unit_test(ways_that_are_not_known_are_the_checks_fault),
		cmocka_unit_test(the_whole_password_goes_only_where_it_is_safe),
		cmocka_unit_test(a_key_that_is_none_gets_no_password),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(a_check_without_a_user_logs_in_as_nobody),
		cmocka_unit_test(greetings_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
