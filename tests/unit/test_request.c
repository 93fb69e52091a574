/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

static bool parse(struct request *r, const char *line, const char **ret_why)
{
	return request_parse(r, line, strlen(line), ret_why);
}

static void a_line_is_taken_to_words(void **state)
{
	static const struct {
		const char *line, *words; /* with bars between */
	} rows[] = {
		{ "", "" },
		{ "  \t ", "" },
		{ "status", "status" },
		{ "status\r", "status" },
		{ " backend  pg/a\tdrain ", "backend|pg/a|drain" },
		{ "kill --reason \"out of \\\"order\\\"\"", "kill|--reason|out of \"order\"" },
		{ "a \"\" b", "a||b" },
		{ "a\"b c\"d", "ab cd" },
		{ "\"back\\\\slash\" \\n", "back\\slash|\\n" },
		{ "\xc3\xa4", "\xc3\xa4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256] = "";
		const char *why = NULL;
		struct request r;

		assert_true(parse(&r, rows[i].line, &why));
		for (unsigned n = 0; n < r.words_n; n++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 n > 0 ? "|" : "", r.words[n]);
		assert_string_equal(text, rows[i].words);
	}
}

static void a_line_that_is_none_says_why(void **state)
{
	static const struct {
		const char *line, *why;
	} rows[] = {
		{ "a \"b", "a double quote is not closed" },
		{ "a \"b\\\"", "a double quote is not closed" },
		{ "a\x1b[2J", "there is a control character in the line" },
		{ "a\rb", "there is a control character in the line" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;
		struct request r;

		assert_false(parse(&r, rows[i].line, &why));
		assert_string_equal(why, rows[i].why);
	}
}

static void words_and_letters_have_a_bound(void **state)
{
	char line[REQUEST_BYTES_MAX + 1];
	const char *why = NULL;
	struct request r;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_true(request_parse(&r, line, REQUEST_BYTES_MAX - 1, &why));
	assert_int_equal(strlen(r.words[0]), REQUEST_BYTES_MAX - 1);
	assert_false(request_parse(&r, line, REQUEST_BYTES_MAX, &why));
	assert_string_equal(why, "the line is too long");

	for (size_t n = 0; n < sizeof(line); n += 2)
		line[n] = ' ';
	assert_true(request_parse(&r, line, (size_t)2 * REQUEST_WORDS_MAX, &why));
	assert_int_equal(r.words_n, REQUEST_WORDS_MAX);
	assert_false(request_parse(&r, line, (size_t)2 * REQUEST_WORDS_MAX + 2, &why));
	assert_string_equal(why, "there are too many words");
}

static void a_word_in_quotes_is_no_option(void **state)
{
	const char *why = NULL;
	struct request r;

	(void)state;
	assert_true(parse(&r, "complete \"--for\" --for", &why));
	assert_true(r.is_quoted[1]);
	assert_false(r.is_quoted[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_taken_to_words),
		cmocka_unit_test(a_line_that_is_none_says_why),
		cmocka_unit_test(words_and_letters_have_a_bound),
		cmocka_unit_test(a_word_in_quotes_is_no_option),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
