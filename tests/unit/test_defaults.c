/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/config_bed.h"

#include "config/dump.h"

#define SERVICES                                       \
	"[listener l]\nbind = :1\npool = p\n"          \
	"[listener m]\nbind = :2\nidle_timeout = 7s\n" \
	"allow = 10.0.0.1\n[pool p]\nbackend = b 10.0.0.9:3\n"

static const struct listener_config *listener(const struct bed *st, size_t i)
{
	assert_non_null(st->config);
	return &st->config->listeners[i];
}

/* Wherever it stands: behind the sections as well. */
static void sections_have_what_they_do_not_say(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[defaults listener]\nidle_timeout = 5s\ndeny = 10.0.0.9\n"
			      "pool = p\n[defaults pool]\nbalance = leastconn\n");
	bed_expect_good(st);
	assert_int_equal(listener(st, 0)->idle_timeout_ms, 5000);
	assert_int_equal(listener(st, 1)->idle_timeout_ms, 7000);
	assert_string_equal(listener(st, 1)->pool_name, "p");
	assert_int_equal(st->config->pools[0].balance, BALANCE_LEASTCONN);
}

/* Allow and deny are one list: who has one of them has its own. */
static void a_list_of_ones_own_is_not_mixed(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[defaults listener]\npool = p\nallow = 10.0.0.8\n"
			      "deny = 10.0.0.9 10.0.0.10\n");
	bed_expect_good(st);
	assert_int_equal(listener(st, 0)->access_n, 3);
	assert_int_equal(listener(st, 1)->access_n, 1);
}

static void a_mistake_is_told_once(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[defaults listener]\npool = p\nidle_timeout = soon\n"
			      "bind = :4\nkeepalive = yes\nkeepalive = no\nbalance = first\n"
			      "[defaults listener]\n[defaults pools]\n");
	bed_expect(st, "x.ini:12:16: error: [defaults listener] idle_timeout: 'soon' is not a "
		       "duration, a number with ms, s, m, h or d (0, 10ms..365d)\n"
		       "x.ini:13:1: error: [defaults listener] bind: each has its own\n"
		       "x.ini:15:1: error: [defaults listener] keepalive: given twice; first at "
		       "x.ini:14\n"
		       "x.ini:16:1: error: [defaults listener] balance: this belongs in a [pool "
		       "NAME]\n"
		       "x.ini:17:2: error: [defaults listener] given twice; first at x.ini:10\n"
		       "x.ini:18:11: error: [defaults]: of what? ([defaults listener], [defaults "
		       "pool])\n");
}

/* Meant for those that have TLS: the others are not warned of. */
static void what_means_nothing_here_may_mean_something_there(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[defaults listener]\npool = p\ntls_min = 1.3\n");
	bed_expect_good(st);
}

/* What does not fit a section is told at the default's line, with the section's name. */
static void what_does_not_fit_is_told_where_it_stands(void **state)
{
	struct bed *st = *state;

	bed_load(st, SERVICES "[defaults listener]\npool = q\n");
	bed_expect(st, "x.ini:11:8: error: [listener m] pool: there is no [pool q]\n");
}

static void a_dump_says_where_it_comes_from(void **state)
{
	struct bed *st = *state;
	char text[8192];
	FILE *to = fmemopen(text, sizeof(text), "w");

	bed_load(st, SERVICES "[defaults listener]\npool = p\nidle_timeout = 5s\n"
			      "deny = 10.0.0.9\n");
	assert_non_null(st->config);
	config_dump(st->config, to);
	fclose(to);
	assert_non_null(strstr(text, "\nidle_timeout = 5s ; x.ini:12, defaults\n"));
	assert_non_null(strstr(text, "\nidle_timeout = 7s\n"));
	assert_non_null(strstr(text, "\ndeny = 10.0.0.9 ; x.ini:13, defaults\n"));
	bed_load(st, text);
	bed_expect_good(st);
	assert_int_equal(listener(st, 0)->idle_timeout_ms, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(sections_have_what_they_do_not_say),
		bed_test(a_list_of_ones_own_is_not_mixed),
		bed_test(a_mistake_is_told_once),
		bed_test(what_means_nothing_here_may_mean_something_there),
		bed_test(what_does_not_fit_is_told_where_it_stands),
		bed_test(a_dump_says_where_it_comes_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
