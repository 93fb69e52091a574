/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *text, *logfmt, *json;
};

static const struct row rows[] = {
	{ "", "\"\"", "\"\"" },
	{ "pg1", "pg1", "\"pg1\"" },
	{ "[::1]:80", "[::1]:80", "\"[::1]:80\"" },
	{ "two words", "\"two words\"", "\"two words\"" },
	{ "a=b", "\"a=b\"", "\"a=b\"" },
	{ "say \"hi\"", "\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\"" },
	{ "c:\\dir", "\"c:\\\\dir\"", "\"c:\\\\dir\"" },
	{ "a\nb\rc\td", "\"a\\nb\\rc\\td\"", "\"a\\nb\\rc\\td\"" },
	{ "\x1b[31m", "\"\\x1b[31m\"", "\"\\u001b[31m\"" },
	{ "\x01\x7f", "\"\\x01\\x7f\"", "\"\\u0001\\u007f\"" },
	/* Letters beyond ASCII pass: two, three and four bytes, first and last of a kind. */
	{ "\xc2\xa0", "\"\xc2\xa0\"", "\"\xc2\xa0\"" },
	{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\"" },
	{ "\xe0\xa0\x80", "\"\xe0\xa0\x80\"", "\"\xe0\xa0\x80\"" },
	{ "\xed\x9f\xbf", "\"\xed\x9f\xbf\"", "\"\xed\x9f\xbf\"" },
	{ "\xf0\x90\x80\x80", "\"\xf0\x90\x80\x80\"", "\"\xf0\x90\x80\x80\"" },
	{ "\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\"" },
	/* A terminal may obey U+009B as it does ESC [. */
	{ "\xc2\x9b", "\"\\xc2\\x9b\"", "\"\\u009b\"" },
	/* What turns the direction around, has no width, or is beyond U+FFFF. */
	{ "a\xe2\x80\xae"
	  "b",
	  "\"a\\xe2\\x80\\xaeb\"", "\"a\\u202eb\"" },
	{ "\xe2\x80\x8b", "\"\\xe2\\x80\\x8b\"", "\"\\u200b\"" },
	{ "\xf3\xa0\x80\xa1", "\"\\xf3\\xa0\\x80\\xa1\"", "\"\\udb40\\udc21\"" },
	/* No UTF-8: a lone tail, a cut head, too long a form, a surrogate, beyond the end. */
	{ "\x80", "\"\\x80\"", "\"\\u0080\"" },
	{ "\xc3", "\"\\xc3\"", "\"\\u00c3\"" },
	{ "\xe2\x82", "\"\\xe2\\x82\"", "\"\\u00e2\\u0082\"" },
	{ "\xc0\xaf", "\"\\xc0\\xaf\"", "\"\\u00c0\\u00af\"" },
	{ "\xe0\x9f\xbf", "\"\\xe0\\x9f\\xbf\"", "\"\\u00e0\\u009f\\u00bf\"" },
	{ "\xed\xa0\x80", "\"\\xed\\xa0\\x80\"", "\"\\u00ed\\u00a0\\u0080\"" },
	{ "\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"", "\"\\u00f4\\u0090\\u0080\\u0080\"" },
	{ "\xff", "\"\\xff\"", "\"\\u00ff\"" },
};

static void expect(const struct row *row, const char *want, const char *got, size_t n, bool is_cut)
{
	if (n != strlen(want) || memcmp(got, want, n) != 0)
		fail_msg("'%s' gave %.*s", row->text, (int)n, got);
	assert_false(is_cut);
}

static void strangers_texts_are_made_harmless(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool is_cut = false;
		size_t n = quote_logfmt(out, sizeof(out), rows[i].text, &is_cut);

		expect(&rows[i], rows[i].logfmt, out, n, is_cut);
		n = quote_json(out, sizeof(out), rows[i].text, &is_cut);
		expect(&rows[i], rows[i].json, out, n, is_cut);
	}
}

static void labels_know_three_escapes_alone(void **state)
{
	static const char text[] = "gr\xc3\xbc\xc3\x9f \"a\"\\\n\t\xfc";
	static const char want[] = "\"gr\xc3\xbc\xc3\x9f \\\"a\\\"\\\\\\n\\\\x09\\\\xfc\"";
	bool is_cut = false;
	char out[64];
	size_t n = quote_label(out, sizeof(out), text, &is_cut);

	(void)state;
	assert_false(is_cut);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(out, want, n);
}

static void a_text_that_fits_exactly_is_whole(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool is_cut = false;
		size_t n = quote_json(out, strlen(rows[i].json), rows[i].text, &is_cut);

		expect(&rows[i], rows[i].json, out, n, is_cut);
		if (strlen(rows[i].logfmt) < QUOTE_ROOM_MIN)
			continue;
		n = quote_logfmt(out, strlen(rows[i].logfmt), rows[i].text, &is_cut);
		expect(&rows[i], rows[i].logfmt, out, n, is_cut);
	}
}

/* No escape and no letter is cut in its middle, and the quotes are always closed. */
static void a_text_too_long_is_cut_between_letters(void **state)
{
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t room = QUOTE_ROOM_MIN; room < strlen(rows[i].json); room++) {
			bool is_cut = false;
			size_t n = quote_json(out, room, rows[i].text, &is_cut);

			assert_true(is_cut);
			assert_in_range(n, QUOTE_ROOM_MIN, room);
			assert_int_equal(out[0], '"');
			assert_int_equal(out[n - 1], '"');
			assert_memory_equal(out, rows[i].json, n - 1);
		}
	}
}

static void a_plain_value_too_long_is_quoted_and_cut(void **state)
{
	bool is_cut = false;
	char out[6];

	(void)state;
	assert_int_equal(quote_logfmt(out, sizeof(out), "abcdefgh", &is_cut), 6);
	assert_memory_equal(out, "\"abcd\"", 6);
	assert_true(is_cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_texts_are_made_harmless),
		cmocka_unit_test(labels_know_three_escapes_alone),
		cmocka_unit_test(a_text_that_fits_exactly_is_whole),
		cmocka_unit_test(a_text_too_long_is_cut_between_letters),
		cmocka_unit_test(a_plain_value_too_long_is_quoted_and_cut),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
