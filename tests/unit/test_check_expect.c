/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "check/expect.h"
#include "check_bed.h"

/* ---- patterns ------------------------------------------------------------ */

static bool matches(const char *pattern, size_t pattern_n, const char *text, size_t n)
{
	const struct expect_step steps[] = { { EXPECT_WAIT, pattern, pattern_n } };
	const struct expect_script script = { "test", steps, 1 };
	const struct check_request request = { .protocol = &check_expect, .script = &script };
	bool result = false;

	for (size_t piece = 1; piece <= n + 1; piece++) {
		struct talk t;
		bool passed;

		talk_begin(&t, &request, NULL);
		talk_hear(&t, text, n, piece);
		check_ended(&t.x, 0);
		passed = t.x.facts.verdict == CHECK_PASSED;
		assert_true(piece == 1 || passed == result);
		result = passed;
	}
	return result;
}

static void patterns_match_what_they_say(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool is_match;
	} cases[] = {
		{ "abc", "abc", true },
		{ "abc", "xxabcxx", true },
		{ "abc", "xxab", false },
		{ "abc", "ababc", true },
		{ "aab", "aaab", true },
		{ "^abc", "abcd", true },
		{ "^abc", "xabc", false },
		{ "^220 *\n", "220 mail\r\n", true },
		{ "^220 *\n", "220 mail", false },
		{ "a?c", "abc", true },
		{ "a?c", "ac-axc", true },
		{ "a?c", "ac", false },
		{ "a*c", "a....c", true },
		{ "a*c", "c....a", false },
		{ "a*b*c", "a1b2c", true },
		{ "a*b*c", "a1c2b", false },
		{ "a\\*c", "a*c", true },
		{ "a\\*c", "axc", false },
		{ "\\^a", "x^a", true },
		{ "\\?", "x", false },
		{ "a\\", "a\\", true },
		{ "*", "x", true },
		{ "**x", "x", true },
		{ "x*", "x", true },
		{ "^*x", "aax", true },
		{ "a^b", "a^b", true },
		{ "^220-*\n220 *\n", "220-one\r\n220-two\r\n220 three\r\n", true },
		{ "^220-*\n220 *\n", "220-one\r\n221 three\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (matches(cases[i].pattern, strlen(cases[i].pattern), cases[i].text,
			    strlen(cases[i].text)) != cases[i].is_match)
			fail_msg("%s / %s", cases[i].pattern, cases[i].text);
	}
	assert_true(matches(LITERAL("\0?\0"), LITERAL("x\0\xff\0")));
	assert_false(matches(LITERAL("\0?\0"), LITERAL("x\0\xff\x01")));
}

static void bytes_that_are_meant_literally_are_no_pattern(void **state)
{
	const struct expect_step steps[] = { { EXPECT_WAIT, LITERAL("^a*?\\"),
					       .is_literal = true } };
	const struct expect_script script = { "test", steps, 1 };
	const struct check_request request = { .protocol = &check_expect, .script = &script };

	(void)state;
	talk_ends(&request, LITERAL("--^a*?\\--"), CHECK_PASSED);
	talk_ends(&request, LITERAL("ab?\\"), CHECK_FAILED);
}

/* Each byte is looked at once for each letter, not once for each way to match. */
static void a_pattern_of_many_stars_takes_no_time(void **state)
{
	static char pattern[200], text[8000];

	(void)state;
	for (size_t i = 0; i < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[sizeof(pattern) - 1] = 'b';
	memset(text, 'a', sizeof(text));
	for (int i = 0; i < 3; i++) {
		const struct expect_step steps[] = { { EXPECT_WAIT, pattern, sizeof(pattern) } };
		const struct expect_script script = { "test", steps, 1 };
		const struct check_request request = { .protocol = &check_expect,
						       .script = &script };
		struct talk t;

		talk_begin(&t, &request, NULL);
		talk_hear(&t, text, sizeof(text), i == 0 ? 1 : 1000);
		assert_int_equal(t.step, CHECK_STEP_MORE);
	}
}

static void who_says_too_much_has_failed(void **state)
{
	static char text[CHECK_IN_BYTES + 10];
	const struct expect_step steps[] = { { EXPECT_WAIT, LITERAL("b") } };
	const struct expect_script script = { "test", steps, 1 };
	const struct check_request request = { .protocol = &check_expect, .script = &script };
	struct talk t;

	(void)state;
	memset(text, 'a', sizeof(text));
	talk_begin(&t, &request, NULL);
	talk_hear(&t, text, sizeof(text), 100);
	assert_int_equal(t.step, CHECK_STEP_DONE);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
}

/* ---- scripts ------------------------------------------------------------- */

static void steps_are_taken_in_order(void **state)
{
	static const struct expect_step steps[] = {
		{ EXPECT_SEND, LITERAL("one\n") },
		{ EXPECT_WAIT, LITERAL("^1\n"), .words = "one" },
		{ EXPECT_ELSE, LITERAL("^busy*\n"), .verdict = CHECK_NOT_READY,
		  .words = "is busy" },
		{ EXPECT_OR, LITERAL("^2\n") },
		{ EXPECT_SEND, LITERAL("two\n") },
		{ EXPECT_SEND, LITERAL("three\n") },
		{ EXPECT_WAIT, LITERAL("^3\n") },
		{ EXPECT_SEND, LITERAL("bye\n") },
	};
	static const struct expect_script script = { "test", steps, ARRAY_LEN(steps) };
	static const struct check_request request = { .protocol = &check_expect,
						      .script = &script };
	static const struct turn first[] = {
		{ LITERAL(""), LITERAL("one\n") },
		{ LITERAL("1\n"), LITERAL("two\nthree\n") },
		{ LITERAL("3\n"), LITERAL("bye\n") },
	};
	static const struct turn at_once[] = {
		{ LITERAL("2\n3\n"), LITERAL("one\ntwo\nthree\nbye\n") },
	};
	struct talk t;

	(void)state;
	for (size_t piece = 1; piece < 5; piece++) {
		talk_begin(&t, &request, NULL);
		talk_through(&t, first, ARRAY_LEN(first), piece);
		assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
		talk_begin(&t, &request, NULL);
		talk_through(&t, at_once, ARRAY_LEN(at_once), piece);
		assert_int_equal(t.x.facts.verdict, CHECK_PASSED);
	}
	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("busy, later\r\n"), 100);
	assert_int_equal(t.x.facts.verdict, CHECK_NOT_READY);
	assert_string_equal(t.x.facts.words, "is busy: busy, later");
	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("hello\n"), 1);
	assert_int_equal(t.x.facts.verdict, CHECK_FAILED);
	assert_string_equal(t.x.facts.words, "unexpected answer: h");
	talk_begin(&t, &request, NULL);
	check_late(&t.x);
	assert_string_equal(t.x.facts.words, "no answer in time: waited for one");
}

#define CONNECT "\x10\x0c\0\x04MQTT\x04\x02\0\x0a\0\0"
#define BIND "0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\0\x80\0"
#define UNBIND              \
	"0\x05\x02\x01\x02" \
	"B\0"

/* What the servers themselves said, and what they could say. */
static const struct {
	const char *name, *answer;
	size_t n;
	enum check_verdict verdict;
	const char *said;
	size_t said_n;
} answers[] = {
	{ "smtp", LITERAL("220 mail ESMTP\r\n221 2.0.0 Bye\r\n"), CHECK_PASSED,
	  LITERAL("QUIT\r\n") },
	{ "smtp", LITERAL("220-mail\r\n220-more\r\n220 ESMTP\r\n221 Bye\r\n"), CHECK_PASSED,
	  LITERAL("QUIT\r\n") },
	{ "smtp", LITERAL("220\r\n221 Bye\r\n"), CHECK_PASSED, LITERAL("QUIT\r\n") },
	{ "smtp", LITERAL("421 4.3.2 all busy\r\n"), CHECK_NOT_READY, LITERAL("") },
	{ "smtp", LITERAL("554 no\r\n"), CHECK_OWN_FAULT, LITERAL("") },
	{ "smtp", LITERAL("220 mail\r\n500 what?\r\n"), CHECK_FAILED, LITERAL("QUIT\r\n") },
	{ "smtp", LITERAL("+OK\r\n"), CHECK_FAILED, LITERAL("") },
	{ "imap", LITERAL("* OK ready\r\n* BYE out\r\na OK done\r\n"), CHECK_PASSED,
	  LITERAL("a LOGOUT\r\n") },
	{ "imap", LITERAL("* PREAUTH you\r\n* BYE out\r\na OK done\r\n"), CHECK_PASSED,
	  LITERAL("a LOGOUT\r\n") },
	{ "imap", LITERAL("* BYE too many\r\n"), CHECK_NOT_READY, LITERAL("") },
	{ "imap", LITERAL("x OK ready\r\n"), CHECK_FAILED, LITERAL("") },
	{ "ssh", LITERAL("SSH-1.5-old\r\n"), CHECK_FAILED, NULL, 0 },
	{ "ssh", LITERAL("Exceeded MaxStartups\r\n"), CHECK_FULL, LITERAL("") },
	{ "ssh", LITERAL("hello\r\nSSH-2.0-x\r\n"), CHECK_PASSED, NULL, 0 },
	{ "mqtt", LITERAL(" \x02\0\0"), CHECK_PASSED, LITERAL(CONNECT "\xe0\0") },
	{ "mqtt", LITERAL(" \x02\x01\0"), CHECK_PASSED, LITERAL(CONNECT "\xe0\0") },
	{ "mqtt", LITERAL(" \x02\0\x03"), CHECK_NOT_READY, LITERAL(CONNECT) },
	{ "mqtt", LITERAL(" \x02\0\x05"), CHECK_PASSED, LITERAL(CONNECT) },
	{ "mqtt", LITERAL(" \x02\0\x06"), CHECK_FAILED, LITERAL(CONNECT) },
	{ "ldap",
	  LITERAL("0\x0c\x02\x01\x01"
		  "a\x07\n\x01\0\x04\0\x04\0"),
	  CHECK_PASSED, LITERAL(BIND UNBIND) },
	{ "ldap",
	  LITERAL("0\x84\0\0\0\x10\x02\x01\x01"
		  "a\x84\0\0\0\x07\n\x01\0\x04\0\x04\0"),
	  CHECK_PASSED, LITERAL(BIND UNBIND) },
	{ "ldap",
	  LITERAL("0\x0c\x02\x01\x01"
		  "a\x07\n\x01\x30\x04\0\x04\0"),
	  CHECK_PASSED, LITERAL(BIND UNBIND) },
	{ "ldap",
	  LITERAL("0\x0c\x02\x01\x01"
		  "a\x07\n\x01\x33\x04\0\x04\0"),
	  CHECK_NOT_READY, LITERAL(BIND) },
	{ "ldap",
	  LITERAL("0\x0c\x02\x01\x01"
		  "a\x07\n\x01\x34\x04\0\x04\0"),
	  CHECK_NOT_READY, LITERAL(BIND) },
	{ "amqp", LITERAL("\x01\0\0\0\0\x01\xf8\0\x0a\0\x0a\0\x09"), CHECK_PASSED,
	  LITERAL("AMQP\0\0\x09\x01") },
	{ "amqp", LITERAL("AMQP\0\x01\0\0"), CHECK_PASSED, LITERAL("AMQP\0\0\x09\x01") },
	{ "amqp", LITERAL("HTTP/1.1 400 Bad\r\n\r\n"), CHECK_FAILED, LITERAL("AMQP\0\0\x09\x01") },
};

static void presets_understand_their_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct check_request request = { .protocol = &check_expect,
						       .script = expect_preset(answers[i].name) };
		struct talk t;

		assert_non_null(request.script);
		talk_ends(&request, answers[i].answer, answers[i].n, answers[i].verdict);
		talk_begin(&t, &request, NULL);
		talk_hear(&t, answers[i].answer, answers[i].n, 1);
		talk_expect(&t, answers[i].said, answers[i].said_n);
	}
}

/* RFC 4253, 6: the length and the padding of what we say last are right. */
static void the_goodbye_to_ssh_is_a_packet(void **state)
{
	const struct check_request request = { .protocol = &check_expect,
					       .script = expect_preset("ssh") };
	struct talk t;
	const uint8_t *packet;
	size_t n;

	(void)state;
	talk_begin(&t, &request, NULL);
	talk_hear(&t, LITERAL("SSH-2.0-OpenSSH\r\n"), 100);
	assert_memory_equal(t.said, "SSH-2.0-ringmain\r\n", 18);
	packet = t.said + 18;
	n = t.said_n - 18;
	assert_int_equal(n % 8, 0);
	assert_int_equal(packet[3], n - 4);
	assert_true(packet[4] >= 4);
	assert_int_equal(packet[5], 1);
	assert_memory_equal(packet + 6,
			    "\0\0\0\x0b\0\0\0\x03"
			    "bye\0\0\0\0",
			    15);
	assert_int_equal(4 + 1 + 16 + packet[4], n);
}

static void presets_are_found_by_name(void **state)
{
	const struct expect_script *script;

	(void)state;
	for (size_t n = 0; (script = expect_preset_at(n)); n++) {
		assert_ptr_equal(expect_preset(script->name), script);
		assert_int_not_equal(script->steps[0].kind, EXPECT_OR);
		assert_int_not_equal(script->steps[0].kind, EXPECT_ELSE);
	}
	assert_null(expect_preset("pop3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_what_they_say),
		cmocka_unit_test(bytes_that_are_meant_literally_are_no_pattern),
		cmocka_unit_test(a_pattern_of_many_stars_takes_no_time),
		cmocka_unit_test(who_says_too_much_has_failed),
		cmocka_unit_test(steps_are_taken_in_order),
		cmocka_unit_test(presets_understand_their_servers),
		cmocka_unit_test(the_goodbye_to_ssh_is_a_packet),
		cmocka_unit_test(presets_are_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
