/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED UINT64_C(0x5a5a5a5a5a5a5a5a)

typedef bool read_fn(const char *text, uint64_t *ret_value);

struct good {
	const char *text;
	uint64_t value;
};

static void expect_good(read_fn *read, const struct good *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;

		if (!read(rows[i].text, &value) || value != rows[i].value)
			fail_msg("'%s' gave %llu", rows[i].text, (unsigned long long)value);
	}
}

static void expect_bad(read_fn *read, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;

		if (read(texts[i], &value))
			fail_msg("'%s' was taken as %llu", texts[i], (unsigned long long)value);
		assert_true(value == UNTOUCHED);
	}
}

static void copies_are_whole_or_none(void **state)
{
	char to[4] = "xyz";

	(void)state;
	assert_false(text_copy(to, sizeof(to), "four"));
	assert_false(text_copy(to, 0, ""));
	assert_string_equal(to, "xyz");
	assert_true(text_copy(to, sizeof(to), "abc"));
	assert_string_equal(to, "abc");
	assert_true(text_copy(to, 1, ""));
	assert_string_equal(to, "");
}

static void numbers_are_plain_decimals(void **state)
{
	static const struct good good[] = {
		{ "0", 0 },
		{ "42", 42 },
		{ "007", 7 },
		{ "18446744073709551615", UINT64_MAX },
	};
	static const char *const bad[] = {
		"",
		" 1",
		"1 ",
		"-1",
		"+1",
		"0x1",
		"1e3",
		"1.0",
		"18446744073709551616",
		"99999999999999999999999",
		"twelve",
	};

	(void)state;
	expect_good(text_to_u64, good, ARRAY_LEN(good));
	expect_bad(text_to_u64, bad, ARRAY_LEN(bad));
}

static void durations_need_a_unit_unless_they_are_zero(void **state)
{
	static const struct good good[] = {
		{ "0", 0 },          { "0s", 0 },        { "250ms", 250 },
		{ "30s", 30000 },    { "5m", 300000 },   { "1h", 3600000 },
		{ "2d", 172800000 }, { "90m", 5400000 }, { "18446744073709551615ms", UINT64_MAX },
	};
	static const char *const bad[] = {
		"",
		"5",
		"00",
		"s",
		"5 s",
		"5S",
		"5sec",
		"1h30m",
		"1.5s",
		"-1s",
		"5us",
		"18446744073709551615s",
		"213503982335d",
	};

	(void)state;
	expect_good(text_to_ms, good, ARRAY_LEN(good));
	expect_bad(text_to_ms, bad, ARRAY_LEN(bad));
}

static void sizes_count_in_powers_of_1024(void **state)
{
	static const struct good good[] = {
		{ "0", 0 },           { "512", 512 },
		{ "64k", 65536 },     { "16M", 16777216 },
		{ "1G", 1073741824 }, { "17179869183G", UINT64_C(17179869183) << 30 },
	};
	static const char *const bad[] = {
		"", "k", "64K", "64kB", "64 k", "1T", "-1", "1.5M", "17179869184G",
	};

	(void)state;
	expect_good(text_to_bytes, good, ARRAY_LEN(good));
	expect_bad(text_to_bytes, bad, ARRAY_LEN(bad));
}

static void what_is_written_is_the_largest_exact_unit(void **state)
{
	static const struct good times[] = {
		{ "0", 0 },         { "1ms", 1 },        { "1s", 1000 },
		{ "1500ms", 1500 }, { "90s", 90000 },    { "1h", 3600000 },
		{ "90m", 5400000 }, { "2d", 172800000 }, { "18446744073709551615ms", UINT64_MAX },
	};
	static const struct good sizes[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "1k", 1024 },
		{ "1025", 1025 },
		{ "16M", 16777216 },
		{ "4G", UINT64_C(4) << 30 },
		{ "18446744073709551615", UINT64_MAX },
	};
	char text[TEXT_NUMBER_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_string_equal(text_from_ms(times[i].value, text), times[i].text);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_string_equal(text_from_bytes(sizes[i].value, text), sizes[i].text);
	expect_good(text_to_ms, times, ARRAY_LEN(times));
	expect_good(text_to_bytes, sizes, ARRAY_LEN(sizes));
}

static void the_nearest_word_is_the_one_meant(void **state)
{
	static const char *const words[] = {
		"off", "passthrough", "terminate", "balance", "backend", "bind", "backlog", "tls",
	};
	static const struct {
		const char *typed, *meant;
	} rows[] = {
		{ "terminat", "terminate" },   /* a letter forgotten */
		{ "terminatee", "terminate" }, /* one too many */
		{ "termimate", "terminate" },  /* a wrong one */
		{ "tremniate", "terminate" },  /* two swaps */
		{ "TLS", "tls" },
		{ "lts", "tls" },
		{ "bnd", "bind" },
		{ "balancer", "balance" },
		{ "bakcend", "backend" },
		{ "on", NULL }, /* two of two letters off */
		{ "of", "off" },
		{ "x", NULL },
		{ "", NULL },
		{ "certificate", NULL },
		{ "passtru", NULL },
		{ "passthru", NULL }, /* three letters of eight */
		{ "pass-through", "passthrough" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = text_nearest(rows[i].typed, words, ARRAY_LEN(words));

		if (got && rows[i].meant)
			assert_string_equal(got, rows[i].meant);
		else if (got != rows[i].meant)
			fail_msg("'%s' gave '%s'", rows[i].typed, got ? got : "nothing");
	}
}

static void of_equally_near_words_the_first_wins(void **state)
{
	static const char *const words[] = { "cat", "car", "cab" };

	(void)state;
	assert_string_equal(text_nearest("caz", words, ARRAY_LEN(words)), "cat");
	assert_string_equal(text_nearest("cab", words, ARRAY_LEN(words)), "cab");
	assert_null(text_nearest("cab", words, 0));
}

static void endless_words_are_nobodys_mistake(void **state)
{
	char longest[65], too_long[66];
	const char *const words[] = { too_long, longest };

	(void)state;
	memset(longest, 'a', 64);
	longest[64] = '\0';
	memset(too_long, 'a', 65);
	too_long[65] = '\0';
	assert_ptr_equal(text_nearest(longest, words, 2), longest);
	assert_null(text_nearest(too_long, words, 2));
}

static void copies_are_cut_between_letters(void **state)
{
	static const struct {
		const char *from;
		size_t room;
		const char *to;
	} rows[] = {
		{ "", 1, "" },
		{ "abc", 1, "" },
		{ "abc", 3, "ab" },
		{ "abc", 4, "abc" },
		{ "a\xc3\xa9z", 3, "a" },
		{ "a\xc3\xa9z", 4, "a\xc3\xa9" },
		{ "\xf0\x9f\x98\x80", 4, "" },
		{ "\xf0\x9f\x98\x80", 5, "\xf0\x9f\x98\x80" },
		{ "a\xf0\x9f\x98\x80", 5, "a" },
		{ "\xfc\xdf\xfc\xdf", 3, "\xfc\xdf" },                     /* Latin-1 */
		{ "\x80\x80\x80\x80\x80\x80", 6, "\x80\x80\x80\x80\x80" }, /* no letter at all */
	};
	char to[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		text_copy_cut(to, rows[i].room, rows[i].from);
		assert_string_equal(to, rows[i].to);
	}
}

static void a_pattern_is_a_text_or_a_beginning(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} rows[] = {
		{ "shop", "shop", true },  { "shop", "shop2", false }, { "shop", "sho", false },
		{ "shop", "Shop", false }, { "shop*", "shop", true },  { "shop*", "shop_eu", true },
		{ "shop*", "sho", false }, { "*", "", true },          { "*", "any", true },
		{ "", "", true },          { "", "a", false },         { "a*b", "a*b", true },
		{ "a*b", "axb", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (text_fits(rows[i].pattern, rows[i].text) != rows[i].fits)
			fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
}

static void ages_are_told_in_two_units(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "0ms" },
		{ 999, "999ms" },
		{ 1000, "1s" },
		{ 59999, "59s" },
		{ 60000, "1m" },
		{ 1532632, "25m32s" },
		{ 3600000 + 59999, "1h" },
		{ 3900000, "1h5m" },
		{ 2 * 86400000 + 3 * 3600000, "2d3h" },
		{ UINT64_MAX, "213503982334d14h" },
	};
	char text[TEXT_NUMBER_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(text_age(rows[i].ms, text), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ages_are_told_in_two_units),
		cmocka_unit_test(copies_are_whole_or_none),
		cmocka_unit_test(numbers_are_plain_decimals),
		cmocka_unit_test(durations_need_a_unit_unless_they_are_zero),
		cmocka_unit_test(sizes_count_in_powers_of_1024),
		cmocka_unit_test(what_is_written_is_the_largest_exact_unit),
		cmocka_unit_test(the_nearest_word_is_the_one_meant),
		cmocka_unit_test(of_equally_near_words_the_first_wins),
		cmocka_unit_test(endless_words_are_nobodys_mistake),
		cmocka_unit_test(copies_are_cut_between_letters),
		cmocka_unit_test(a_pattern_is_a_text_or_a_beginning),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
