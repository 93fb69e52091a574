/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From files to a configuration: what is read, in which order, and what is
 * said of everything that can be wrong with a line or a file.
 */
#include "unit/config_bed.h"

#include <ftw.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/def.h"

#define NOBODY 65534 /* on every Debian */

/* ---- a directory of its own ---- */

static char directory[] = "/tmp/ringmain-test-XXXXXX";

static int make_directory(void **state)
{
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	if (!mkdtemp(directory))
		return -1;
	return bed_setup(state);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_directory(void **state)
{
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return bed_teardown(state);
}

#define file_test(function) \
	cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

static const char *path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *to = fopen(path_of(name), "w");

	assert_non_null(to);
	fputs(text, to);
	assert_int_equal(fclose(to), 0);
}

static void load(struct bed *st, const char *path)
{
	bed_reset(st);
	st->config = config_load(path, &st->diag, NULL, NULL);
	assert_int_equal(st->config == NULL, diag_has_errors(&st->diag));
}

/* What was said, with the directory's name taken out. */
static void expect_in_directory(struct bed *st, const char *messages)
{
	char *at = (char *)bed_messages(st);
	size_t n = strlen(directory);

	while ((at = strstr(at, directory)))
		memmove(at, at + n, strlen(at + n) + 1);
	assert_string_equal(st->said, messages);
}

/* ---- from memory ---- */

static void a_good_configuration_is_kept_as_written(void **state)
{
	struct bed *st = *state;
	const struct listener_config *l;
	const struct pool_config *p;

	bed_load(st, "[global]\nworkers = 3\n"
		     "[listener pg]\n"
		     "  bind = 127.0.0.1:5432\n"
		     "  bind = unix:/run/pg.sock ; and this\n"
		     "  pool = db\n"
		     "  relay = copy\n"
		     "  idle_timeout = 90s\n"
		     "[pool db]\n"
		     "  backend = a 192.0.2.1:5432\n"
		     "  backend = b db2.example.com:5433 max_sessions=7 weight=2\n");
	bed_expect_good(st);
	assert_int_equal(st->config->global.workers, 3);
	assert_int_equal(st->config->global.sessions_max, 0);
	assert_int_equal(st->config->listeners_n, 1);

	l = &st->config->listeners[0];
	p = &st->config->pools[0];
	assert_string_equal(l->name, "pg");
	assert_int_equal(l->binds_n, 2);
	assert_int_equal(l->binds[0].spec.port_first, 5432);
	assert_int_equal(l->binds[0].addrs_n, 1);
	assert_int_equal(addr_port(&l->binds[0].addrs[0]), 5432);
	assert_true(addr_is_unix(&l->binds[1].addrs[0]));
	assert_ptr_equal(l->pool, p);
	assert_int_equal(l->relay, RELAY_COPY);
	assert_int_equal(l->idle_timeout_ms, 90000);
	assert_int_equal(l->half_close_timeout_ms, 60000);
	assert_true(l->keepalive.is_on);

	assert_int_equal(p->backends_n, 2);
	assert_int_equal(p->backends[0].weight, 1);
	assert_int_equal(p->backends[0].sessions_max, 0);
	assert_int_equal(addr_port(&p->backends[0].addr), 5432);
	assert_int_equal(p->backends[1].weight, 2);
	assert_int_equal(p->backends[1].sessions_max, 7);
	assert_int_equal(p->backends[1].addr.len, 0);
	assert_int_equal(p->backends[1].location.line, 11);
	assert_string_equal(p->backends[1].location.file, "x.ini");
}

static void names_take_the_whole_length(void **state)
{
	struct bed *st = *state;
	char name[CONFIG_NAME_BYTES], text[512];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text),
		 "[listener %s]\nbind = :80\npool = %s\n[pool %s]\nbackend = %s 192.0.2.1:80\n",
		 name, name, name, name);
	bed_load(st, text);
	bed_expect_good(st);
	assert_string_equal(st->config->listeners[0].name, name);
	assert_string_equal(st->config->pools[0].backends[0].name, name);
}

static const struct {
	const char *text, *said;
} mistakes[] = {
	/* Sections. */
	{ "", "x.ini: error: there is no section in it ([listener NAME], [pool NAME])\n" },
	{ "; nothing\n\n",
	  "x.ini: error: there is no section in it ([listener NAME], [pool NAME])\n" },
	{ "[global]\n", "x.ini: error: there is no [listener NAME]: nothing to do\n" },
	{ BED_GOOD "[listner m]\nbind = :81\n",
	  "x.ini:6:2: error: unknown section 'listner' (global, listener NAME, "
	  "pool NAME, defaults listener, defaults pool); "
	  "did you mean 'listener'?\n" },
	{ BED_GOOD "[frontend m]\n", "x.ini:6:2: error: unknown section 'frontend' "
				     "(global, listener NAME, "
				     "pool NAME, defaults listener, defaults pool); here it is "
				     "'[listener NAME]'\n" },
	{ BED_GOOD "[]\n",
	  "x.ini:6:2: error: unknown section '' "
	  "(global, listener NAME, pool NAME, defaults listener, defaults pool)\n" },
	{ BED_GOOD "[listener]\n", "x.ini:6:10: error: [listener]: a name is missing\n" },
	{ BED_GOOD "[pool a/b]\n", "x.ini:6:7: error: [pool a/b]: 'a/b' is not a name "
				   "(letters, digits, '_', '.', '-'); did you "
				   "mean 'a_b'?\n" },
	{ BED_GOOD "[pool a b]\n", "x.ini:6:7: error: [pool a b]: 'a b' is not a name "
				   "(letters, digits, '_', '.', '-'); did you "
				   "mean 'a_b'?\n" },
	{ BED_GOOD "[global g]\n", "x.ini:6:9: error: [global]: this section has no name\n" },
	{ BED_GOOD "[global]\n[global]\n",
	  "x.ini:7:2: error: [global] given twice; first at x.ini:6\n" },
	{ BED_GOOD "[listener l]\nbind = :81\npool = p\n",
	  "x.ini:6:2: error: [listener l] given twice; first at x.ini:1\n" },
	{ BED_GOOD "[pool p]\nbackend = c 192.0.2.3:80\n",
	  "x.ini:6:2: error: [pool p] given twice; first at x.ini:4\n" },
	/* Keys. */
	{ "bind = :80\npool = p\n" BED_GOOD,
	  "x.ini:1:1: error: bind: before the first section "
	  "([global], [listener NAME], [pool NAME], [defaults listener], [defaults pool])\n"
	  "x.ini:2:1: error: pool: before the first section "
	  "([global], [listener NAME], "
	  "[pool NAME], [defaults listener], [defaults pool])\n" },
	{ BED_GOOD "blance = roundrobin\n", "x.ini:6:1: error: [pool p] blance: unknown directive; "
					    "did you mean 'balance'?\n" },
	{ BED_GOOD "connect timeout = 1s\n",
	  "x.ini:6:1: error: [pool p] connect timeout: unknown directive; "
	  "did you mean 'connect_timeout'?\n" },
	{ BED_GOOD "colour = red\n", "x.ini:6:1: error: [pool p] colour: unknown directive\n" },
	{ BED_GOOD "idle_timeout = 1h\n",
	  "x.ini:6:1: error: [pool p] idle_timeout: this belongs in a [listener NAME]\n" },
	{ BED_GOOD "workers = 1\n",
	  "x.ini:6:1: error: [pool p] workers: this belongs in [global]\n" },
	{ BED_GOOD "balance = roundrobin\n  balance = roundrobin\n",
	  "x.ini:7:3: error: [pool p] balance: given twice; first at x.ini:6\n" },
	{ BED_GOOD "connect_tries =   ; how many?\n",
	  "x.ini:6:16: error: [pool p] connect_tries: no value (1..8)\n" },
	/* Several, in the order of lines. */
	{ "[listener l]\nbind = :80\npool = q\nbacklog = 0\n[pool p]\nbackend = b x\n",
	  "x.ini:3:8: error: [listener l] pool: there is no [pool q]\n"
	  "x.ini:4:11: error: [listener l] backlog: '0' is out of range (1..65535)\n"
	  "x.ini:6:13: error: [pool p] backend: a port is missing "
	  "(" BED_BACKEND_FORM ")\n" },
};

static void every_mistake_is_named_with_its_place(void **state)
{
	struct bed *st = *state;

	for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
		bed_load(st, mistakes[i].text);
		bed_expect(st, mistakes[i].said);
	}
}

static void too_long_a_name_says_how_long_it_may_be(void **state)
{
	struct bed *st = *state;
	char text[256];

	snprintf(text, sizeof(text), BED_GOOD "[pool %064d]\n", 0);
	bed_load(st, text);
	bed_expect(st, "x.ini:6:7: error: [pool 00000000000000000000000000000000000000000000000"
		       "00000000000000000]: the name has 64 characters (at most 63)\n");
}

static void the_line_is_shown_with_a_caret(void **state)
{
	struct bed *st = *state;

	bed_load(st, BED_GOOD "\tconnect_timeout = soon\n");
	assert_string_equal(
		bed_said(st),
		"x.ini:6:20: error: [pool p] connect_timeout: 'soon' is not a duration, "
		"a number with ms, s, m, h or d (10ms..1h)\n"
		"    6 | \tconnect_timeout = soon\n"
		"      | \t                  ^~~~\n");
}

/* ---- from files ---- */

static void files_of_a_directory_are_read_in_the_order_of_bytes(void **state)
{
	struct bed *st = *state;

	write_file("b.ini", "[listener two]\nbind = 127.0.0.1:0\npool = p\n");
	write_file("a.ini", "[pool p]\nbackend = b 192.0.2.1:80\n");
	write_file("B.ini", "[listener one]\nbind = 127.0.0.1:0\npool = p\n");
	write_file("c.ini", "; nothing yet\n");
	write_file(".d.ini", "[what");
	write_file("e.ini~", "[what");
	write_file("ini", "[what");
	load(st, directory);
	bed_expect_good(st);
	assert_int_equal(st->config->files_n, 4);
	assert_string_equal(st->config->files[0], path_of("B.ini"));
	assert_string_equal(st->config->listeners[0].name, "one");
	assert_string_equal(st->config->listeners[1].name, "two");
	assert_ptr_equal(st->config->listeners[0].pool, st->config->listeners[1].pool);
}

static void mistakes_of_all_files_come_in_one_run(void **state)
{
	struct bed *st = *state;

	write_file("a.ini", "[listener l]\nbind = :0\npool = x\n");
	write_file("b.ini", "[pool p]\nbackend = b 192.0.2.1\n");
	write_file("c.ini", "[listener l]\nbind = :0\npool = p\n[global]\nworkers = 0\n");
	load(st, directory);
	expect_in_directory(
		st, "/a.ini:3:8: error: [listener l] pool: there is no [pool x]\n"
		    "/b.ini:2:13: error: [pool p] backend: a port is missing "
		    "(" BED_BACKEND_FORM ")\n"
		    "/c.ini:1:2: error: [listener l] given twice; first at /a.ini:1\n"
		    "/c.ini:5:11: error: [global] workers: '0' is out of range (auto, 1..256)\n");
}

static void what_is_no_file_is_named(void **state)
{
	struct bed *st = *state;

	load(st, path_of("none.ini"));
	expect_in_directory(st, "/none.ini: error: cannot be read: No such file or directory\n");

	load(st, directory);
	expect_in_directory(st, ": error: there is no *.ini in this directory\n");

	write_file("empty.ini", "");
	load(st, path_of("empty.ini"));
	expect_in_directory(
		st,
		"/empty.ini: error: there is no section in it ([listener NAME], [pool NAME])\n");

	load(st, directory);
	expect_in_directory(st,
			    ": error: there is no section in it ([listener NAME], [pool NAME])\n");

	assert_int_equal(mkdir(path_of("sub.ini"), 0700), 0);
	load(st, directory);
	expect_in_directory(st, "/sub.ini: error: cannot be read: Is a directory\n");

	load(st, "/dev/zero");
	bed_expect(st, "/dev/zero: error: cannot be read: larger than 64 MiB\n");
}

static void a_file_one_may_not_read_is_named(void **state)
{
	struct bed *st = *state;
	const uid_t self = geteuid();

	write_file("secret.ini", BED_GOOD);
	assert_int_equal(chmod(path_of("secret.ini"), 0), 0);
	assert_int_equal(chmod(directory, 0755), 0);
	/* Root may read everything. */
	if (self == 0)
		assert_int_equal(seteuid(NOBODY), 0);
	load(st, path_of("secret.ini"));
	if (self == 0)
		assert_int_equal(seteuid(self), 0);
	expect_in_directory(st, "/secret.ini: error: cannot be read: Permission denied\n");
}

static void names_of_hosts_are_resolved(void **state)
{
	struct bed *st = *state;
	const struct bind_config *bind;

	write_file("a.ini", "[listener l]\nbind = localhost:0\npool = p\n"
			    "[pool p]\nbackend = b localhost:5432\n");
	load(st, path_of("a.ini"));
	bed_expect_good(st);
	bind = &st->config->listeners[0].binds[0];
	assert_true(bind->addrs_n >= 1);
	for (size_t i = 0; i < bind->addrs_n; i++)
		assert_true(addr_is_local(&bind->addrs[i]));
	assert_true(addr_is_local(&st->config->pools[0].backends[0].addr));
	assert_int_equal(addr_port(&st->config->pools[0].backends[0].addr), 5432);

	/* RFC 6761, section 6.4: never resolves. What the resolver says depends on the machine. */
	write_file("b.ini", "[listener l]\nbind = x.invalid:0\npool = p\n"
			    "[pool p]\nbackend = b y.invalid:5432\n");
	load(st, path_of("b.ini"));
	assert_int_equal(st->diag.errors_n, 2);
	assert_non_null(strstr(bed_said(st), "b.ini:2:8: error: [listener l] bind: "
					     "host 'x.invalid' has no address: "));
	assert_non_null(strstr(bed_said(st), "b.ini:5:13: error: [pool p] backend: b: "
					     "host 'y.invalid' has no address: "));
}

/* ---- size ---- */

#define MANY_LISTENERS 200
#define MANY_BACKENDS 1000
#define MANY_LINES 100000
/* CPU time: alone it takes 50 ms, ten times that with sanitizers; quadratic work takes minutes. */
#define PATIENCE_S 20

static void a_large_configuration_loads_fast(void **state)
{
	struct bed *st = *state;
	FILE *to = fopen(path_of("large.ini"), "w");
	clock_t begin;

	assert_non_null(to);
	for (int i = 0; i < MANY_LISTENERS; i++)
		fprintf(to, "[listener l%d]\nbind = 127.0.0.1:%d\npool = p\n", i, 10000 + i);
	fputs("[pool p]\n", to);
	for (int i = 0; i < MANY_BACKENDS; i++)
		fprintf(to, "backend = b%d 192.0.2.%d:%d\n", i, i % 256, 1 + i);
	for (int i = 0; i < MANY_LINES; i++)
		fputs("; a line that says nothing but has to be read\n", to);
	assert_int_equal(fclose(to), 0);

	begin = clock();
	load(st, path_of("large.ini"));
	bed_expect_good(st);
	assert_int_equal(st->config->listeners_n, MANY_LISTENERS);
	assert_int_equal(st->config->pools[0].backends_n, MANY_BACKENDS);
	assert_true((clock() - begin) / CLOCKS_PER_SEC < PATIENCE_S);
}

static void many_mistakes_do_not_take_long(void **state)
{
	struct bed *st = *state;
	FILE *to = fopen(path_of("bad.ini"), "w");
	clock_t begin;

	assert_non_null(to);
	for (int i = 0; i < MANY_LINES / 5; i++)
		fprintf(to, "[listener l]\nbind = :80\npool = q%d\n[pool p]\nbackend = b :80\n", i);
	assert_int_equal(fclose(to), 0);

	begin = clock();
	load(st, path_of("bad.ini"));
	assert_non_null(strstr(bed_said(st), " more errors\n"));
	assert_true((clock() - begin) / CLOCKS_PER_SEC < PATIENCE_S);
}

static void the_sample_is_good(void **state)
{
	struct bed *st = *state;

	if (access("etc/ringmain.ini", R_OK) < 0)
		skip(); /* not run from the top of the tree */
	load(st, "etc/ringmain.ini");
	bed_expect_good(st);
}

/* ---- include ---- */

#define LISTENER "[listener l]\nbind = 127.0.0.1:1\npool = p\n"
#define POOL "[pool p]\nbackend = b 192.0.2.9:1\n"

static void make_subdirectory(const char *name)
{
	assert_int_equal(mkdir(path_of(name), 0700), 0);
}

static void files_and_directories_are_included(void **state)
{
	struct bed *st = *state;

	make_subdirectory("conf.d");
	make_subdirectory("empty");
	write_file("main.ini", "[global]\ninclude = conf.d\ninclude = \"one more.ini\"\n"
			       "include = empty\n" LISTENER);
	write_file("conf.d/pool.ini", POOL);
	write_file("conf.d/.hidden.ini", "not read");
	write_file("one more.ini", "[defaults listener]\nidle_timeout = 5s\n");
	load(st, path_of("main.ini"));
	bed_expect_good(st);
	assert_int_equal(st->config->files_n, 3);
	assert_int_equal(st->config->listeners[0].idle_timeout_ms, 5000);
	assert_int_equal(st->config->pools_n, 1);
}

/* In each file, as [global] stands in one of them only. */
static void it_may_stand_in_front_of_the_first_section(void **state)
{
	struct bed *st = *state;

	make_subdirectory("conf.d");
	write_file("main.ini", "include = conf.d\nworkers = 2\n[global]\nworkers = 3\n" LISTENER);
	write_file("conf.d/a.ini", "; a pool\ninclude = ../gone.ini\n" POOL);
	load(st, path_of("main.ini"));
	expect_in_directory(st,
			    "/main.ini:2:1: error: workers: before the first section ([global], "
			    "[listener NAME], [pool NAME], [defaults listener], [defaults "
			    "pool])\n"
			    "/conf.d/a.ini:2:11: error: [global] include: '/conf.d/../gone.ini' "
			    "cannot be read: No such file or directory\n");
	write_file("main.ini", "include = conf.d\n" LISTENER);
	write_file("conf.d/a.ini", "include = \"../one more.ini\"\n");
	write_file("one more.ini", POOL);
	load(st, path_of("main.ini"));
	bed_expect_good(st);
}

static void what_cannot_be_included_is_told_where_it_is_said(void **state)
{
	struct bed *st = *state;

	make_subdirectory("conf.d");
	write_file("main.ini", "[global]\ninclude = gone.ini\ninclude = main.ini\n"
			       "include = conf.d/../conf.d\ninclude = conf.d/a.ini\n"
			       "include = /dev/null\n" LISTENER "include = x\n");
	write_file("conf.d/a.ini", "[pool p]\nbackend = b\n[global]\ninclude = a.ini\n");
	load(st, path_of("main.ini"));
	expect_in_directory(
		st,
		"/main.ini:2:11: error: [global] include: '/gone.ini' cannot be read: No such "
		"file or directory\n"
		"/main.ini:3:11: error: '/main.ini' is read already\n"
		"/main.ini:5:11: error: '/conf.d/a.ini' is read already\n"
		"/main.ini:6:11: error: [global] include: '/dev/null' cannot be read: it is a "
		"device, not a regular file\n"
		"/main.ini:10:1: error: [listener l] include: this belongs in [global] or "
		"in front of the first section\n"
		"/conf.d/../conf.d/a.ini:2:11: error: [pool p] backend: a name and an address are "
		"needed (" BED_BACKEND_FORM ")\n"
		"/conf.d/../conf.d/a.ini:3:2: error: [global] given twice; first at "
		"/main.ini:1\n"
		"/conf.d/../conf.d/a.ini:4:11: error: '/conf.d/../conf.d/a.ini' is read "
		"already\n");
}

static void there_are_not_too_many_files(void **state)
{
	struct bed *st = *state;
	char name[64];

	make_subdirectory("many");
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof(name), "many/%04d.ini", i);
		write_file(name, "");
	}
	write_file("main.ini", "[global]\ninclude = many\n" LISTENER POOL);
	load(st, path_of("main.ini"));
	expect_in_directory(st, "/main.ini:2:11: error: more than 1024 files\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(files_and_directories_are_included),
		file_test(it_may_stand_in_front_of_the_first_section),
		file_test(what_cannot_be_included_is_told_where_it_is_said),
		file_test(there_are_not_too_many_files),
		bed_test(a_good_configuration_is_kept_as_written),
		bed_test(names_take_the_whole_length),
		bed_test(every_mistake_is_named_with_its_place),
		bed_test(too_long_a_name_says_how_long_it_may_be),
		bed_test(the_line_is_shown_with_a_caret),
		file_test(files_of_a_directory_are_read_in_the_order_of_bytes),
		file_test(mistakes_of_all_files_come_in_one_run),
		file_test(what_is_no_file_is_named),
		file_test(a_file_one_may_not_read_is_named),
		file_test(names_of_hosts_are_resolved),
		file_test(a_large_configuration_loads_fast),
		file_test(many_mistakes_do_not_take_long),
		bed_test(the_sample_is_good),
	};

	return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
