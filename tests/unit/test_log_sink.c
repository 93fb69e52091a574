/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log_sink.h"

#include "base/logfmt.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LINE "<4>level=warn msg=\"backend down\" backend=b1 reason=\"a \\\"b\\\" = c\" n=3"

static char text[LOG_DATAGRAM_BYTES + 1];

static const char *encoded(enum log_target target, const char *line)
{
	size_t n = log_sink_encode(target, line, strlen(line), text);

	assert_in_range(n, 1, LOG_DATAGRAM_BYTES);
	text[n] = '\0';
	return text;
}

static void pairs_are_found(void **state)
{
	const char *line = "a=1  b=\"x y\" c= d=\"\\\"\" e", *at = line;
	static const char *const expected[] = { "a|1", "b|\"x y\"", "c|", "d|\"\\\"\"" };
	struct logfmt_pair pair;
	char got[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_true(logfmt_next(&at, line + strlen(line), &pair));
		snprintf(got, sizeof(got), "%.*s|%.*s", (int)pair.key_bytes, pair.key,
			 (int)pair.value_bytes, pair.value);
		assert_string_equal(got, expected[i]);
	}
	assert_false(logfmt_next(&at, line + strlen(line), &pair));
}

static void half_a_line_ends(void **state)
{
	static const char *const lines[] = { "", "a", "=", "a=\"", "a=\"\\", "a=\"b\\\"", "  " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		const char *at = lines[i], *end = at + strlen(at);
		struct logfmt_pair pair;

		while (logfmt_next(&at, end, &pair))
			assert_true(pair.value + pair.value_bytes <= end);
	}
}

static void journald_gets_fields(void **state)
{
	(void)state;
	encoded(LOG_TO_JOURNALD, LINE);
	assert_memory_equal(text, "PRIORITY=4\nSYSLOG_IDENTIFIER=ringmain\nMESSAGE=level=warn ",
			    strlen("PRIORITY=4\nSYSLOG_IDENTIFIER=ringmain\nMESSAGE=level=warn "));
	assert_non_null(strstr(text, "\nRINGMAIN_MSG=backend down\n"));
	assert_non_null(strstr(text, "\nRINGMAIN_BACKEND=b1\n"));
	assert_non_null(strstr(text, "\nRINGMAIN_REASON=a \\\"b\\\" = c\n"));
	assert_string_equal(text + strlen(text) - strlen("RINGMAIN_N=3\n"), "RINGMAIN_N=3\n");
}

/* A head like @pattern, and behind it the line without its priority. */
static void expect_head(const char *pattern)
{
	regmatch_t match;
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
	assert_int_equal(regexec(&regex, text, 1, &match, 0), 0);
	regfree(&regex);
	assert_string_equal(text + match.rm_eo, LINE + 3);
}

static void syslog_gets_its_own_form(void **state)
{
	(void)state;
	encoded(LOG_TO_SYSLOG, LINE);
	expect_head("^<28>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} ringmain\\[[0-9]+\\]: ");
}

static void udp_gets_rfc_5424(void **state)
{
	(void)state;
	encoded(LOG_TO_SYSLOG_UDP, LINE);
	expect_head("^<28>1 [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z [^ ]+ ringmain [0-9]+ "
		    "- - ");
}

static void what_does_not_fit_is_left_out(void **state)
{
	static char line[2 * LOG_DATAGRAM_BYTES];

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	assert_int_equal(strlen(encoded(LOG_TO_JOURNALD, line)), LOG_DATAGRAM_BYTES);
	assert_int_equal(strlen(encoded(LOG_TO_SYSLOG, line)), LOG_DATAGRAM_BYTES);
}

static void a_line_without_priority_is_information(void **state)
{
	(void)state;
	assert_non_null(strstr(encoded(LOG_TO_SYSLOG, "a=b"), "<30>"));
	assert_non_null(strstr(encoded(LOG_TO_JOURNALD, "<>"), "PRIORITY=6\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_found),
		cmocka_unit_test(half_a_line_ends),
		cmocka_unit_test(journald_gets_fields),
		cmocka_unit_test(syslog_gets_its_own_form),
		cmocka_unit_test(udp_gets_rfc_5424),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(a_line_without_priority_is_information),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
