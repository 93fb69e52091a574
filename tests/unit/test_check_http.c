/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check/http.h"
#include "check_bed.h"

#include <errno.h>

#define OK "HTTP/1.1 200 OK\r\n"

static void the_question_is_one_of_http_1_1(void **state)
{
	static const struct http_question plain, full = { .method = "OPTIONS",
							  .path = "/replica?lag=10MB",
							  .host = "db1.example.com:8008" };
	struct check_request request = { .protocol = &check_http, .http = &plain };
	struct talk t;

	(void)state;
	talk_begin(&t, &request, NULL);
	talk_expect(&t, LITERAL("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: ringmain\r\n"
				"Accept: */*\r\nConnection: close\r\n\r\n"));
	request.http = &full;
	talk_begin(&t, &request, NULL);
	talk_expect(&t,
		    LITERAL("OPTIONS /replica?lag=10MB HTTP/1.1\r\nHost: db1.example.com:8008\r\n"
			    "User-Agent: ringmain\r\nAccept: */*\r\nConnection: close\r\n\r\n"));
}

static void the_status_decides(void **state)
{
	static const struct {
		const char *answer;
		enum check_verdict verdict;
	} cases[] = {
		{ OK "\r\n", CHECK_PASSED },
		{ "HTTP/1.0 200 OK\r\n\r\n", CHECK_PASSED },
		{ "HTTP/1.1 200\r\n\r\n", CHECK_PASSED },
		{ "HTTP/1.1 200 \r\n\r\n", CHECK_PASSED },
		{ "HTTP/1.1 204 No\n\n", CHECK_PASSED },
		{ "HTTP/1.1 399 Odd\r\nA: b\r\n\r\n", CHECK_PASSED },
		{ "HTTP/1.1 400 Bad\r\n", CHECK_FAILED },
		{ "HTTP/1.1 503 No\r\n", CHECK_NOT_READY },
		{ "HTTP/1.1 401 Who\r\n", CHECK_OWN_FAULT },
		{ "HTTP/1.1 407 Who\r\n", CHECK_OWN_FAULT },
		{ "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", CHECK_PASSED },
		{ "HTTP/1.1 103 Go\r\nLink: x\r\nContent-Length: 7\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
		  CHECK_FAILED },
		{ OK, CHECK_FAILED }, /* and ends there */
		{ OK "A: b\r\n", CHECK_FAILED },
		{ "HTTP/1.1 100 Go\r\n\r\n", CHECK_FAILED },
		{ "", CHECK_FAILED },
		{ "HTTP/2.0 200 OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1  200 OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1 2000 OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1 20x OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1 099 OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1 +20 OK\r\n\r\n", CHECK_FAILED },
		{ "HTTP/1.1 20\r\n\r\n", CHECK_FAILED },
		{ "SSH-2.0-x\r\n", CHECK_FAILED },
		{ "220 HTTP/1.1 200 OK\r\n\r\n", CHECK_FAILED },
		{ OK "Content-Length: x\r\n\r\n", CHECK_FAILED },
		{ OK "Content-Length: -1\r\n\r\n", CHECK_FAILED },
		{ OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", CHECK_FAILED },
		{ OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\n", CHECK_PASSED },
		{ OK "Content-Length: 9999999999999999\r\n\r\n", CHECK_FAILED },
	};
	static const struct http_question plain;
	const struct check_request request = { .protocol = &check_http, .http = &plain };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		talk_ends(&request, cases[i].answer, strlen(cases[i].answer), cases[i].verdict);
}

static void statuses_may_be_listed(void **state)
{
	static const struct http_question q = { .statuses = { { 200, 200 }, { 503, 505 } },
						.statuses_n = 2 };
	const struct check_request request = { .protocol = &check_http, .http = &q };

	(void)state;
	talk_ends(&request, LITERAL(OK "\r\n"), CHECK_PASSED);
	talk_ends(&request, LITERAL("HTTP/1.1 201 Made\r\n\r\n"), CHECK_FAILED);
	talk_ends(&request, LITERAL("HTTP/1.1 504 No\r\n\r\n"), CHECK_PASSED);
	talk_ends(&request, LITERAL("HTTP/1.1 506 No\r\n\r\n"), CHECK_FAILED);
}

static void a_header_may_be_asked_for(void **state)
{
	static const struct {
		const char *header, *value, *answer;
		enum check_verdict verdict;
	} cases[] = {
		{ "X-Role", NULL, OK "x-role:primary\r\n\r\n", CHECK_PASSED },
		{ "X-Role", "^primary", OK "X-ROLE: \tprimary \r\n\r\n", CHECK_PASSED },
		{ "X-Role", "^primary", OK "X-Role: no primary\r\n\r\n", CHECK_FAILED },
		{ "X-Role", "primary", OK "X-Role: a\r\nX-Role: primary\r\n\r\n", CHECK_PASSED },
		{ "X-Role", NULL, OK "X-Roles: primary\r\n\r\n", CHECK_FAILED },
		{ "X-Role", NULL, OK "X-Rol: primary\r\n\r\n", CHECK_FAILED },
		{ "X-Role", NULL, OK "\r\nX-Role: primary\r\n\r\n", CHECK_FAILED },
		{ "X-Role", NULL, "HTTP/1.1 100 Go\r\nX-Role: x\r\n\r\n" OK "\r\n", CHECK_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct http_question q = { .header = cases[i].header,
						 .value = cases[i].value };
		const struct check_request request = { .protocol = &check_http, .http = &q };

		talk_ends(&request, cases[i].answer, strlen(cases[i].answer), cases[i].verdict);
	}
}

#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void a_body_may_be_asked_for(void **state)
{
	static const struct {
		const char *body, *answer;
		enum check_verdict verdict;
	} cases[] = {
		{ "alive", OK "\r\nit is alive", CHECK_PASSED },
		{ "alive", OK "\r\nit is aliv", CHECK_FAILED },
		{ "^alive", OK "\r\nit is alive", CHECK_FAILED },
		{ "^it*alive", OK "\r\nit is alive", CHECK_PASSED },
		{ "alive", OK "Content-Length: 11\r\n\r\nit is alive", CHECK_PASSED },
		{ "alive", OK "Content-Length: 10\r\n\r\nit is alive", CHECK_FAILED },
		{ "alive", OK "Content-Length: 0\r\n\r\nalive", CHECK_FAILED },
		{ "alive", OK "Content-Length: 100\r\n\r\nit is", CHECK_FAILED },
		{ "alive", "HTTP/1.1 204 No\r\n\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "2\r\nal\r\n3;x=y\r\nive\r\n0\r\n\r\n", CHECK_PASSED },
		{ "alive", CHUNKED "2\r\nal\r\nA \r\n0123456789\r\n3\r\nive\r\n0\r\n\r\n",
		  CHECK_FAILED },
		{ "a*ive", CHUNKED "0002\r\nal\r\n0a\r\n0123456789\r\n3\r\nive\r\n0\r\n\r\n",
		  CHECK_PASSED },
		{ "2\r\n", CHUNKED "2\r\nal\r\n0\r\n\r\n", CHECK_FAILED },
		{ "alive", CHUNKED "0\r\n\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "x\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "-5\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "5x\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "ffffffff\r\nalive", CHECK_FAILED },
		{ "alive", CHUNKED "2\r\nalx\r\n3\r\nive\r\n0\r\n\r\n", CHECK_FAILED },
		{ "alive", OK "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nalive\r\n0\r\n\r\n",
		  CHECK_PASSED },
		{ "alive",
		  OK "Content-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nalive\r\n",
		  CHECK_PASSED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct http_question q = { .body = cases[i].body };
		const struct check_request request = { .protocol = &check_http, .http = &q };

		talk_ends(&request, cases[i].answer, strlen(cases[i].answer), cases[i].verdict);
	}
}

/* The place where it stands does not matter, nor what nearly matched before. */
static void a_match_is_found_anywhere_in_a_long_body(void **state)
{
	static const struct http_question q = { .body = "aaab*zz" };
	const struct check_request request = { .protocol = &check_http, .http = &q };
	static char answer[5000];
	const size_t head = strlen(OK "\r\n");

	(void)state;
	memset(answer, 'a', sizeof(answer));
	memcpy(answer, OK "\r\n", head);
	for (size_t at = head + 3; at < sizeof(answer) - 1000; at += 97) {
		for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
			struct talk t;

			answer[at] = 'b';
			memcpy(answer + at + 700, "zz", 2);
			talk_begin(&t, &request, NULL);
			talk_hear(&t, answer, sizeof(answer), piece);
			check_ended(&t.x, 0);
			assert_int_equal(t.x.step, CHECK_STEP_DONE);
			assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
			memset(answer + at, 'a', 702);
		}
	}
}

static void a_head_answer_has_no_body(void **state)
{
	static const struct http_question q = { .method = "HEAD", .body = "x" };
	const struct check_request request = { .protocol = &check_http, .http = &q };

	(void)state;
	talk_ends(&request, LITERAL(OK "Content-Length: 5\r\n\r\nxxxxx"), CHECK_FAILED);
}

#define SHORT "Content-Length: 4\r\n\r\n"
#define NO "HTTP/1.1 503 Service Unavailable\r\n"

/* Who still writes when the connection ends has a line about it in its log. */
static void the_rest_is_read_when_the_verdict_is_known(void **state)
{
	static const struct http_question plain, body = { .body = "a" };
	static const struct {
		const struct http_question *question;
		const char *so_far, *rest;
		bool is_over; /* with the rest, not only when the connection ends */
		enum check_verdict verdict;
	} cases[] = {
		{ &plain, OK SHORT, "abcd", true, CHECK_PASSED },
		{ &plain, NO SHORT "abc", "d", true, CHECK_NOT_READY },
		{ &plain, NO, SHORT "abcd", true, CHECK_NOT_READY },
		{ &plain, OK "\r\n", "abcd", false, CHECK_PASSED },
		{ &plain, CHUNKED "2\r\nab\r\n0\r\n", "X: y\r\n\r\n", true, CHECK_PASSED },
		{ &plain, CHUNKED, "nonsense\r\n", false, CHECK_PASSED },
		{ &body, OK SHORT "ab", "cd", true, CHECK_PASSED },
		{ &body, OK SHORT "xx", "xx", true, CHECK_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct check_request request = { .protocol = &check_http,
						       .http = cases[i].question };
		struct talk t;

		talk_begin(&t, &request, NULL);
		talk_hear(&t, cases[i].so_far, strlen(cases[i].so_far), 100);
		assert_int_equal(t.step, CHECK_STEP_MORE);
		talk_hear(&t, cases[i].rest, strlen(cases[i].rest), 100);
		if (t.step != CHECK_STEP_DONE)
			check_ended(&t.x, 0);
		assert_int_equal(t.x.facts.verdict, cases[i].verdict);
		assert_int_equal(t.x.facts.is_complete, strcmp(cases[i].rest, "nonsense\r\n") != 0);
		assert_int_equal(t.step == CHECK_STEP_DONE,
				 cases[i].is_over || !t.x.facts.is_complete);
	}
}

/* What was found out stands, whatever becomes of the rest; a long one is not waited for. */
static void a_rest_that_does_not_come_changes_nothing(void **state)
{
	static const struct http_question plain;
	const struct check_request request = { .protocol = &check_http, .http = &plain };
	struct talk t;

	(void)state;
	for (int how = 0; how < 3; how++) {
		talk_begin(&t, &request, NULL);
		talk_hear(&t, LITERAL(NO SHORT "ab"), 100);
		assert_int_equal(t.step, CHECK_STEP_MORE);
		if (how == 0)
			check_late(&t.x);
		else
			check_ended(&t.x, how == 1 ? 0 : -ECONNRESET);
		assert_int_equal(t.x.facts.verdict, CHECK_NOT_READY);
		assert_string_equal(t.x.facts.words, "answered 503 Service Unavailable");
		assert_false(t.x.facts.is_silent);
		assert_false(t.x.facts.is_complete);
	}
	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL(OK "Content-Length: 99999999\r\n\r\n"), 100);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
}

/* What an endless server may say before it is cut off; gives how much it was. */
static size_t flood(const struct http_question *q, const char *head, const char *endless)
{
	const struct check_request request = { .protocol = &check_http, .http = q };
	struct talk t;
	size_t n = 0;

	talk_begin(&t, &request, NULL);
	talk_hear(&t, head, strlen(head), 1000);
	while (t.step == CHECK_STEP_MORE) {
		talk_hear(&t, endless, strlen(endless), 1000);
		n += strlen(endless);
		assert_true(n < CHECK_RECEIVED_BYTES_MAX + 1000);
	}
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	return n;
}

static void nobody_talks_for_ever(void **state)
{
	static const struct http_question plain, body = { .body = "never" };

	(void)state;
	assert_true(flood(&plain, OK, "Name: value\r\n") < HTTP_HEAD_BYTES_MAX + 100);
	assert_true(flood(&plain, OK, "x") < CHECK_IN_BYTES + 100);
	assert_true(flood(&plain, "", "HTTP/1.1 100 Go\r\n\r\n") < HTTP_HEAD_BYTES_MAX + 100);
	assert_true(flood(&body, OK "\r\n", "nev") < HTTP_BODY_BYTES_MAX + 100);
	assert_true(flood(&body, CHUNKED, "1\r\nn\r\n") < 3 * HTTP_HEAD_BYTES_MAX);
	assert_true(flood(&body, OK "Content-Length: 99999999\r\n\r\n", "nev") <
		    HTTP_BODY_BYTES_MAX + 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_question_is_one_of_http_1_1),
		cmocka_unit_test(the_status_decides),
		cmocka_unit_test(statuses_may_be_listed),
		cmocka_unit_test(a_header_may_be_asked_for),
		cmocka_unit_test(a_body_may_be_asked_for),
		cmocka_unit_test(a_match_is_found_anywhere_in_a_long_body),
		cmocka_unit_test(a_head_answer_has_no_body),
		cmocka_unit_test(the_rest_is_read_when_the_verdict_is_known),
		cmocka_unit_test(a_rest_that_does_not_come_changes_nothing),
		cmocka_unit_test(nobody_talks_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
