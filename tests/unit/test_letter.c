/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void letters_beyond_ascii_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned bytes;
		uint32_t letter;
	} rows[] = {
		{ "", 0, 0 },
		{ "a", 0, 0 },
		{ "\xc2\x80", 2, 0x80 },
		{ "\xc3\xbcx", 2, 0xfc },
		{ "\xe0\xa0\x80", 3, 0x800 },
		{ "\xe2\x80\xae", 3, 0x202e },
		{ "\xf0\x90\x80\x80", 4, 0x10000 },
		{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
		{ "\x80", 0, 0 },
		{ "\xc3", 0, 0 },
		{ "\xe2\x80", 0, 0 },
		{ "\xc0\xaf", 0, 0 },
		{ "\xe0\x9f\xbf", 0, 0 },
		{ "\xed\xa0\x80", 0, 0 },
		{ "\xf0\x8f\xbf\xbf", 0, 0 },
		{ "\xf4\x90\x80\x80", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t letter = 0;

		assert_int_equal(letter_read(rows[i].text, &letter), rows[i].bytes);
		assert_int_equal(letter, rows[i].letter);
	}
}

static void what_shows_nothing_is_hidden(void **state)
{
	static const uint32_t hidden[] = { 0x85,   0x9b,   0xad,   0x61c,  0x200b, 0x200f,
					   0x202a, 0x202e, 0x2066, 0x2069, 0xfeff, 0xe0041 };
	static const uint32_t shown[] = { 0xa0, 0xfc, 0x5d0, 0x627, 0x2014, 0x4e2d, 0x1f600 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		assert_true(letter_is_hidden(hidden[i]));
	for (size_t i = 0; i < ARRAY_LEN(shown); i++)
		assert_false(letter_is_hidden(shown[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_beyond_ascii_are_read),
		cmocka_unit_test(what_shows_nothing_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
