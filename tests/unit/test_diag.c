/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "base/def.h"

/* Says one thing about @text, at @line, @column and @width. */
static const char *say(struct bed *st, const char *text, unsigned line, unsigned column,
		       unsigned width)
{
	struct config_file file;
	struct config_location location = { .line = line, .column = column, .width = width };

	assert_true(config_file_copy(&file, "a.ini", text, strlen(text)));
	location.file = file.name;
	bed_reset(st);
	diag_set_files(&st->diag, &file, 1);
	diag_error(&st->diag, &location, "wrong");
	config_file_finish(&file);
	return bed_said(st);
}

static void the_caret_stands_under_what_is_meant(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column, width;
		const char *said;
	} rows[] = {
		{ "a = 1\nb = 22\n", 2, 5, 2,
		  "a.ini:2:5: error: wrong\n    2 | b = 22\n      |     ^~\n" },
		{ "a = 1", 1, 1, 1, "a.ini:1:1: error: wrong\n    1 | a = 1\n      | ^\n" },
		{ "a =\r\n", 1, 4, 0, "a.ini:1:4: error: wrong\n    1 | a =\n      |    ^\n" },
		{ "\ta =\tb\n", 1, 6, 1,
		  "a.ini:1:6: error: wrong\n    1 | \ta =\tb\n      | \t   \t^\n" },
		{ "\xc3\xa9 = \xc3\xa9\xc3\xa9\n", 1, 6, 4,
		  "a.ini:1:6: error: wrong\n"
		  "    1 | \xc3\xa9 = \xc3\xa9\xc3\xa9\n      |     ^~\n" },
		{ "a = 1\n", 1, 0, 0, "a.ini:1: error: wrong\n    1 | a = 1\n" },
		{ "a = 1\n", 0, 0, 0, "a.ini: error: wrong\n" },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(say(st, rows[i].text, rows[i].line, rows[i].column,
					rows[i].width),
				    rows[i].said);
}

static void of_a_long_line_the_part_around_the_caret_is_shown(void **state)
{
	struct bed *st = *state;
	char text[1001] = "";
	const char *said;

	memset(text, 'x', 1000);
	text[500] = 'Y';
	said = say(st, text, 1, 501, 1);
	assert_non_null(strstr(said, " | ...xxx"));
	assert_non_null(strstr(said, "xxx...\n"));
	assert_true(strlen(said) < 400);

	/* The caret is as far right as the letter. */
	assert_int_equal(strchr(said, 'Y') - strstr(said, "    1 |"),
			 strchr(said, '^') - strstr(said, "      |"));

	said = say(st, text, 1, 1, 1000);
	assert_non_null(strstr(said, " | xxx"));
	assert_true(strlen(said) < 400);
	said = say(st, text, 1, 1000, 1);
	assert_non_null(strstr(said, "^\n"));
}

static void what_a_terminal_would_obey_is_replaced(void **state)
{
	struct bed *st = *state;
	const struct config_location location = { .file = "\x1b[2J.ini" };

	assert_string_equal(say(st,
				"a\x1b[2Jb\x7f\xc2\x9b"
				"c\n",
				1, 1, 1),
			    "a.ini:1:1: error: wrong\n    1 | a?[2Jb??c\n      | ^\n");
	bed_reset(st);
	assert_string_equal(say(st,
				"a = \xe2\x80\xae"
				"b\xff\xe2\x82",
				1, 1, 1),
			    "a.ini:1:1: error: wrong\n    1 | a = ?b\xff\xe2\x82\n      | ^\n");
	bed_reset(st);
	diag_error(&st->diag, &location, "'\a%s'", "\x1b]0;x");
	assert_string_equal(bed_said(st), "?[2J.ini: error: '??]0;x'\n");
}

static void mistakes_come_in_the_order_of_files_and_lines(void **state)
{
	struct bed *st = *state;
	const struct config_file files[] = { { .name = "b.ini" }, { .name = "a.ini" } };
	const struct config_location places[] = {
		{ .file = files[1].name },
		{ .file = files[0].name, .line = 0, .column = 7 },
		{ .file = files[0].name },
	};

	diag_set_files(&st->diag, files, ARRAY_LEN(files));
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		diag_error(&st->diag, &places[i], "%zu", i);
	diag_error(&st->diag, &places[2], "3");
	assert_string_equal(bed_said(st), "b.ini: error: 2\nb.ini: error: 3\n"
					  "b.ini: error: 1\na.ini: error: 0\n");
}

static void beyond_a_number_mistakes_are_only_counted(void **state)
{
	struct bed *st = *state;

	for (int i = 0; i < DIAG_WARNINGS_MAX + 1; i++)
		diag_warning(&st->diag, NULL, "hm");
	assert_false(diag_has_errors(&st->diag));
	for (int i = 0; i < DIAG_ERRORS_MAX; i++) {
		assert_true(diag_has_room(&st->diag));
		diag_error(&st->diag, NULL, "no");
	}
	assert_false(diag_has_room(&st->diag));
	assert_null(strstr(bed_said(st), "errors"));
	assert_non_null(strstr(bed_said(st), "error: no\nand 1 more warning\n"));

	diag_error(&st->diag, NULL, "more");
	diag_error(&st->diag, NULL, "more");
	assert_non_null(strstr(bed_said(st), "error: no\nand 2 more errors\n"));
	assert_null(strstr(bed_said(st), ": more"));
}

static void short_memory_is_an_error_of_its_own(void **state)
{
	struct bed *st = *state;

	assert_false(diag_has_errors(&st->diag));
	diag_no_memory(&st->diag);
	assert_true(diag_has_errors(&st->diag));
	assert_string_equal(bed_said(st), "error: out of memory\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(the_caret_stands_under_what_is_meant),
		bed_test(of_a_long_line_the_part_around_the_caret_is_shown),
		bed_test(what_a_terminal_would_obey_is_replaced),
		bed_test(mistakes_come_in_the_order_of_files_and_lines),
		bed_test(beyond_a_number_mistakes_are_only_counted),
		bed_test(short_memory_is_an_error_of_its_own),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
