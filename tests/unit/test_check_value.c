/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/check_channel.h"
#include "unit/config_bed.h"

#include <stdio.h>

#define MORE "check_step = or b\n"
#define SEVEN_MORE MORE MORE MORE MORE MORE MORE MORE

/* The pool's keys are from line 7 on. */
static const struct check_config *load(struct bed *st, const char *keys)
{
	char text[5000];

	snprintf(text, sizeof(text), BED_GOOD "%s", keys);
	bed_load(st, text);
	return st->config ? &st->config->pools[0].check : NULL;
}

static void a_check_says_who_it_logs_in_as(void **state)
{
	struct bed *st = *state;
	const struct check_config *check =
		load(st, "check = postgres user=ring password_file=/run/pw database=\"my app\"\n");

	bed_expect_good(st);
	assert_int_equal(check->kind, CHECK_POSTGRES);
	assert_string_equal(check->user, "ring");
	assert_string_equal(check->password_file, "/run/pw");
	assert_string_equal(check->database, "my app");

	check = load(st, "check = redis password_file=/run/pw\ncheck_tls = yes\n");
	bed_expect_good(st);
	assert_null(check->user);
	check = load(st, "check = redis user=ring\n");
	bed_expect_good(st);
	assert_string_equal(check->user, "ring");
	check = load(st, "check = mysql\n");
	bed_expect_good(st);
	assert_null(check->user);
	assert_null(check->password_file);
}

static void an_http_check_says_what_it_wants(void **state)
{
	struct bed *st = *state;
	const struct check_config *check = load(
		st, "check = http method=HEAD path=/replica?lag=10MB host=db status=200,300-303 "
		    "header=\"Server: Patroni*\" body=running\n");

	bed_expect_good(st);
	assert_string_equal(check->http.method, "HEAD");
	assert_string_equal(check->http.path, "/replica?lag=10MB");
	assert_string_equal(check->http.host, "db");
	assert_int_equal(check->http.statuses_n, 2);
	assert_int_equal(check->http.statuses[0].last, 200);
	assert_int_equal(check->http.statuses[1].first, 300);
	assert_int_equal(check->http.statuses[1].last, 303);
	assert_string_equal(check->http.header, "Server: Patroni*");
	assert_string_equal(check->http.body, "running");
}

static void steps_are_bytes(void **state)
{
	static const struct {
		const char *line;
		enum expect_word word;
		const char *bytes;
		size_t n;
	} steps[] = {
		{ "expect \"^220 *\\n\"", EXPECT_WORD_EXPECT, "^220 *\n", 7 },
		{ "or a\\*\\x2a\\x41\\0", EXPECT_WORD_OR, "a\\*\\*A\0", 7 },
		{ "fail \\\\", EXPECT_WORD_FAIL, "\\\\", 2 },
		{ "send QUIT\\r\\n", EXPECT_WORD_SEND, "QUIT\r\n", 6 },
		{ "send a\\*\\x00\\\\", EXPECT_WORD_SEND, "a*\0\\", 4 },
		{ "send_hex \"00 fF 10\"", EXPECT_WORD_HEX, "\0\xff\x10", 3 },
	};
	const struct check_config *check;
	char keys[1000] = "check = expect\n";
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "check_step = %s\n",
			 steps[i].line);
	check = load(st, keys);
	bed_expect_good(st);
	assert_int_equal(check->steps_n, ARRAY_LEN(steps));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(check->steps[i].word, steps[i].word);
		assert_int_equal(check->steps[i].n, steps[i].n);
		assert_memory_equal(check->steps[i].bytes, steps[i].bytes, steps[i].n);
	}
}

static void what_is_wrong_is_said_at_its_place(void **state)
{
	static const struct {
		const char *line, *column_and_words;
	} cases[] = {
		{ "check = \"\"", "9: error: [pool p] check: no value (none, tcp" },
		{ "check = postgre", "9: error: [pool p] check: unknown value 'postgre'" },
		{ "check = tcp user=x", "13: error: [pool p] check: unknown option 'user'" },
		{ "check = redis database=x",
		  "15: error: [pool p] check: unknown option 'database'" },
		{ "check = postgres password_file=/x",
		  "9: error: [pool p] check: there is no user= to log in as" },
		{ "check = mysql user=", "20: error: [pool p] check: user: the value is missing" },
		{ "check = http path=x",
		  "19: error: [pool p] check: path: a path begins with '/'" },
		{ "check = http path=\"/a b\"",
		  "19: error: [pool p] check: path: there is a blank in it" },
		{ "check = http method=get", "21: error: [pool p] check: method: 'get' is not" },
		{ "check = http status=99", "21: error: [pool p] check: status: '99' is not" },
		{ "check = http status=200-", "21: error: [pool p] check: status: '200-' is not" },
		{ "check = http status=300-200", "21: error: [pool p] check: status: '300-200'" },
		{ "check = http status=200,", "21: error: [pool p] check: status: '200,' is not" },
		{ "check = http status=1,", "21: error: [pool p] check: status: '1,' is not" },
		{ "check = http status=200,201,202,203,204,205,206,207,208",
		  "21: error: [pool p] check: status: more than 8 ranges" },
		{ "check = expect", "9: error: [pool p] check: expect: nothing is expected" },
		{ "check_step = say x", "14: error: [pool p] check_step: unknown step 'say'" },
		{ "check_step = send", "14: error: [pool p] check_step: a word and a text" },
		{ "check_step = send a b", "14: error: [pool p] check_step: a word and a text" },
		{ "check_step = send \"\"", "14: error: [pool p] check_step: a word and a text" },
		{ "check_step = send \\q", "19: error: [pool p] check_step: there is no '\\q'" },
		{ "check_step = send a\\", "19: error: [pool p] check_step: a backslash has" },
		{ "check_step = send \\x4", "19: error: [pool p] check_step: a backslash has" },
		{ "check_step = send_hex 0", "23: error: [pool p] check_step: '0' is not a row" },
		{ "check_step = or x", "14: error: [pool p] check_step: or: stands behind" },
		{ "check = tls\ncheck_tls = no", "13: error: [pool p] check_tls: no: check = tls" },
	};
	struct bed *st = *state;
	char said[300];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char keys[300];

		snprintf(keys, sizeof(keys), "%s\n", cases[i].line);
		load(st, keys);
		snprintf(said, sizeof(said), "%u:%s", strchr(cases[i].line, '\n') ? 7u : 6u,
			 cases[i].column_and_words);
		if (!strstr(bed_said(st), said))
			fail_msg("%s\nsays:\n%s\nnot: %s", cases[i].line, bed_said(st), said);
	}
}

/* As many alternatives, and as much in one go, as an exchange has room for. */
static void what_is_sent_and_awaited_is_bounded(void **state)
{
	char keys[4000], piece[501];
	struct bed *st = *state;

	load(st, "check = expect\ncheck_step = expect a\n" SEVEN_MORE);
	bed_expect_good(st);
	load(st, "check = expect\ncheck_step = expect a\n" SEVEN_MORE "check_step = fail c\n");
	assert_non_null(strstr(bed_said(st), "check_step: fail: too many alternatives"));

	memset(piece, 'x', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = '\0';
	snprintf(keys, sizeof(keys),
		 "check = expect\ncheck_step = send %s\ncheck_step = send %s\n"
		 "check_step = send %s\ncheck_step = expect y\n",
		 piece, piece, piece);
	load(st, keys);
	assert_non_null(strstr(bed_said(st), "check_step: send: too much is sent at once"));
}

static void tls_is_that_of_sessions_or_what_the_server_offers(void **state)
{
	static const struct {
		const char *keys;
		enum check_channel_kind kind;
		bool is_verified;
	} cases[] = {
		{ "check = tcp\ntls = yes\n", CHECK_CHANNEL_CLEAR, false },
		{ "check = smtp\n", CHECK_CHANNEL_CLEAR, false },
		{ "check = smtp\ncheck_tls = yes\n", CHECK_CHANNEL_TLS, true },
		{ "check = smtp\ncheck_tls = yes\ntls_verify = no\n", CHECK_CHANNEL_TLS, false },
		{ "check = tls\n", CHECK_CHANNEL_TLS, true },
		{ "check = http\ntls = yes\n", CHECK_CHANNEL_SESSIONS, true },
		{ "check = http\ntls = yes\ncheck_tls = no\n", CHECK_CHANNEL_CLEAR, false },
		{ "check = postgres\n", CHECK_CHANNEL_CLEAR, false },
		{ "check = postgres user=x\n", CHECK_CHANNEL_OFFERED, false },
		{ "check = mysql user=x\ntls_ca = /x\n", CHECK_CHANNEL_OFFERED, true },
		{ "check = postgres user=x\ncheck_tls = yes\n", CHECK_CHANNEL_TLS, true },
		{ "check = redis user=x\n", CHECK_CHANNEL_CLEAR, false },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_non_null(load(st, cases[i].keys));
		assert_int_equal(check_channel_kind(&st->config->pools[0]), cases[i].kind);
		assert_int_equal(check_channel_is_verified(&st->config->pools[0]),
				 cases[i].is_verified);
	}
}

/* Of what Redis' own log-in tells everybody on the way. */
static void a_password_in_clear_is_for_verified_tls_and_unix_sockets(void **state)
{
	static const char *const bad[] = {
		"",
		"tls = yes\ntls_verify = no\n",
		"check_tls = yes\ntls_verify = no\n",
		"tls = yes\ncheck_tls = no\n",
		"tls_ca = /x\n",
	};
	static const char *const good[] = { "tls = yes\n", "check_tls = yes\ntls_ca = /x\n" };
	struct bed *st = *state;
	char keys[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(keys, sizeof(keys), "check = redis password_file=/x\n%s", bad[i]);
		load(st, keys);
		assert_non_null(strstr(bed_said(st),
				       "6:9: error: [pool p] check: redis wants its password in "
				       "clear, which is only sent inside verified TLS "
				       "(check_tls = yes, tls_ca) or over a unix socket, and "
				       "backend '"));
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(keys, sizeof(keys), "check = redis password_file=/x\n%s", good[i]);
		load(st, keys);
		bed_expect_good(st);
	}
}

/* One that is asked at an address is not asked over its socket. */
static void a_unix_socket_is_one_as_long_as_it_is_asked(void **state)
{
	static const struct {
		const char *keys, *options;
		bool is_local;
	} cases[] = {
		{ "", "", true },
		{ "check_port = 1\n", "", true },
		{ "check_port = 1\ncheck_address = 127.0.0.1\n", "", false },
		{ "check_port = 1\n", " check_address=127.0.0.1", false },
	};
	struct bed *st = *state;
	char text[400];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(text, sizeof(text),
			 "[listener p]\nbind = 127.0.0.1:0\n[pool p]\n"
			 "check = redis password_file=/x\n%sbackend = a unix:/run/a%s\n",
			 cases[i].keys, cases[i].options);
		bed_load(st, text);
		if (!cases[i].is_local) {
			assert_non_null(strstr(bed_said(st), "and backend 'a' has neither"));
			continue;
		}
		bed_expect_good(st);
		assert_true(check_channel_is_local(&st->config->pools[0],
						   &st->config->pools[0].backends[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_check_says_who_it_logs_in_as),
		bed_test(an_http_check_says_what_it_wants),
		bed_test(steps_are_bytes),
		bed_test(what_is_wrong_is_said_at_its_place),
		bed_test(what_is_sent_and_awaited_is_bounded),
		bed_test(a_password_in_clear_is_for_verified_tls_and_unix_sockets),
		bed_test(a_unix_socket_is_one_as_long_as_it_is_asked),
		bed_test(tls_is_that_of_sessions_or_what_the_server_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
