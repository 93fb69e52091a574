/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check_bed.h"

#define PING_ROLE "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n"
#define PONG "+PONG\r\n"
#define MASTER "*3\r\n$6\r\nmaster\r\n:3129659\r\n"
#define ONE_REPLICA "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n9001\r\n$7\r\n3129242\r\n"
#define REPLICA(link, at) "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:9000\r\n" link ":" at "\r\n"

static const struct check_request nobody = { .protocol = &check_redis };
static const struct check_request somebody = { .protocol = &check_redis, .password = "se same" };
static const struct check_channel nobody_listens = { .is_local = true };

static void the_question_goes_out_at_once(void **state)
{
	const struct check_request user = { .protocol = &check_redis,
					    .user = "alice",
					    .password = "a b\r\n" };
	const struct check_request nopass = { .protocol = &check_redis, .user = "ring" };
	struct talk t;

	(void)state;
	talk_begin(&t, &nobody, NULL);
	talk_expect(&t, LITERAL(PING_ROLE));
	talk_begin(&t, &nopass, NULL);
	talk_expect(&t, LITERAL("*3\r\n$4\r\nAUTH\r\n$4\r\nring\r\n$0\r\n\r\n" PING_ROLE));
	talk_begin(&t, &somebody, &nobody_listens);
	talk_expect(&t, LITERAL("*2\r\n$4\r\nAUTH\r\n$7\r\nse same\r\n" PING_ROLE));
	talk_begin(&t, &user, &nobody_listens);
	talk_expect(&t, LITERAL("*3\r\n$4\r\nAUTH\r\n$5\r\nalice\r\n$5\r\na b\r\n\r\n" PING_ROLE));
}

/* What a password is worth nothing for is asked without it. */
static void a_password_leaves_only_where_nobody_listens(void **state)
{
	static const struct {
		struct check_channel channel;
		bool has_it;
	} cases[] = {
		{ { 0 }, false },
		{ { .is_tls = true }, false },
		{ { .is_verified = true }, false },
		{ { .is_tls = true, .is_verified = true }, true },
		{ { .is_local = true }, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct talk t;

		talk_begin(&t, &somebody, &cases[i].channel);
		assert_int_equal(!!memmem(t.said, t.said_n, "se same", 7), cases[i].has_it);
		if (cases[i].has_it)
			continue;
		talk_expect(&t, LITERAL(PING_ROLE));
		talk_hear(&t, LITERAL("-NOAUTH Authentication required.\r\n"), 100);
		assert_int_equal(t.x.facts.verdict, CHECK_OWN_FAULT);
		assert_non_null(strstr(t.x.facts.words, "only sent inside verified TLS"));
		talk_begin(&t, &somebody, &cases[i].channel);
		talk_hear(&t, LITERAL(PONG MASTER "*0\r\n"), 100);
		assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	}
}

static void roles_are_understood(void **state)
{
	static const struct {
		const char *answer;
		enum check_role role;
		bool is_detached, has_position, is_read_only;
		uint64_t position;
	} cases[] = {
		{ PONG MASTER "*0\r\n", CHECK_ROLE_PRIMARY, false, true, false, 3129659 },
		{ PONG MASTER "*2\r\n" ONE_REPLICA ONE_REPLICA, CHECK_ROLE_PRIMARY, false, true,
		  false, 3129659 },
		{ PONG REPLICA("$9\r\nconnected\r\n", "3167038"), CHECK_ROLE_REPLICA, false, true,
		  false, 3167038 },
		{ PONG REPLICA("$7\r\nconnect\r\n", "-1"), CHECK_ROLE_REPLICA, true, false, false,
		  0 },
		{ PONG REPLICA("$4\r\nsync\r\n", "5"), CHECK_ROLE_REPLICA, true, true, false, 5 },
		{ PONG "*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nmymaster\r\n", CHECK_ROLE_UNKNOWN },
		{ "-MISCONF cannot save\r\n" MASTER "*0\r\n", CHECK_ROLE_PRIMARY, false, true, true,
		  3129659 },
		{ PONG "-NOPERM no\r\n", CHECK_ROLE_UNKNOWN },
		{ PONG "-ERR unknown command 'ROLE'\r\n", CHECK_ROLE_UNKNOWN },
		{ PONG "*1\r\n$6\r\nmaster\r\n", CHECK_ROLE_PRIMARY },
		{ PONG "*3\r\n$6\r\nmaster\r\n$3\r\n123\r\n*-1\r\n", CHECK_ROLE_PRIMARY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const size_t n = strlen(cases[i].answer);

		for (size_t piece = 1; piece <= n; piece++) {
			struct talk t;

			talk_begin(&t, &nobody, NULL);
			talk_hear(&t, cases[i].answer, n, piece);
			assert_int_equal(t.step, CHECK_STEP_DONE);
			assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
			assert_int_equal(t.x.facts.role, cases[i].role);
			assert_int_equal(t.x.facts.is_detached, cases[i].is_detached);
			assert_int_equal(t.x.facts.has_position, cases[i].has_position);
			assert_int_equal(t.x.facts.is_read_only, cases[i].is_read_only);
			assert_int_equal(t.x.facts.position, cases[i].position);
		}
	}
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		const struct check_request *request;
		const char *answer;
		enum check_verdict verdict;
	} cases[] = {
		{ &nobody, "-ERR max number of clients reached\r\n", CHECK_FULL },
		{ &nobody, "-LOADING Redis is loading the dataset in memory\r\n", CHECK_NOT_READY },
		{ &nobody, "-MASTERDOWN Link with MASTER is down\r\n", CHECK_NOT_READY },
		{ &nobody, "-BUSY Redis is busy running a script\r\n", CHECK_NOT_READY },
		{ &nobody, "-NOAUTH Authentication required.\r\n", CHECK_PASSED },
		{ &nobody, "-DENIED Redis is running in protected mode\r\n", CHECK_FAILED },
		{ &nobody, "-WHAT\r\n", CHECK_FAILED },
		{ &somebody, "-WRONGPASS invalid username-password pair\r\n", CHECK_OWN_FAULT },
		{ &somebody, "-ERR invalid password\r\n", CHECK_OWN_FAULT },
		{ &somebody, "-ERR Client sent AUTH, but no password is set\r\n", CHECK_OWN_FAULT },
		{ &somebody, "+OK\r\n-NOAUTH Authentication required.\r\n", CHECK_OWN_FAULT },
		{ &somebody, "+OK\r\n-NOPERM no\r\n", CHECK_OWN_FAULT },
		{ &somebody, "+OK\r\n" PONG MASTER "*0\r\n", CHECK_PASSED },
		{ &somebody, PONG, CHECK_FAILED },
		{ &nobody, "+OK\r\n", CHECK_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		talk_ends_over(&nobody_listens, cases[i].request, cases[i].answer,
			       strlen(cases[i].answer), cases[i].verdict);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"hello\r\n",
		"HTTP/1.1 400 Bad Request\r\n",
		"+PONG\n",
		"+PONG\rx",
		PONG,
		PONG "+master\r\n",
		PONG ":1\r\n",
		PONG "$6\r\nmaster\r\n",
		PONG "*0\r\n",
		PONG "*-1\r\n",
		PONG "*-2\r\n",
		PONG "*99999\r\n",
		PONG "*x\r\n",
		PONG "*\r\n",
		PONG "*-\r\n",
		PONG "*9999999999999999999\r\n",
		PONG "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		PONG "*3\r\n$6\r\nmasterx\r\n",
		PONG "*3\r\n$7\r\nmaster\r\n:1\r\n",
		PONG "*3\r\n$-7\r\n",
		PONG "*3\r\n$99999\r\n",
		PONG "*3\r\n$6\r\nmaster\r\n:one\r\n",
		PONG MASTER,
		PONG MASTER "*1\r\n*3\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		talk_ends(&nobody, bad[i], strlen(bad[i]), CHECK_FAILED);
}

/* A primary of more replicas than one message could hold is read all the same. */
static void lists_may_be_longer_than_memory(void **state)
{
	static char answer[320 * sizeof(ONE_REPLICA)];
	size_t n = (size_t)snprintf(answer, sizeof(answer), "%s", PONG MASTER "*300\r\n");
	struct talk t;

	(void)state;
	for (int i = 0; i < 300; i++) {
		memcpy(answer + n, ONE_REPLICA, strlen(ONE_REPLICA));
		n += strlen(ONE_REPLICA);
	}
	assert_true(n > CHECK_IN_BYTES);
	for (size_t piece = 1; piece < 8000; piece = piece * 5 + 1) {
		talk_begin(&t, &nobody, NULL);
		talk_hear(&t, answer, n, piece);
		assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
		assert_int_equal(t.x.facts.role, CHECK_ROLE_PRIMARY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_question_goes_out_at_once),
		cmocka_unit_test(a_password_leaves_only_where_nobody_listens),
		cmocka_unit_test(roles_are_understood),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(lists_may_be_longer_than_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
