/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed. The machine's limits are the test's own: getrlimit(2) and so on. */
#include "app/capacity.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/cpu_quota.h"
#include "io/buf.h"
#include "state/runtime.h"

/* ---- the machine --------------------------------------------------------- */

static struct rlimit files;
static bool is_root; /* may raise the hard limit */
static int cpus;

/* The sanitizers ask too, before they are ready to watch. */
#define UNWATCHED __attribute__((no_sanitize("address", "undefined")))

UNWATCHED int getrlimit(__rlimit_resource_t resource, struct rlimit *ret_limit)
{
	if (resource != RLIMIT_NOFILE)
		return prlimit(0, resource, NULL, ret_limit);
	*ret_limit = files;
	return 0;
}

UNWATCHED int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource != RLIMIT_NOFILE)
		return prlimit(0, resource, limit, NULL);
	if (limit->rlim_max > files.rlim_max && !is_root) {
		errno = EPERM;
		return -1;
	}
	files = *limit;
	return 0;
}

UNWATCHED int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *ret_set)
{
	(void)pid;
	memset(ret_set, 0, bytes);
	for (int n = 0; n < cpus && n < CPU_SETSIZE; n++)
		CPU_SET(n, ret_set);
	errno = EINVAL; /* as where there are more than fit */
	return cpus > 0 ? 0 : -1;
}

/* Instead of the machine's. */
static unsigned quota;

unsigned cpu_quota(const char *root)
{
	assert_string_equal(root, "");
	return quota;
}

static int set_up(void **state)
{
	(void)state;
	files = (struct rlimit){ .rlim_cur = 1024, .rlim_max = 4096 };
	is_root = false;
	cpus = 4;
	quota = 0;
	return 0;
}

static struct capacity find(unsigned workers, unsigned sessions_max)
{
	const struct config config = { .global = { .workers = workers,
						   .sessions_max = sessions_max,
						   .buffer_memory_bytes = 64 << 20 } };
	struct capacity c;

	assert_int_equal(capacity_find(&config, &c), 0);
	return c;
}

/* ---- workers, buffers ---------------------------------------------------- */

static void auto_is_a_worker_for_each_cpu(void **state)
{
	(void)state;
	assert_int_equal(find(0, 0).workers, 4);
	cpus = 1;
	assert_int_equal(find(0, 0).workers, 1);
	assert_int_equal(find(7, 0).workers, 7);
	cpus = 1000;
	assert_int_equal(find(0, 0).workers, WORKERS_MAX);
	cpus = 0; /* nobody knows */
	assert_int_equal(find(0, 0).workers, 1);
}

static void auto_respects_a_quota(void **state)
{
	(void)state;
	quota = 3;
	assert_int_equal(find(0, 0).workers, 3);
	assert_int_equal(find(7, 0).workers, 7);
	quota = 8;
	assert_int_equal(find(0, 0).workers, 4);
	quota = 4294967295;
	cpus = 1000;
	assert_int_equal(find(0, 0).workers, WORKERS_MAX);
}

static unsigned buffers(uint64_t memory_bytes, unsigned workers)
{
	const struct config config = { .global = { .workers = workers,
						   .buffer_memory_bytes = memory_bytes } };
	struct capacity c;

	assert_int_equal(capacity_find(&config, &c), 0);
	return c.buffers_per_worker;
}

static void buffers_are_shared_out_evenly(void **state)
{
	(void)state;
	assert_int_equal(buffers(1000 * BUF_BYTES, 1), 1000);
	assert_int_equal(buffers(1000 * BUF_BYTES, 4), 250);
	assert_int_equal(buffers(1003 * BUF_BYTES + 7, 4), 250);
}

static void a_worker_has_as_many_buffers_as_it_needs_and_can_count(void **state)
{
	(void)state;
	assert_int_equal(buffers(1, 1), BUF_COUNT_MIN);
	assert_int_equal(buffers(BUF_COUNT_MIN * BUF_BYTES, 8), BUF_COUNT_MIN);
	assert_int_equal(buffers(1ull << 40, 1), BUF_COUNT_MAX);
}

/* ---- sessions ------------------------------------------------------------ */

static void the_soft_limit_is_raised_as_far_as_it_may_be(void **state)
{
	(void)state;
	assert_int_equal(find(1, 0).files_max, 4096);
	assert_int_equal(files.rlim_cur, 4096);
	assert_int_equal(files.rlim_max, 4096);
}

static void auto_leaves_files_for_everything_else(void **state)
{
	struct capacity c = find(1, 0);

	(void)state;
	assert_in_range(c.sessions_max, 1500, 2047);
	assert_true(2 * c.sessions_max < c.files_max);
	assert_true(find(8, 0).sessions_max < c.sessions_max);
}

static void auto_starts_however_few_files_there_are(void **state)
{
	(void)state;
	files = (struct rlimit){ .rlim_cur = 64, .rlim_max = 64 };
	assert_in_range(find(2, 0).sessions_max, 1, 32);
	files = (struct rlimit){ .rlim_cur = 1, .rlim_max = 1 };
	assert_int_equal(find(2, 0).sessions_max, 1);
}

/* Containers often have a thousand million: tables are made for all of them. */
static void auto_ends_where_a_directive_would(void **state)
{
	(void)state;
	files = (struct rlimit){ .rlim_cur = 1024, .rlim_max = 1073741816 };
	assert_int_equal(find(1, 0).sessions_max, CONFIG_SESSIONS_MAX);
	files = (struct rlimit){ .rlim_cur = 1024, .rlim_max = RLIM_INFINITY };
	assert_int_equal(find(1, 0).sessions_max, CONFIG_SESSIONS_MAX);
}

static void what_was_asked_for_is_got(void **state)
{
	(void)state;
	assert_int_equal(find(1, 1000).sessions_max, 1000);
	is_root = true;
	assert_int_equal(find(1, 100000).sessions_max, 100000);
	assert_true(files.rlim_cur >= 200000);
}

static void what_cannot_be_had_is_refused_with_figures(void **state)
{
	const struct config config = { .global = { .workers = 1, .sessions_max = 100000 } };
	int log = memfd_create("log", MFD_CLOEXEC);
	struct capacity c;
	char said[512];
	ssize_t n;

	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT, log);
	assert_int_equal(capacity_find(&config, &c), -EMFILE);
	log_configure(LOG_INFO, LOG_LOGFMT, STDERR_FILENO);
	n = pread(log, said, sizeof(said) - 1, 0);
	assert_true(n > 0);
	said[n] = '\0';
	assert_non_null(strstr(said, "max_sessions = 100000"));
	assert_non_null(strstr(said, "the limit is 4096"));
	close(log);
}

/* Each address and port of a range is a socket for each worker. */
static void listening_sockets_are_files_too(void **state)
{
	struct bind_config bind = { .spec = { .port_first = 1000, .port_last = 1099 },
				    .addrs_n = 2 };
	struct listener_config listener = { .binds = &bind, .binds_n = 1 };
	struct config config = { .global = { .workers = 2 } };
	struct capacity without, with;

	(void)state;
	assert_int_equal(capacity_find(&config, &without), 0);
	config.listeners = &listener;
	config.listeners_n = 1;
	assert_int_equal(capacity_find(&config, &with), 0);
	/* And each may hold one client who waits until a session ends. */
	assert_in_range(without.sessions_max - with.sessions_max, 100 * 2 * 2 * 7 / 8, 100 * 2 * 2);
}

/* With each of 1 to 16 workers: one more file never gives fewer sessions, and they fit. */
static void more_files_never_give_fewer_sessions(void **state)
{
	static const unsigned workers[] = { 1, 2, 3, 4, 8, 16 };

	(void)state;
	for (size_t w = 0; w < ARRAY_LEN(workers); w++) {
		unsigned before = 0; /* none */

		for (rlim_t n = 24; n <= 5000; n++) {
			struct capacity c;

			files = (struct rlimit){ .rlim_cur = n, .rlim_max = n };
			c = find(workers[w], 0);
			assert_in_range(c.sessions_max, MAX(before, 1), before ? before + 1 : 5);
			before = c.sessions_max;
			if (n > 12 + 8 * workers[w])
				assert_true(2 * c.sessions_max +
						    2 * workers[w] * c.pipes_per_worker + 10 +
						    4 * workers[w] <=
					    n);
		}
		assert_true(before > 1500);
	}
}

static void few_files_serve_several_at_once(void **state)
{
	static const struct {
		rlim_t files;
		unsigned least, most;
	} rows[] = { { 24, 3, 5 },      { 40, 9, 13 },     { 64, 18, 25 },
		     { 380, 130, 150 }, { 390, 133, 155 }, { 1024, 380, 480 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		files = (struct rlimit){ .rlim_cur = rows[i].files, .rlim_max = rows[i].files };
		assert_in_range(find(1, 0).sessions_max, rows[i].least, rows[i].most);
	}
}

/* They are no part of what max_sessions promises. */
static void pipes_have_a_budget_of_their_own(void **state)
{
	struct capacity c;

	(void)state;
	assert_in_range(find(1, 0).pipes_per_worker, 64, 100);
	c = find(1, 1900);
	assert_in_range(c.pipes_per_worker, 64, 150);
	assert_true(find(1, 100).pipes_per_worker > 1000);
	files = (struct rlimit){ .rlim_cur = 24, .rlim_max = 24 };
	assert_in_range(find(1, 0).pipes_per_worker, 0, 1);
	files = (struct rlimit){ .rlim_cur = 1024, .rlim_max = RLIM_INFINITY };
	assert_true(find(2, 0).pipes_per_worker > 1000000);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup(f, set_up)
	const struct CMUnitTest tests[] = {
		test(auto_is_a_worker_for_each_cpu),
		test(auto_respects_a_quota),
		test(buffers_are_shared_out_evenly),
		test(a_worker_has_as_many_buffers_as_it_needs_and_can_count),
		test(the_soft_limit_is_raised_as_far_as_it_may_be),
		test(auto_leaves_files_for_everything_else),
		test(auto_starts_however_few_files_there_are),
		test(auto_ends_where_a_directive_would),
		test(what_was_asked_for_is_got),
		test(what_cannot_be_had_is_refused_with_figures),
		test(listening_sockets_are_files_too),
		test(more_files_never_give_fewer_sessions),
		test(few_files_serve_several_at_once),
		test(pipes_have_a_budget_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
