/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_stage.h"

#include "base/def.h"
#include "config/directive.h"
#include "config/value.h"

static void every_row_is_complete(void **state)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	(void)state;
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		assert_non_null(d->help);
		assert_null(strpbrk(d->help, "\t\n"));
		assert_non_null(d->type->set);
		assert_non_null(d->type->print);
		assert_true(d->type->form || d->type->allow);
		assert_int_equal(d->repeatable, d->type->count != NULL);
		assert_int_equal(d->fallback == NULL, d->required || d->repeatable || d->type->has);
		assert_false(d->required && d->type->has);
		assert_true(directive_allowed(d, allowed)[0] != '\0');
		assert_true(strlen(allowed) < DIRECTIVE_ALLOWED_BYTES - 1);
	}
}

static void a_key_is_once_in_a_section(void **state)
{
	(void)state;
	for (size_t i = 0; i < directives_n; i++)
		assert_ptr_equal(directive_find(directives[i].section, directives[i].key),
				 &directives[i]);
	assert_null(directive_find(SECTION_GLOBAL, "bind"));
}

static void words_are_as_many_as_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].type != &type_choice)
			continue;
		for (size_t j = 0; j < directives[i].words_n; j++)
			assert_non_null(directives[i].words[j]);
	}
}

/* In a configuration that is good but for this. */
static void try(struct stage *st, const struct directive *d, const char *value)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "[global]\n%s%s%s\n[listener l]\nbind = :80\npool = p\n%s%s%s\n"
		 "[pool p]\nbackend = b 192.0.2.1:80\n%s%s%s\n",
		 d->section == SECTION_GLOBAL ? d->key : "",
		 d->section == SECTION_GLOBAL ? " = " : "",
		 d->section == SECTION_GLOBAL ? value : "",
		 d->section == SECTION_LISTENER ? d->key : "",
		 d->section == SECTION_LISTENER ? " = " : "",
		 d->section == SECTION_LISTENER ? value : "",
		 d->section == SECTION_POOL ? d->key : "", d->section == SECTION_POOL ? " = " : "",
		 d->section == SECTION_POOL ? value : "");
	stage_load(st, text);
}

static void every_default_is_what_one_could_write(void **state)
{
	struct stage *st = *state;

	for (size_t i = 0; i < directives_n; i++) {
		if (!directives[i].fallback)
			continue;
		try(st, &directives[i], directives[i].fallback);
		stage_expect_good(st);
	}
}

/* Not beside another directive that goes with it: nothing is said about this one. */
static bool is_good(struct stage *st, const struct directive *d, uint64_t value)
{
	char text[TEXT_NUMBER_BYTES];

	try(st, d, d->type->format(value, text));
	return !strstr(stage_said(st), "is out of range");
}

static void quantities_keep_to_their_limits(void **state)
{
	struct stage *st = *state;

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (!d->type->parse)
			continue;
		assert_true(d->min > 0);
		assert_true(d->max > d->min);
		assert_true(is_good(st, d, d->min));
		assert_true(is_good(st, d, d->max));
		assert_false(is_good(st, d, d->max + 1));
		assert_int_equal(is_good(st, d, 0), d->zero && strcmp(d->zero, "0") == 0);
		if (d->min > 1)
			assert_false(is_good(st, d, d->min - 1));
	}
}

static void values_that_mean_nothing_are_named(void **state)
{
	static const struct {
		enum config_section section;
		const char *key, *value, *said;
	} rows[] = {
		{ SECTION_GLOBAL, "workers", "0",
		  "x.ini:2:11: error: [global] workers: '0' is out of range (auto, 1..256)\n" },
		{ SECTION_GLOBAL, "workers", "many",
		  "x.ini:2:11: error: [global] workers: 'many' is not a number (auto, 1..256)\n" },
		{ SECTION_GLOBAL, "workers", "-1",
		  "x.ini:2:11: error: [global] workers: '-1' is not a number (auto, 1..256)\n" },
		{ SECTION_GLOBAL, "workers", "99999999999999999999",
		  "x.ini:2:11: error: [global] workers: '99999999999999999999' is not a number "
		  "(auto, 1..256)\n" },
		{ SECTION_GLOBAL, "buffer_memory", "1GB",
		  "x.ini:2:17: error: [global] buffer_memory: '1GB' is not a size (68k..256G)\n" },
		{ SECTION_GLOBAL, "log_level", "warning",
		  "x.ini:2:13: error: [global] log_level: unknown value 'warning' "
		  "(error, warn, info, debug)\n" },
		{ SECTION_GLOBAL, "log_format", "jason",
		  "x.ini:2:14: error: [global] log_format: unknown value 'jason' (logfmt, json); "
		  "did you mean 'json'?\n" },
		{ SECTION_GLOBAL, "log_format", "",
		  "x.ini:2:13: error: [global] log_format: no value (logfmt, json)\n" },
		{ SECTION_LISTENER, "idle_timeout", "10",
		  "x.ini:6:16: error: [listener l] idle_timeout: '10' is not a duration "
		  "(0, 10ms..365d); did you mean '10s'?\n" },
		{ SECTION_LISTENER, "idle_timeout", "1 h",
		  "x.ini:6:16: error: [listener l] idle_timeout: '1 h' is not a duration "
		  "(0, 10ms..365d)\n" },
		{ SECTION_LISTENER, "keepalive_idle", "1500ms",
		  "x.ini:6:18: error: [listener l] keepalive_idle: '1500ms' is not a multiple of "
		  "1s (1s..32767s)\n" },
		{ SECTION_LISTENER, "keepalive", "on",
		  "x.ini:6:13: error: [listener l] keepalive: unknown value 'on' (yes, no)\n" },
		{ SECTION_LISTENER, "bind", "80",
		  "x.ini:6:8: error: [listener l] bind: a port is missing "
		  "(HOST:PORT, HOST:FIRST-LAST, *:PORT, :PORT, unix:PATH)\n" },
		{ SECTION_POOL, "balance", "leastcon",
		  "x.ini:9:11: error: [pool p] balance: unknown value 'leastcon' (roundrobin, "
		  "leastconn, random, maglev, first); did you mean 'leastconn'?\n" },
	};
	struct stage *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		try(st, directive_find(rows[i].section, rows[i].key), rows[i].value);
		stage_expect(st, rows[i].said);
	}
}

static void a_backend_line_says_which_word_is_wrong(void **state)
{
	static const char form[] = " (" STAGE_BACKEND_FORM ")";
	static const struct {
		const char *value;
		unsigned column;
		const char *said;
		bool has_form;
	} rows[] = {
		{ "c", 11, "a name and an address are needed", true },
		{ "c:d 192.0.2.2:80", 11, "'c:d' is not a name (letters, digits, '_', '.', '-')",
		  false },
		{ "c 192.0.2.2", 13, "a port is missing", true },
		{ "c 192.0.2.2:1-2", 13, "a backend has one port, not a range", true },
		{ "c 192.0.2.2:0", 13, "there is no port 0 to connect to", true },
		{ "c :80", 13, "a backend needs one host, not any", true },
		{ "c  192.0.2.2:80  w", 28, "unexpected 'w'", true },
		{ "c 192.0.2.2:80 =1", 26, "unknown option ''", true },
		{ "c 192.0.2.2:80 weight=", 33, "weight: '' is not a number (0..256)", false },
		{ "c 192.0.2.2:80 weight=257", 33, "weight: '257' is out of range (0..256)",
		  false },
		{ "c 192.0.2.2:80 weight=1 weight=2", 35, "'weight' given twice", true },
		{ "c 192.0.2.2:80 max_sessions=-1", 39,
		  "max_sessions: '-1' is not a number (0, 1..16777216)", false },
		{ "c 192.0.2.2:80 tier=8", 31, "tier: '8' is out of range (0..7)", false },
		{ "c 192.0.2.2:80 backup=1", 26, "unknown option 'backup'", true },
		{ "c 192.0.2.2:80 tier=2 backup", 33, "'tier' given twice", true },
		{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", 11, "more than 16 words", true },
	};
	struct stage *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char said[256];

		snprintf(said, sizeof(said), "x.ini:9:%u: error: [pool p] backend: %s%s\n",
			 rows[i].column, rows[i].said, rows[i].has_form ? form : "");
		try(st, directive_find(SECTION_POOL, "backend"), rows[i].value);
		stage_expect(st, said);
	}
}

static void a_misspelt_option_is_recognised(void **state)
{
	struct stage *st = *state;

	try(st, directive_find(SECTION_POOL, "backend"), "c 192.0.2.2:80 wieght=2");
	assert_non_null(strstr(stage_said(st), "unknown option 'wieght'"));
	assert_non_null(strstr(stage_said(st), "; did you mean 'weight'?\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(every_row_is_complete),
		stage_test(a_key_is_once_in_a_section),
		stage_test(words_are_as_many_as_values),
		stage_test(every_default_is_what_one_could_write),
		stage_test(quantities_keep_to_their_limits),
		stage_test(values_that_mean_nothing_are_named),
		stage_test(a_backend_line_says_which_word_is_wrong),
		stage_test(a_misspelt_option_is_recognised),
	};

	return cmocka_run_group_tests_name("directive", tests, NULL, NULL);
}
