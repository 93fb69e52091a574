/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "config/dump.h"

#include <stdlib.h>

static const struct row {
	const char *value;
	const char *text;    /* what it means, or NULL */
	const char *message; /* what is wrong with it */
} rows[] = {
	{ "plain", "plain", "" },
	{ "\"plain\"", "plain", "" },
	{ "\"a ; b # c\"", "a ; b # c", "" },
	{ "a\"b\"", "a\"b\"", "" },
	{ "\"\\\"\\\\\\$\\n\"", "\"\\$\\n", "" },
	{ "$ $$ $x {}", "$ $$ $x {}", "" },
	{ "\"\\${X}\"", "${X}", "" },
	{ "${RM_HOST}", "db1.example.com", "" },
	{ "x-${RM_HOST}-${RM_HOST}", "x-db1.example.com-db1.example.com", "" },
	{ "\"${RM_ODD} \"", "\"; ${RM_HOST} # ", "" },
	{ "${RM_EMPTY}x", "x", "" },
	{ "\"open", NULL, "x.ini:2:11: error: a closing '\"' is missing\n" },
	{ "\"open\\\"", NULL, "x.ini:2:11: error: a closing '\"' is missing\n" },
	{ "\"a\"b", NULL, "x.ini:2:14: error: a blank is missing behind the closing '\"'\n" },
	{ "x ${RM_HOST", NULL,
	  "x.ini:2:13: error: a '}' is missing behind the name of the variable\n" },
	{ "${}", NULL,
	  "x.ini:2:11: error: '' is not the name of a variable (letters, digits, '_')\n" },
	{ "${1X}", NULL,
	  "x.ini:2:11: error: '1X' is not the name of a variable (letters, digits, '_')\n" },
	{ "a ${RM_HOTS} b", NULL,
	  "x.ini:2:13: error: the environment has no variable RM_HOTS; did you mean "
	  "'${RM_HOST}'?\n" },
	{ "${RM_BELL}", NULL,
	  "x.ini:2:11: error: the variable has a control character in it (byte 0x07)\n" },
	{ "${RM_LONG}${RM_LONG}${RM_LONG}", NULL,
	  "x.ini:2:11: error: the value has more than 4096 bytes\n" },
};

static int set_variables(void **state)
{
	static char many[2000];

	memset(many, 'y', sizeof(many) - 1);
	setenv("RM_HOST", "db1.example.com", 1);
	setenv("RM_ODD", "\"; ${RM_HOST} #", 1);
	setenv("RM_EMPTY", "", 1);
	setenv("RM_BELL", "a\ab", 1);
	setenv("RM_LONG", many, 1);
	setenv("RM_TWO", "10.0.0.1 10.0.0.2", 1);
	(void)state;
	return 0;
}

/* As the cipher list of a listener, which takes any text. */
static void values_mean_what_they_say(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
			 "[listener l]\nciphers = %s\nbind = :1\npool = p\n[pool p]\n"
			 "backend = b 10.0.0.9:1\n",
			 rows[i].value);
		bed_load(st, text);
		if (!rows[i].text) {
			bed_expect(st, rows[i].message);
			continue;
		}
		assert_non_null(st->config);
		assert_string_equal(st->config->listeners[0].ciphers, rows[i].text);
	}
}

static const char *dumped(const struct config *config, char text[4096])
{
	FILE *to = fmemopen(text, 4096, "w");

	config_dump(config, to);
	fclose(to);
	return text;
}

/* What is dumped is read again to the same. */
static void a_dump_has_quotes_where_it_needs_them(void **state)
{
	struct bed *st = *state;
	char first[4096], again[4096];

	bed_load(st, "[listener l]\nbind = \"unix:/run/a b.sock\" mode=0600\npool = p\n"
		     "tls = terminate\ncertificate = \"/x/a b.pem\" key=\"/x/k ;\\\"q\\\".pem\"\n"
		     "[pool p]\nbackend = b \"unix:/run/c d\"\n");
	bed_expect_good(st);
	assert_string_equal(st->config->listeners[0].certificates[0].key, "/x/k ;\"q\".pem");
	assert_string_equal(st->config->listeners[0].binds[0].spec.host, "/run/a b.sock");
	assert_non_null(strstr(dumped(st->config, first), "\nbind = \"unix:/run/a b.sock\" mode="));
	assert_non_null(
		strstr(first, "\ncertificate = \"/x/a b.pem\" key=\"/x/k ;\\\"q\\\".pem\"\n"));
	bed_load(st, first);
	bed_expect_good(st);
	assert_string_equal(dumped(st->config, again), first);
}

/* A variable has several words; in quotes it is one. */
static void blanks_of_a_variable_separate_words(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[listener l]\nbind = :1\npool = p\nallow = ${RM_TWO} 10.0.0.3\n"
		     "[pool p]\nbackend = b 10.0.0.9:1\n");
	bed_expect_good(st);
	assert_int_equal(st->config->listeners[0].access_n, 3);
	bed_load(st, "[listener l]\nbind = :1\npool = p\nallow = \"${RM_TWO}\" 10.0.0.3\n"
		     "[pool p]\nbackend = b 10.0.0.9:1\n");
	assert_non_null(strstr(bed_said(st), "x.ini:4:9: error: [listener l] allow: "
					     "'10.0.0.1 10.0.0.2'"));
}

/* The caret is below what was written, however long its meaning is. */
static void mistakes_point_at_what_was_written(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[listener l]\nbind = :1\npool = p\nallow = 10.0.0.9 ${RM_TWO}x y\n"
		     "[pool p]\nbackend = \"b\" 10.0.0.9:1 weight=\"1 0\"\n");
	assert_non_null(strstr(bed_said(st), "    4 | allow = 10.0.0.9 ${RM_TWO}x y\n"
					     "      |                  ^~~~~~~~~~\n"));
	assert_non_null(strstr(st->said, "x.ini:4:29: error: [listener l] allow: 'y'"));
	assert_non_null(strstr(st->said, "    6 | backend = \"b\" 10.0.0.9:1 weight=\"1 0\"\n"
					 "      |                                 ^~~~~\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(values_mean_what_they_say),
		bed_test(a_dump_has_quotes_where_it_needs_them),
		bed_test(blanks_of_a_variable_separate_words),
		bed_test(mistakes_point_at_what_was_written),
	};

	return cmocka_run_group_tests(tests, set_variables, NULL);
}
