/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_stage.h"

#include "base/def.h"
#include "config/directive.h"
#include "config/dump.h"

static char *dump(const struct config *config)
{
	char *text;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	assert_non_null(to);
	config_dump(config, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

/* Nothing here is a default. */
static const char full[] = "[global]\n"
			   "workers = 3\n"
			   "max_sessions = 1000\n"
			   "buffer_memory = 1M\n"
			   "drain_timeout = 90s\n"
			   "log_level = debug\n"
			   "log_format = json\n"
			   "\n"
			   "[listener one]\n"
			   "bind = 127.0.0.1:5432\n"
			   "bind = [::1]:5432\n"
			   "bind = *:8000-8009\n"
			   "bind = db.example.com:5433\n"
			   "bind = unix:/run/one.sock\n"
			   "bind = unix:@one\n"
			   "pool = a\n"
			   "backlog = 10\n"
			   "max_sessions = 11\n"
			   "relay = splice\n"
			   "idle_timeout = 0\n"
			   "half_close_timeout = 1500ms\n"
			   "close_timeout = 3s\n"
			   "keepalive = yes\n"
			   "keepalive_idle = 2h\n"
			   "keepalive_interval = 3s\n"
			   "keepalive_count = 4\n"
			   "user_timeout = 0\n"
			   "\n"
			   "[pool a]\n"
			   "balance = leastconn\n"
			   "backend = x 192.0.2.1:80 weight=0 max_sessions=9\n"
			   "backend = y [2001:db8::1]:80 weight=256 max_sessions=0\n"
			   "backend = z db.example.com:80 weight=1 max_sessions=0\n"
			   "backend = u unix:/run/u.sock weight=1 max_sessions=0\n"
			   "connect_timeout = 1500ms\n"
			   "connect_total = 1m\n"
			   "connect_tries = 32\n";

static void what_is_dumped_is_what_was_read(void **state)
{
	struct stage *st = *state;
	char *text;

	stage_load(st, full);
	stage_expect_good(st);
	text = dump(st->config);
	assert_string_equal(text, full);
	free(text);
}

static void defaults_are_dumped_and_load_to_themselves(void **state)
{
	struct stage *st = *state;
	char *first, *second;

	stage_load(st, STAGE_GOOD);
	stage_expect_good(st);
	first = dump(st->config);
	assert_non_null(strstr(first, "\nworkers = auto\n"));
	assert_non_null(strstr(first, "\nbind = *:80\n"));
	assert_non_null(strstr(first, "\nbackend = b 192.0.2.1:5432 weight=1 max_sessions=0\n"));
	stage_load(st, first);
	stage_expect_good(st);
	second = dump(st->config);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void every_directive_is_dumped(void **state)
{
	struct stage *st = *state;
	char *text, line[64];

	stage_load(st, STAGE_GOOD);
	text = dump(st->config);
	for (size_t i = 0; i < directives_n; i++) {
		snprintf(line, sizeof(line), "\n%s = ", directives[i].key);
		assert_non_null(strstr(text, line));
	}
	free(text);
}

static void the_list_of_directives_has_a_line_each(void **state)
{
	char *text, *line, *rest;
	size_t bytes, n = 0;
	FILE *to = open_memstream(&text, &bytes);

	(void)state;
	assert_non_null(to);
	config_print_directives(to);
	assert_int_equal(fclose(to), 0);
	assert_non_null(strstr(text, "\nlistener\tidle_timeout\t1h\t0, 10ms..365d\treloadable\t"));
	assert_non_null(strstr(text, "\tbind\t-\t"));
	assert_non_null(strstr(text, "\trequired,repeatable,reloadable\t"));
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t tabs = 0;

		for (const char *c = line; *c; c++)
			tabs += *c == '\t';
		assert_int_equal(tabs, 5);
		n++;
	}
	assert_int_equal(n, directives_n);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(what_is_dumped_is_what_was_read),
		stage_test(defaults_are_dumped_and_load_to_themselves),
		stage_test(every_directive_is_dumped),
		stage_test(the_list_of_directives_has_a_line_each),
	};

	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
