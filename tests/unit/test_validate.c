/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no single line can be blamed for: names, links, limits against each
 * other, addresses that are bound twice or dialled by their own listener.
 */
#include "unit/config_bed.h"

#include <unistd.h>

#include "base/def.h"
#include "config/validate.h"

struct row {
	const char *text, *said;
};

static void expect_all(struct bed *st, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bed_load(st, rows[i].text);
		bed_expect(st, rows[i].said);
	}
}

static void pools_and_backends_are_looked_up_by_name(void **state)
{
	static const struct row rows[] = {
		{ "[listener l]\nbind = :80\npool = orders\n"
		  "[pool oders]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:3:8: error: [listener l] pool: there is no [pool orders]; "
		  "did you mean 'oders'?\n" },
		{ "[listener l]\nbind = :80\npool = p\n[pool p]\n",
		  "x.ini:4:2: error: [pool p]: no 'backend' in this section "
		  "(" BED_BACKEND_FORM ")\n" },
		{ BED_GOOD "[listener m]\n",
		  "x.ini:6:2: error: [listener m]: no 'bind' in this section "
		  "(HOST:PORT, HOST:FIRST-LAST, *:PORT or :PORT [freebind], "
		  "unix:PATH [mode=0660] [owner=NAME] [group=NAME])\n"
		  "x.ini:6:2: error: [listener m]: neither 'pool' nor 'route' in this section, "
		  "and no [pool m]: where do sessions go?\n" },
		{ BED_GOOD "backend = c 192.0.2.2:80\nbackend = b 192.0.2.3:80\n"
			   "backend = b 192.0.2.4:80\n",
		  "x.ini:7:11: error: [pool p] backend: 'b' given twice; first at x.ini:5\n"
		  "x.ini:8:11: error: [pool p] backend: 'b' given twice; first at x.ini:5\n" },
		/* The same name in two pools, or of a pool and a listener, is no mistake. */
		{ "[listener x]\nbind = :80\npool = x\n[pool x]\nbackend = x 192.0.2.1:80\n"
		  "[listener y]\nbind = :81\npool = y\n[pool y]\nbackend = x 192.0.2.1:80\n",
		  "" },
		{ BED_GOOD "[pool q]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:6:2: warning: [pool q]: no listener uses it\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

static void limits_fit_each_other(void **state)
{
	static const struct row rows[] = {
		{ BED_GOOD "connect_timeout = 10s\n",
		  "x.ini:6:19: error: [pool p] connect_timeout: one try may take longer (10s) "
		  "than all of them (connect_total = 5s)\n" },
		{ BED_GOOD "connect_total = 500ms\n",
		  "x.ini:6:17: error: [pool p] connect_timeout: one try may take longer (1s) "
		  "than all of them (connect_total = 500ms)\n" },
		{ BED_GOOD "connect_timeout = 5s\n", "" },
		{ BED_GOOD "[global]\nworkers = 4\nbuffer_memory = 271k\n",
		  "x.ini:8:17: error: [global] buffer_memory: too little for 4 workers "
		  "(at least 272k, 4 buffers of 17408 bytes for each)\n" },
		{ BED_GOOD "[global]\nworkers = 4\nbuffer_memory = 272k\n", "" },
		{ BED_GOOD "[global]\nworkers = 2\nbuffer_memory = 3G\n",
		  "x.ini:8:17: warning: [global] buffer_memory: more than 2 workers can use "
		  "(65535 buffers of 17408 bytes for each)\n" },
		{ "[global]\nmax_sessions = 10\n[listener l]\nbind = :80\npool = p\n"
		  "max_sessions = 11\n[pool p]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:6:16: warning: [listener l] max_sessions: never reached: "
		  "[global] max_sessions is 10\n" },
		{ "[listener l]\nbind = :80\npool = p\n[pool p]\n"
		  "backend = b 192.0.2.1:80 weight=0\nbackend = c 192.0.2.1:80 weight=0\n",
		  "x.ini:4:2: warning: [pool p]: all weights are 0: no session gets a backend\n" },
		{ BED_GOOD "backend = c 192.0.2.1:80 weight=0\n", "" },
		{ BED_GOOD "balance = maglev\nstick = source\n",
		  "x.ini:7:9: warning: [pool p] stick: undoes what balance = maglev is for: a "
		  "client that this node moved while its backend was down stays where it is, "
		  "and other nodes send it home\n" },
		{ BED_GOOD "balance = maglev\nstick = off\n", "" },
		{ BED_GOOD "balance = leastconn\nstick = source\n", "" },
		{ "[listener l]\nbind = :80\npool = p\nkeepalive = no\nkeepalive_count = 3\n"
		  "[pool p]\nbackend = b 192.0.2.1:80\n",
		  "x.ini:5:19: warning: [listener l] keepalive_count: means nothing with "
		  "keepalive = no\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

/* Two addresses: can one process listen on both? */
static void an_address_is_bound_once(void **state)
{
	static const struct {
		const char *first, *later;
		bool is_good;
	} rows[] = {
		{ "127.0.0.1:80", "127.0.0.1:80", false },
		{ "127.0.0.1:80", "127.0.0.1:81", true },
		{ "127.0.0.1:80", "127.0.0.2:80", true },
		{ "127.0.0.1:80", "[::1]:80", true },
		{ "[::1]:80", "[0:0::1]:80", false },
		{ "127.0.0.1:80", "[::ffff:127.0.0.1]:80", false },
		{ ":80", "*:80", false },
		{ ":80", ":81", true },
		/* Nothing but "any" without brackets takes both families. */
		{ ":80", "0.0.0.0:80", false },
		{ ":80", "[::]:80", false },
		{ "0.0.0.0:80", "[::]:80", true },
		/* The kernel prefers the precise one, whichever comes first here. */
		{ ":80", "127.0.0.1:80", true },
		{ "127.0.0.1:80", ":80", true },
		{ "[::1]:80", "*:80", true },
		{ "[::]:80", "[::1]:80", true },
		{ ":80", "127.0.0.1:81", true },
		{ "0.0.0.0:80-90", "127.0.0.1:85", true },
		{ "[::]:80", "127.0.0.1:80", true },
		{ "0.0.0.0:80", "[::1]:80", true },
		{ "127.0.0.1:80-90", "127.0.0.1:90-95", false },
		{ "127.0.0.1:80-90", "127.0.0.1:85", false },
		{ "127.0.0.1:85", "127.0.0.1:80-90", false },
		{ "127.0.0.1:80-90", "127.0.0.1:91-95", true },
		{ "127.0.0.1:0", "127.0.0.1:0", true },
		{ "/run/x.sock", "unix:/run/x.sock", false },
		{ "unix:/run/x.sock", "unix:/run/y.sock", true },
		{ "unix:@x", "unix:@x", false },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "[listener l]\nbind = %s\npool = p\n[listener m]\nbind = %s\npool = p\n"
			 "[pool p]\nbackend = b 192.0.2.1:1\n",
			 rows[i].first, rows[i].later);
		bed_load(st, text);
		if (rows[i].is_good)
			bed_expect_good(st);
		else
			assert_non_null(strstr(bed_said(st),
					       "x.ini:5:8: error: [listener m] bind: this address "
					       "is bound twice; first as "));
	}
}

/* Of these sockets each is one, whatever listeners can share. */
static void what_is_the_operators_is_no_listeners(void **state)
{
	static const struct {
		const char *own, *bind, *twice; /* whose it is the second time; NULL: it is good */
	} rows[] = {
		{ "status = 127.0.0.1:80", "127.0.0.1:80", "x.ini:4:8: error: [listener l] bind" },
		{ "status = 127.0.0.1:80", "127.0.0.1:81", NULL },
		{ "status = 127.0.0.1:80", "127.0.0.2:80", NULL },
		{ "status = 127.0.0.1:80", ":80", "x.ini:4:8: error: [listener l] bind" },
		{ "status = 127.0.0.1:80", ":70-90", "x.ini:4:8: error: [listener l] bind" },
		{ "status = 127.0.0.1:80", "[::]:80", NULL },
		{ "status = :80", "127.0.0.1:80", "x.ini:4:8: error: [listener l] bind" },
		{ "status = :80", "[::1]:70-90", "x.ini:4:8: error: [listener l] bind" },
		{ "status = :80", ":80", "x.ini:4:8: error: [listener l] bind" },
		{ "status = unix:/s", "/s", "x.ini:4:8: error: [listener l] bind" },
		{ "control = unix:/c", "/c", "x.ini:4:8: error: [listener l] bind" },
		{ "control = unix:/c", "/d", NULL },
		{ "control = off", "/c", NULL },
		{ "control = unix:/c\nstatus = unix:/c", "/d",
		  "x.ini:3:10: error: [global] status" },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256], said[256];

		snprintf(text, sizeof(text),
			 "[global]\n%s\n[listener l]\nbind = %s\npool = p\n"
			 "[pool p]\nbackend = b 192.0.2.1:1\n",
			 rows[i].own, rows[i].bind);
		bed_load(st, text);
		if (!rows[i].twice) {
			bed_expect_good(st);
			continue;
		}
		snprintf(said, sizeof(said), "%s: this address is bound twice; first as ",
			 rows[i].twice);
		assert_non_null(strstr(bed_said(st), said));
		assert_int_equal(st->diag.errors_n, 1);
	}
	/* A backend may be one of them: that is no loop. */
	bed_load(st, "[global]\nstatus = 127.0.0.1:80\n[listener l]\nbind = :81\npool = p\n"
		     "[pool p]\nbackend = b 127.0.0.1:80\n");
	bed_expect_good(st);
}

static void both_places_of_a_bind_are_named(void **state)
{
	static const struct row rows[] = {
		{ "[listener l]\nbind = :80\nbind = :80\npool = p\n"
		  "[pool p]\nbackend = b 192.0.2.1:1\n",
		  "x.ini:3:8: error: [listener l] bind: this address is bound twice; "
		  "first as *:80 at x.ini:2\n" },
		{ "[listener l]\nbind = 127.0.0.1:8000-8009\nbind = 127.0.0.1:8020\n"
		  "bind = 127.0.0.1:8005\npool = p\n[pool p]\nbackend = b 192.0.2.1:1\n",
		  "x.ini:4:8: error: [listener l] bind: this address is bound twice; "
		  "first as 127.0.0.1:8000-8009 at x.ini:2\n" },
		/* Of use to another listener only. */
		{ "[listener l]\nbind = 127.0.0.1:80\nbind = [::1]:80\nbind = :80\npool = p\n"
		  "[pool p]\nbackend = b 192.0.2.1:1\n",
		  "x.ini:2:8: warning: [listener l] bind: means nothing beside *:80 at x.ini:4, "
		  "which has this address, too\n"
		  "x.ini:3:8: warning: [listener l] bind: means nothing beside *:80 at x.ini:4, "
		  "which has this address, too\n" },
		/* A wide range does not hide what a narrow one after it overlaps with. */
		{ "[listener l]\nbind = 127.0.0.1:1-100\nbind = 127.0.0.1:200\npool = p\n"
		  "bind = 127.0.0.1:2\nbind = 127.0.0.1:50\n"
		  "[pool p]\nbackend = b 192.0.2.1:1\n",
		  "x.ini:5:8: error: [listener l] bind: this address is bound twice; "
		  "first as 127.0.0.1:1-100 at x.ini:2\n"
		  "x.ini:6:8: error: [listener l] bind: this address is bound twice; "
		  "first as 127.0.0.1:1-100 at x.ini:2\n" },
	};

	expect_all(*state, rows, ARRAY_LEN(rows));
}

/* Loads from a file, for that asks what addresses this machine has. */
static void load_from_file(struct bed *st, const char *text)
{
	char path[] = "/tmp/ringmain-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	bed_reset(st);
	st->config = config_load(path, &st->diag, NULL, NULL);
	unlink(path);
}

static void a_listener_is_no_backend_of_its_own(void **state)
{
	static const struct {
		const char *bind, *backend;
		bool is_good;
	} rows[] = {
		{ "127.0.0.1:5432", "127.0.0.1:5432", false },
		{ "127.0.0.1:5432", "127.0.0.2:5432", true },
		{ "127.0.0.1:5432", "127.0.0.1:5433", true },
		{ "127.0.0.1:5430-5439", "127.0.0.1:5432", false },
		{ "127.0.0.1:5432", "[::ffff:127.0.0.1]:5432", false },
		{ "127.0.0.1:5432", "localhost:5432", false },
		{ "[::1]:5432", "[::1]:5432", false },
		{ "0.0.0.0:5432", "127.0.0.1:5432", false },
		{ "0.0.0.0:5432", "127.1.2.3:5432", false },
		{ "0.0.0.0:5432", "[::1]:5432", true },
		{ "[::]:5432", "127.0.0.1:5432", true },
		{ "[::]:5432", "[::1]:5432", false },
		{ ":5432", "127.0.0.1:5432", false },
		{ ":5432", "[::1]:5432", false },
		{ ":5432", "127.0.0.1:5433", true },
		/* RFC 5737 and RFC 3849: documentation. TEST-NET-3 is nobody's address. */
		{ ":5432", "203.0.113.77:5432", true },
		{ ":5432", "[2001:db8:ffff::77]:5432", true },
		{ "unix:/run/x.sock", "unix:/run/x.sock", false },
		{ "unix:/run/x.sock", "unix:/run/y.sock", true },
	};
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];
		bool is_refused;

		snprintf(text, sizeof(text),
			 "[listener l]\nbind = %s\npool = p\n[pool p]\nbackend = b %s\n",
			 rows[i].bind, rows[i].backend);
		load_from_file(st, text);
		is_refused = strstr(bed_said(st), "it would connect to itself");
		if (is_refused == rows[i].is_good)
			fail_msg("bind %s, backend %s: %s", rows[i].bind, rows[i].backend,
				 bed_said(st));
	}
}

static void a_backend_that_is_any_host_is_refused_once(void **state)
{
	struct bed *st = *state;

	bed_load(st, "[listener l]\nbind = 0.0.0.0:80\npool = p\n"
		     "[pool p]\nbackend = b 0.0.0.0:80\nbackend = c [::]:80\n");
	bed_expect(st, "x.ini:5:13: error: [pool p] backend: b: a backend needs one host, "
		       "not any\n"
		       "x.ini:6:13: error: [pool p] backend: c: a backend needs one host, "
		       "not any\n");
}

static void a_backlog_beyond_the_kernels_is_a_warning(void **state)
{
	struct bed *st = *state;

	load_from_file(st, "[listener l]\nbind = 127.0.0.1:0\npool = p\nbacklog = 65535\n"
			   "[pool p]\nbackend = b 192.0.2.1:80\n");
	assert_non_null(st->config);
	if (st->diag.warnings_n == 0)
		skip(); /* it allows as many here */
	assert_non_null(strstr(bed_said(st), ":4:11: warning: [listener l] backlog: the kernel "
					     "cuts it down to "));
}

static void there_is_at_least_one_worker(void **state)
{
	const struct global_config two = { .workers = 2 }, automatic = { .workers = 0 };

	(void)state;
	assert_int_equal(config_workers(&two), 2);
	assert_in_range(config_workers(&automatic), 1, CONFIG_WORKERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(pools_and_backends_are_looked_up_by_name),
		bed_test(limits_fit_each_other),
		bed_test(an_address_is_bound_once),
		bed_test(what_is_the_operators_is_no_listeners),
		bed_test(both_places_of_a_bind_are_named),
		bed_test(a_listener_is_no_backend_of_its_own),
		bed_test(a_backend_that_is_any_host_is_refused_once),
		bed_test(a_backlog_beyond_the_kernels_is_a_warning),
		bed_test(there_is_at_least_one_worker),
	};

	return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
