/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed */
#include "app/options.h"

#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKENS_MAX 8

static char said[4096]; /* on stderr, by the last read() */

/* Reads a command line whose words are separated by blanks. */
static bool read_line(struct options *o, const char *line)
{
	static char copy[256]; /* the options point into it */
	char name[] = "ringmain", *argv[TOKENS_MAX + 2] = { name }, *rest = NULL;
	int argc = 1, to = memfd_create("stderr", MFD_CLOEXEC), before = dup(STDERR_FILENO);
	ssize_t n;
	bool good;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		assert_true(argc <= TOKENS_MAX);
		argv[argc++] = w;
	}
	optind = 0; /* getopt(3): from the beginning */
	fflush(stderr);
	dup2(to, STDERR_FILENO);
	good = options_read(o, argc, argv);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	n = pread(to, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(before);
	close(to);
	return good;
}

static void without_options_it_runs_with_the_usual_file(void **state)
{
	struct options o;

	(void)state;
	assert_true(read_line(&o, ""));
	assert_int_equal(o.action, ACTION_RUN);
	assert_string_equal(o.config_path, options_config_default);
	assert_int_equal(o.ring_entries, 0);
	assert_false(o.without.recv_credit);
	assert_string_equal(said, "");
}

static void every_option_says_what_to_do(void **state)
{
	const struct {
		const char *line;
		enum options_action action;
	} rows[] = {
		{ "-t", ACTION_TEST },         { "--test", ACTION_TEST },
		{ "--dump", ACTION_DUMP },     { "--route 192.0.2.1", ACTION_ROUTE },
		{ "--digest", ACTION_DIGEST }, { "--help-config", ACTION_DIRECTIVES },
		{ "-V", ACTION_VERSION },      { "--version", ACTION_VERSION },
		{ "-h", ACTION_HELP },         { "--help", ACTION_HELP },
		{ "-c x.ini", ACTION_RUN },    { "-t -c x.ini", ACTION_TEST },
	};
	struct options o;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		if (!read_line(&o, rows[n].line) || o.action != rows[n].action)
			fail_msg("%s", rows[n].line);
		assert_string_equal(said, "");
	}
	assert_string_equal(o.config_path, "x.ini");
	assert_true(read_line(&o, "--route 192.0.2.1 -c y.ini"));
	assert_string_equal(o.route_key, "192.0.2.1");
	assert_string_equal(o.config_path, "y.ini");
	assert_true(read_line(&o, "--config=z.ini"));
	assert_string_equal(o.config_path, "z.ini");
}

static void features_can_be_switched_off(void **state)
{
	struct options o;

	(void)state;
	assert_true(read_line(&o, "--without recv_credit,defer_taskrun --without no_iowait"));
	assert_true(o.without.recv_credit);
	assert_true(o.without.defer_taskrun);
	assert_true(o.without.no_iowait);
	assert_false(o.without.accept_multishot);
	assert_true(read_line(&o, "--without defer_taskrun,accept_multishot"));
	assert_true(o.without.defer_taskrun);
	assert_true(o.without.accept_multishot);
	assert_false(o.without.recv_credit);
}

static void the_ring_may_be_of_any_power_of_two(void **state)
{
	struct options o;

	(void)state;
	assert_true(read_line(&o, "--ring-entries 8"));
	assert_int_equal(o.ring_entries, 8);
	assert_true(read_line(&o, "--ring-entries 32768"));
	assert_int_equal(o.ring_entries, 32768);
}

static void mistakes_are_named(void **state)
{
	const struct {
		const char *line, *about;
	} rows[] = {
		{ "--without time", "unknown feature 'time'" },
		{ "--without recv_credit,sense", "unknown feature 'sense'" },
		{ "--ring-entries 0", "'0' is not a power of two" },
		{ "--ring-entries 4", "'4' is not a power of two" },
		{ "--ring-entries 100", "'100' is not a power of two" },
		{ "--ring-entries 65536", "'65536' is not a power of two" },
		{ "--ring-entries -8", "'-8' is not a power of two" },
		{ "--ring-entries 8x", "'8x' is not a power of two" },
		{ "x.ini", "unexpected argument 'x.ini'" },
		{ "-t x.ini", "unexpected argument 'x.ini'" },
		{ "-x", "Try 'ringmain --help'" },
		{ "--bogus", "Try 'ringmain --help'" },
		{ "-c", "Try 'ringmain --help'" },
		{ "--route", "Try 'ringmain --help'" },
	};
	struct options o;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		if (read_line(&o, rows[n].line))
			fail_msg("'%s' is taken", rows[n].line);
		if (!strstr(said, rows[n].about))
			fail_msg("'%s' gives: %s", rows[n].line, said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_options_it_runs_with_the_usual_file),
		cmocka_unit_test(every_option_says_what_to_do),
		cmocka_unit_test(features_can_be_switched_off),
		cmocka_unit_test(the_ring_may_be_of_any_power_of_two),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
