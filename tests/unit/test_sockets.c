/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Listening sockets from one generation to the next, without workers: the test closes for them. */

#include "process/sockets.h"

#include "config/load.h"
#include "net/sock.h"
#include "process/sockets_plan.h"
#include "state/generation.h"
#include "state/runtime_change.h"
#include "state/runtime_life.h"
#include "state/tls_contexts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 2

#define SERVED "[pool p]\nbackend = b 127.0.0.1:9\n"
#define POOL "pool = p\n" SERVED
#define ONE(name, addr) "[listener " name "]\nbind = " addr "\npool = p\n"

static struct runtime *runtime;
static struct sockets sockets;
static char failed[CONFIG_NAME_BYTES];
static struct sockets_failures failures; /* of the last follow() */
static char dir[] = "/tmp/test_sockets.XXXXXX";

/* ---- configurations ------------------------------------------------------ */

static struct config *load(const char *text, struct tls_contexts **ret_tls)
{
	char path[sizeof(dir) + sizeof("/ini")];
	struct config *config;
	struct diag diag;
	FILE *to;

	snprintf(path, sizeof(path), "%s/ini", dir);
	to = fopen(path, "w");
	assert_non_null(to);
	fputs(text, to);
	fclose(to);
	diag_init(&diag);
	config = config_load(path, &diag, tls_contexts_check, ret_tls);
	if (!config)
		diag_write(&diag, stderr);
	assert_non_null(config);
	diag_finish(&diag);
	unlink(path);
	return config;
}

static void begin(const char *text)
{
	struct tls_contexts *tls;
	struct config *config = load(text, &tls);

	runtime = runtime_create(config, tls, WORKERS, 100);
	assert_non_null(runtime);
	assert_int_equal(sockets_open(&sockets, runtime), 0);
}

/* Those of a table that the present one has no more: what workers would do. */
static void close_dropped(int (*fds)[WORKERS], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool stays = false;

		for (size_t k = 0; k < sockets.n; k++)
			stays |= sockets.all[k].fds[0] == fds[i][0];
		for (int w = 0; !stays && w < WORKERS; w++)
			close(fds[i][w]);
	}
}

/* False: it cannot be, @failure is the first thing that is wrong, and nothing has changed. */
static bool follow(const char *text, struct sockets_failure *failure)
{
	struct tls_contexts *tls;
	struct config *config = load(text, &tls);
	struct shared_config *shared = shared_config_create(config);
	struct generation *g = generation_create(shared, tls, runtime->slots_max, WORKERS);
	int fds[16][WORKERS], err;
	const size_t n = sockets.n;
	struct runtime_change *change;
	struct sockets_change *next;

	shared_config_unref(shared);
	for (size_t i = 0; i < n; i++)
		memcpy(fds[i], sockets.all[i].fds, sizeof(fds[i]));
	change = runtime_prepare(runtime, g, &err);
	assert_non_null(change);
	next = sockets_prepare(&sockets, runtime, g, &failures);
	if (!next) {
		*failure = failures.all[0];
		/* It is of the generation that goes. */
		snprintf(failed, sizeof(failed), "%s", failure->listener);
		failure->listener = failed;
		runtime_abandon(change);
		generation_destroy(g);
		return false;
	}
	runtime_publish(change);
	sockets_commit(next);
	close_dropped(fds, n);
	return true;
}

static int finish(void **state)
{
	(void)state;
	for (size_t n = 0; n < sockets.n; n++)
		for (int w = 0; w < WORKERS; w++)
			close(sockets.all[n].fds[w]);
	sockets_finish(&sockets);
	runtime_destroy(runtime);
	runtime = NULL;
	return 0;
}

static unsigned open_files(void)
{
	DIR *all = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(all);
	while (readdir(all))
		n++;
	closedir(all);
	return n;
}

static const char *listener_of(size_t n)
{
	return sockets.all[n].listener->config->name;
}

static unsigned port_of(size_t n)
{
	return addr_port(&sockets.all[n].addr);
}

/* ---- what stays ---------------------------------------------------------- */

static void an_address_that_stays_keeps_its_sockets(void **state)
{
	struct sockets_failure failure;
	struct bound_socket was;
	int fds[WORKERS];

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	was = sockets.all[0];
	memcpy(fds, was.fds, sizeof(fds));
	assert_true(follow(ONE("z", "127.0.0.2:0") ONE("a", "127.0.0.1:0") "backlog = 7\n" SERVED,
			   &failure));
	assert_int_equal(sockets.n, 2);
	assert_string_equal(listener_of(0), "z");
	assert_int_equal(sockets.all[1].id, was.id);
	assert_memory_equal(sockets.all[1].fds, fds, sizeof(fds));
	assert_int_equal(port_of(1), addr_port(&was.addr));
}

static void an_address_that_moves_keeps_them_too(void **state)
{
	struct sockets_failure failure;
	uint64_t id;

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	id = sockets.all[0].id;
	assert_true(follow(ONE("other", "127.0.0.1:0") SERVED, &failure));
	assert_int_equal(sockets.n, 1);
	assert_int_equal(sockets.all[0].id, id);
	assert_string_equal(listener_of(0), "other");
	assert_ptr_equal(atomic_load(&runtime->generation)->sockets[0].listener,
			 sockets.all[0].listener);
	assert_false(atomic_load(&runtime->generation)->sockets[0].is_new);
}

static void a_new_one_is_new_to_each_worker_and_an_old_one_goes(void **state)
{
	struct sockets_failure failure;
	const struct generation *g;
	unsigned files;

	(void)state;
	begin(ONE("a", "127.0.0.1:0") ONE("b", "127.0.0.2:0") SERVED);
	files = open_files();
	assert_true(follow(ONE("a", "127.0.0.1:0") ONE("b", "127.0.0.3:0") SERVED, &failure));
	g = atomic_load(&runtime->generation);
	assert_int_equal(g->sockets_n, 2);
	for (unsigned w = 0; w < WORKERS; w++) {
		assert_false(g->sockets[2 * w].is_new);
		assert_true(g->sockets[2 * w + 1].is_new);
		assert_int_equal(g->sockets[2 * w + 1].fd, sockets.all[1].fds[w]);
		assert_int_equal(g->sockets[2 * w + 1].id, g->sockets[1].id);
	}
	assert_int_equal(open_files(), files);
}

/* ---- what cannot be had -------------------------------------------------- */

static int take_address(const char *text, struct addr *ret)
{
	const char *step;
	int fd;

	assert_true(addr_parse(text, ret));
	assert_int_equal(sock_listen_many(&(struct sock_listen){ .addr = *ret, .backlog = 1 }, &fd,
					  1, &step),
			 0);
	assert_int_equal(sock_local_addr(fd, ret), 0);
	return fd;
}

static void one_that_cannot_be_bound_changes_nothing(void **state)
{
	char text[512];
	struct sockets_failure failure;
	struct addr addr;
	unsigned files;
	int taken = take_address("127.0.0.9:0", &addr);

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	files = open_files();
	snprintf(text, sizeof(text),
		 ONE("a", "127.0.0.1:0")
			 ONE("new", "127.0.0.5:0") "[listener b]\nbind = 127.0.0.9:%u\n" POOL,
		 addr_port(&addr));
	assert_false(follow(text, &failure));
	assert_int_equal(failure.err, -EADDRINUSE);
	assert_string_equal(failure.listener, "b");
	assert_true(addr_is_equal(&failure.addr, &addr));
	assert_int_equal(open_files(), files);
	assert_int_equal(sockets.n, 1);
	assert_int_equal(atomic_load(&runtime->generation)->number, 1);
	close(taken);
}

static void all_that_cannot_be_bound_are_told(void **state)
{
	char text[512];
	struct sockets_failure failure;
	struct addr addrs[2];
	unsigned files;
	int taken[2] = { take_address("127.0.0.9:0", &addrs[0]),
			 take_address("127.0.0.10:0", &addrs[1]) };

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	files = open_files();
	snprintf(text, sizeof(text),
		 ONE("b", "127.0.0.9:%u") ONE("new", "127.0.0.5:0") ONE("c", "127.0.0.10:%u")
			 SERVED,
		 addr_port(&addrs[0]), addr_port(&addrs[1]));
	assert_false(follow(text, &failure));
	assert_int_equal(failures.n, 2);
	for (size_t n = 0; n < failures.n; n++) {
		assert_int_equal(failures.all[n].err, -EADDRINUSE);
		assert_true(addr_is_equal(&failures.all[n].addr, &addrs[n]));
		close(taken[n]);
	}
	assert_int_equal(open_files(), files - failures.n);
}

/* Of a port range that somebody has whole nobody reads each. */
static void of_very_many_some_are_told(void **state)
{
	enum { TAKEN = 10 };
	char text[1024] = "";
	struct sockets_failure failure;
	int taken[TAKEN];
	size_t at = 0;

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	for (unsigned n = 0; n < TAKEN; n++) {
		struct addr addr;

		taken[n] = take_address("127.0.0.9:0", &addr);
		at += (size_t)snprintf(text + at, sizeof(text) - at, ONE("b%u", "127.0.0.9:%u"), n,
				       addr_port(&addr));
	}
	snprintf(text + at, sizeof(text) - at, SERVED);
	assert_false(follow(text, &failure));
	assert_int_equal(failures.n, SOCKETS_FAILURES_MAX);
	for (unsigned n = 0; n < TAKEN; n++)
		close(taken[n]);
}

static void one_wildcard_takes_the_place_of_an_address_and_back(void **state)
{
	struct sockets_failure failure;
	char text[256];
	unsigned port;

	(void)state;
	begin(ONE("a", "127.0.0.1:0") SERVED);
	port = port_of(0);
	finish(NULL);
	for (int n = 0; n < 3; n++) {
		snprintf(text, sizeof(text), "[listener a]\nbind = %s:%u\n" POOL,
			 n == 1 ? "0.0.0.0" : "127.0.0.1", port);
		if (n == 0)
			begin(text);
		else
			assert_true(follow(text, &failure));
		assert_int_equal(sockets.n, 1);
		assert_int_equal(port_of(0), port);
	}
}

static void write_binds(char text[256], const char *const hosts[2], unsigned port)
{
	size_t n = (size_t)snprintf(text, 256, "[listener a]\npool = p\n");

	for (size_t i = 0; i < 2 && hosts[i]; i++)
		n += (size_t)snprintf(text + n, 256 - n, "bind = %s:%u\n", hosts[i], port);
	snprintf(text + n, 256 - n, SERVED);
}

/* From one to the other, and back. */
static void walk_wildcards(const char *const from[2], const char *const to[2], unsigned port)
{
	struct sockets_failure failure;
	char text[256];

	write_binds(text, from, port);
	begin(text);
	write_binds(text, to, port);
	if (!follow(text, &failure))
		fail_msg("%s -> %s: %s", from[0], to[0], failure.hint);
	write_binds(text, from, port);
	if (!follow(text, &failure))
		fail_msg("%s -> %s and back: %s", from[0], to[0], failure.hint);
}

/* Those there are do not count. */
static void wildcards_take_each_others_place(void **state)
{
	static const char *const hosts[][2] = {
		{ "0.0.0.0" }, { "*" }, { "[::]" }, { "0.0.0.0", "[::]" }
	};
	unsigned port;

	(void)state;
	begin(ONE("a", "*:0") SERVED);
	port = port_of(0);
	for (size_t n = 0; n < ARRAY_LEN(hosts) * ARRAY_LEN(hosts); n++) {
		finish(NULL);
		walk_wildcards(hosts[n / ARRAY_LEN(hosts)], hosts[n % ARRAY_LEN(hosts)], port);
	}
}

/* ---- what is warned of --------------------------------------------------- */

static char warned[512];

static void note_warning(void *owner, const char *line)
{
	(void)owner;
	snprintf(warned, sizeof(warned), "%s", line);
}

/* @words "": there is none. */
static void expect_warning(const char *text, const char *words)
{
	struct tls_contexts *tls;
	struct config *then = load(text, &tls);

	warned[0] = '\0';
	sockets_warn(&sockets, atomic_load(&runtime->generation)->config, then, note_warning, NULL);
	assert_int_equal(warned[0] != '\0', words[0] != '\0');
	assert_non_null(strstr(warned, words));
	tls_contexts_destroy(tls);
	config_destroy(then);
}

static void an_address_that_is_not_here_wants_freebind(void **state)
{
	(void)state;
	begin(ONE("a", "192.0.2.77:0 freebind") ONE("b", "127.0.0.1:0 freebind") SERVED);
	expect_warning(ONE("a", "192.0.2.77:0 freebind") ONE("b", "127.0.0.1:0") SERVED, "");
	expect_warning(ONE("a", "192.0.2.77:0") ONE("b", "127.0.0.1:0") SERVED,
		       "listener a: this machine does not have 192.0.2.77:0");
}

/* ---- what was passed ----------------------------------------------------- */

/* Whoever has passed it listens on, so there is no other way to have the address again. */
static void a_passed_one_is_taken_again(void **state)
{
	struct sockets_failure failure;
	struct addr addr;
	const char *step;
	char text[256], number[24];
	int fd;

	(void)state;
	assert_true(addr_parse("127.0.0.1:0", &addr));
	assert_int_equal(sock_listen_many(&(struct sock_listen){ .addr = addr, .backlog = 1 }, &fd,
					  1, &step),
			 0);
	assert_int_equal(sock_local_addr(fd, &addr), 0);
	/* Descriptor 3 is the first that is passed. */
	if (fd != PASSED_FIRST_FD && fcntl(PASSED_FIRST_FD, F_GETFD) >= 0)
		skip();
	if (fd != PASSED_FIRST_FD) {
		assert_int_equal(dup2(fd, PASSED_FIRST_FD), PASSED_FIRST_FD);
		close(fd);
	}
	snprintf(number, sizeof(number), "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "a", 1);
	snprintf(text, sizeof(text),
		 "[listener a]\nbind = 127.0.0.1:%u\npool = p\n" ONE("other", "127.0.0.1:0") SERVED,
		 addr_port(&addr));
	begin(text);
	expect_warning(ONE("other", "127.0.0.1:0") SERVED,
		       "clients wait there until a listener binds it again");
	expect_warning(text, "");
	assert_true(follow(ONE("other", "127.0.0.1:0") SERVED, &failure));
	assert_true(follow(text, &failure));
	assert_int_equal(sockets.n, 2);
	assert_int_equal(port_of(0), addr_port(&addr));
	/* Another listener does not get it, and is told who has. */
	assert_true(follow(ONE("other", "127.0.0.1:0") SERVED, &failure));
	snprintf(text, sizeof(text),
		 ONE("a", "127.0.0.1:0") "[listener other]\nbind = 127.0.0.1:%u\n" POOL,
		 addr_port(&addr));
	expect_warning(text, "was passed by the service manager for listener a");
	assert_false(follow(text, &failure));
	assert_string_equal(failure.hint, SOCKETS_HINT_PASSED);
}

/* ---- files of unix sockets ----------------------------------------------- */

static void a_file_gets_another_mode_and_group_and_goes(void **state)
{
	struct sockets_failure failure;
	struct stat before, after;
	char path[64], text[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(text, sizeof(text), "[listener a]\nbind = unix:%s mode=0600\n" POOL, path);
	begin(text);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0600);
	snprintf(text, sizeof(text),
		 "[listener a]\nbind = unix:%s mode=0660 owner=%u group=%u\n" POOL, path,
		 geteuid() == 0 ? 12 : geteuid(), geteuid() == 0 ? 34 : getegid());
	assert_true(follow(text, &failure));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0660);
	assert_int_equal(after.st_ino, before.st_ino);
	if (geteuid() == 0) {
		assert_int_equal(after.st_uid, 12);
		assert_int_equal(after.st_gid, 34);
	}
	snprintf(text, sizeof(text), "[listener a]\nbind = unix:%s mode=0660\n" POOL, path);
	assert_true(follow(text, &failure));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_true(follow(ONE("a", "127.0.0.1:0") SERVED, &failure));
	assert_int_equal(stat(path, &after), -1);
}

static void a_file_that_was_removed_is_made_again(void **state)
{
	struct sockets_failure failure;
	struct stat st;
	char path[64], text[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(text, sizeof(text), "[listener a]\nbind = unix:%s mode=0600\n" POOL, path);
	begin(text);
	assert_int_equal(unlink(path), 0);
	assert_true(follow(text, &failure));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sockets.n, 1);
	assert_int_equal(st.st_ino, sockets.all[0].file.ino);
}

/* By whatever path: nobody else is blamed. */
static void a_file_of_our_own_is_known_by_another_path(void **state)
{
	struct sockets_failure failure;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "[listener a]\nbind = unix:%s/s\n" POOL, dir);
	begin(text);
	snprintf(text, sizeof(text), "[listener a]\nbind = unix:%s/./s\n" POOL, dir);
	assert_false(follow(text, &failure));
	assert_string_equal(failure.hint, SOCKETS_HINT_OURS);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define sockets_test(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		sockets_test(an_address_that_stays_keeps_its_sockets),
		sockets_test(an_address_that_moves_keeps_them_too),
		sockets_test(a_new_one_is_new_to_each_worker_and_an_old_one_goes),
		sockets_test(one_that_cannot_be_bound_changes_nothing),
		sockets_test(all_that_cannot_be_bound_are_told),
		sockets_test(of_very_many_some_are_told),
		sockets_test(one_wildcard_takes_the_place_of_an_address_and_back),
		sockets_test(wildcards_take_each_others_place),
		sockets_test(an_address_that_is_not_here_wants_freebind),
		sockets_test(a_passed_one_is_taken_again),
		sockets_test(a_file_gets_another_mode_and_group_and_goes),
		sockets_test(a_file_that_was_removed_is_made_again),
		sockets_test(a_file_of_our_own_is_known_by_another_path),
	};

	return cmocka_run_group_tests_name("sockets", tests, make_dir, remove_dir);
}
