/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/sock_bed.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static bool has_ipv6(void)
{
	const struct addr addr = parsed("[::1]:0");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, &addr.sa, addr.len) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void connections_are_spread_over_all_sockets(void **state)
{
	static const char *const any_port[] = { "127.0.0.1:0", "[::1]:0" };

	(void)state;
	for (size_t i = 0; i < (has_ipv6() ? 2 : 1); i++) {
		struct addr addr = parsed(any_port[i]);
		int fds[WORKERS], clients[CLIENTS];
		unsigned accepted = 0;

		listen_on(&addr, fds, WORKERS);
		addr = local_addr(fds[0]);
		for (size_t j = 0; j < CLIENTS; j++)
			clients[j] = dial(&addr);
		for (size_t j = 0; j < WORKERS; j++) {
			unsigned n = accept_all(fds[j]);

			/* That one of four gets none of 64 happens once in 10^7 runs. */
			assert_in_range(n, 1, CLIENTS - WORKERS + 1);
			accepted += n;
		}
		assert_int_equal(accepted, CLIENTS);
		close_all(clients, CLIENTS);
		close_all(fds, WORKERS);
	}
}

static void port_0_is_the_same_port_for_all(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	int fds[WORKERS];

	(void)state;
	listen_on(&addr, fds, WORKERS);
	for (size_t i = 0; i < WORKERS; i++) {
		struct addr local = local_addr(fds[i]), first = local_addr(fds[0]);

		assert_true(addr_port(&local) != 0);
		assert_true(addr_is_equal(&local, &first));
		assert_true(is_cloexec(fds[i]));
	}
	close_all(fds, WORKERS);
}

static void expect_taken_for_another_process(const struct addr *addr)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		const char *step;
		int fds[WORKERS];

		_exit(try_listen(addr, fds, WORKERS, &step) == -EADDRINUSE ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_port_is_not_shared_with_a_second_program(void **state)
{
	struct addr addr = parsed("127.0.0.1:0"), wider = parsed("0.0.0.0:0");
	int fds[WORKERS];

	(void)state;
	for (size_t n = 1; n <= WORKERS; n += WORKERS - 1) {
		addr_set_port(&addr, 0);
		listen_on(&addr, fds, n);
		addr = local_addr(fds[0]);
		expect_taken(&addr);
		expect_taken_for_another_process(&addr);
		addr_set_port(&wider, addr_port(&addr));
		expect_taken(&wider);
		close_all(fds, n);
		listen_on(&addr, fds, n);
		close_all(fds, n);
	}
}

/* A program that shares its port with whoever comes does not share ours. */
static void a_port_that_somebody_shares_is_taken(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	addr = local_addr(fd);
	expect_taken(&addr);
	close(fd);
}

struct race {
	pthread_barrier_t barrier;
	struct addr addr;
};

static void *listen_at_the_barrier(void *arg)
{
	struct race *race = arg;
	const char *step;
	int fds[2];
	intptr_t won;

	pthread_barrier_wait(&race->barrier);
	won = try_listen(&race->addr, fds, 2, &step) == 0;
	pthread_barrier_wait(&race->barrier);
	if (won)
		close_all(fds, 2);
	return (void *)won;
}

static void two_programs_that_start_at_once_never_share(void **state)
{
	struct race race = { .addr = parsed("127.0.0.1:0") };
	int fd;

	(void)state;
	pthread_barrier_init(&race.barrier, NULL, 2);
	listen_on(&race.addr, &fd, 1);
	race.addr = local_addr(fd);
	close(fd);
	for (int round = 0; round < 200; round++) {
		pthread_t other;
		void *other_won;
		intptr_t won;

		assert_int_equal(pthread_create(&other, NULL, listen_at_the_barrier, &race), 0);
		won = (intptr_t)listen_at_the_barrier(&race);
		assert_int_equal(pthread_join(other, &other_won), 0);
		assert_true(won + (intptr_t)other_won <= 1);
	}
	pthread_barrier_destroy(&race.barrier);
}

/* A port that is free for IPv6 may be somebody's for IPv4: the next one, then. */
static void listen_on_both(struct addr *four, int *fd_six, int *fd_four)
{
	struct addr six = parsed("[::]:0"), bound;
	const char *step = "";
	int err = -EADDRINUSE;

	for (int n = 0; n < 20 && err == -EADDRINUSE; n++) {
		listen_on(&six, fd_six, 1);
		bound = local_addr(*fd_six);
		addr_set_port(four, addr_port(&bound));
		err = try_listen(four, fd_four, 1, &step);
		if (err < 0)
			close(*fd_six);
	}
	if (err < 0)
		fail_msg("%s: %s", step, strerror(-err));
}

static void any_takes_both_families_and_the_literal_one(void **state)
{
	struct addr_spec spec;
	struct addr any, four, client;
	const char *why;
	int fd_any, fd_six, fd_four, fd;

	(void)state;
	assert_true(addr_spec_parse(":0", &spec, &why));
	assert_int_equal(addr_resolve(&spec, 0, &any, 1, &why), 1);
	listen_on(&any, &fd_any, 1);
	any = local_addr(fd_any);
	client = parsed("127.0.0.1:0");
	addr_set_port(&client, addr_port(&any));
	fd = dial(&client);
	assert_int_equal(accept_all(fd_any), 1);
	close(fd);
	four = parsed("0.0.0.0:0");
	addr_set_port(&four, addr_port(&any));
	expect_taken(&four);
	close(fd_any);
	if (!has_ipv6())
		skip();

	listen_on_both(&four, &fd_six, &fd_four);
	addr_set_port(&client, addr_port(&four));
	fd = dial(&client);
	assert_int_equal(accept_all(fd_six), 0);
	assert_int_equal(accept_all(fd_four), 1);
	close(fd);
	close(fd_six);
	close(fd_four);
}

/* As process/sockets.c opens them: the wildcard first. */
static int listen_beside(struct addr *precise, const struct addr *wildcard, int *fds, size_t n)
{
	struct sock_listen want = { .addr = *precise, .backlog = CLIENTS, .joins_wildcard = true };
	const char *step;

	addr_set_port(&want.addr, addr_port(wildcard));
	*precise = want.addr;
	return sock_listen_many(&want, fds, n, &step);
}

static struct addr listen_to_wildcard(const char *text, bool is_joined, int *fds, size_t n)
{
	struct sock_listen want = { .backlog = CLIENTS, .is_joined = is_joined };
	struct addr_spec spec;
	const char *why, *step = "";

	assert_true(addr_spec_parse(text, &spec, &why));
	assert_int_equal(addr_resolve(&spec, 0, &want.addr, 1, &why), 1);
	assert_int_equal(sock_listen_many(&want, fds, n, &step), 0);
	return local_addr(fds[0]);
}

static void expect_all_from(int fd, int *others, size_t n, const struct addr *addr)
{
	int client = dial(addr);
	unsigned accepted = accept_all(fd);

	for (size_t i = 0; i < n; i++)
		accepted += accept_all(others[i]);
	assert_int_equal(accepted, 1);
	close(client);
}

static void a_precise_address_wins_over_a_wildcard(void **state)
{
	static const struct {
		const char *wildcard, *precise;
	} rows[] = {
		{ "0.0.0.0:0", "127.0.0.1:0" },
		{ ":0", "127.0.0.1:0" },
		{ ":0", "[::1]:0" },
		{ "[::]:0", "[::1]:0" },
	};

	(void)state;
	for (size_t i = 0; i < (has_ipv6() ? ARRAY_LEN(rows) : 2); i++) {
		for (size_t n = 1; n <= WORKERS; n += WORKERS - 1) {
			int wide[WORKERS], narrow[WORKERS];
			struct addr any = listen_to_wildcard(rows[i].wildcard, true, wide, n);
			struct addr precise = parsed(rows[i].precise);

			assert_int_equal(listen_beside(&precise, &any, narrow, n), 0);
			expect_taken(&precise);
			expect_taken(&any);
			expect_all_from(narrow[0], narrow + 1, n - 1, &precise);
			assert_int_equal(accept_all(wide[0]), 0);
			close_all(narrow, n);
			expect_all_from(wide[0], wide + 1, n - 1, &precise);
			close_all(wide, n);
		}
	}
}

/* Of one worker's wildcard nobody has a share, unless somebody is to. */
static void a_lone_wildcard_is_not_shared(void **state)
{
	struct addr precise = parsed("127.0.0.1:0");
	int wide, narrow;
	struct addr any = listen_to_wildcard("0.0.0.0:0", false, &wide, 1);

	(void)state;
	assert_int_equal(listen_beside(&precise, &any, &narrow, 1), -EADDRINUSE);
	close(wide);
}

static void an_address_of_another_machine_can_be_bound_freely(void **state)
{
	struct sock_listen want = { .addr = parsed("192.0.2.1:0"), .backlog = 1 };
	const char *step;
	int fd;

	(void)state;
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), -EADDRNOTAVAIL);
	want.is_free = true;
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), 0);
	close(fd);
	if (!has_ipv6())
		return;
	want.addr = parsed("[2001:db8::1]:0");
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), 0);
	close(fd);
}

static void *close_after_a_while(void *fd)
{
	const struct timespec pause = { .tv_nsec = 60 * 1000000 };

	nanosleep(&pause, NULL);
	close(*(int *)fd);
	return NULL;
}

static void patience_outlasts_who_is_just_leaving(void **state)
{
	struct sock_listen want = { .addr = parsed("127.0.0.1:0"), .backlog = 1 };
	uint64_t began_ms;
	const char *step;
	pthread_t leaver;
	int held, fd;

	(void)state;
	listen_on(&want.addr, &held, 1);
	want.addr = local_addr(held);
	want.patience_ms = 50;
	began_ms = clock_now_ms();
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), -EADDRINUSE);
	assert_in_range(clock_now_ms() - began_ms, 50, WAIT_MS);

	want.patience_ms = WAIT_MS;
	assert_int_equal(pthread_create(&leaver, NULL, close_after_a_while, &held), 0);
	assert_int_equal(sock_listen_many(&want, &fd, 1, &step), 0);
	pthread_join(leaver, NULL);
	close(fd);
}

/* As workers do that have the same socket: each stops it, and each lets it listen again. */
static void one_that_was_stopped_twice_listens_again(void **state)
{
	struct addr addr = parsed("127.0.0.1:0"), before;
	int fds[2], client, served;
	char byte;

	(void)state;
	listen_on(&addr, fds, 1);
	fds[1] = dup(fds[0]);
	addr = before = local_addr(fds[0]);
	for (int n = 0; n < 2; n++)
		sock_stop_listening(fds[n]);
	for (int n = 0; n < 2; n++)
		assert_int_equal(listen(fds[n], 10), 0);
	addr = local_addr(fds[0]);
	assert_true(addr_is_equal(&addr, &before));
	client = dial(&addr);
	served = accept(fds[0], NULL, NULL);
	assert_int_equal(recv(served, &byte, 1, MSG_DONTWAIT), -1);
	close(client);
	close(served);
	close_all(fds, 2);
}

static void failures_name_their_step(void **state)
{
	struct addr nowhere = parsed("192.0.2.1:0"), none, lost = parsed("unix:/no/such/dir/s");
	const char *step = "";
	int fd;

	(void)state;
	assert_int_equal(try_listen(&nowhere, &fd, 1, &step), -EADDRNOTAVAIL);
	assert_string_equal(step, "bind");
	assert_int_equal(try_listen(&lost, &fd, 1, &step), -ENOENT);
	assert_string_equal(step, "bind");
	addr_from_sockaddr(&none, NULL, 0);
	assert_true(try_listen(&none, &fd, 1, &step) < 0);
	assert_string_equal(step, "socket");
}

/* The fds run out at the first, the second, ... socket: what was opened is closed again. */
static void a_failure_half_way_leaves_nothing_behind(void **state)
{
	struct addr addrs[] = { parsed("127.0.0.1:0"), path_addr() };
	struct rlimit before, tight;
	unsigned open_before = count_fds();

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < 2 * WORKERS; i++) {
		const char *step = "", *want_step = "socket";
		int fds[WORKERS], lowest = dup(STDERR_FILENO);
		size_t got = i / 2;

		close(lowest);
		tight = before;
		tight.rlim_cur = (rlim_t)lowest + got;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
		assert_int_equal(try_listen(&addrs[i % 2], fds, WORKERS, &step), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		if (i % 2 == 1 && got > 0)
			want_step = "dup";
		assert_string_equal(step, want_step);
		assert_int_equal(count_fds(), open_before);
		assert_int_equal(access(path, F_OK), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_spread_over_all_sockets),
		cmocka_unit_test(port_0_is_the_same_port_for_all),
		cmocka_unit_test(a_port_is_not_shared_with_a_second_program),
		cmocka_unit_test(a_port_that_somebody_shares_is_taken),
		cmocka_unit_test(two_programs_that_start_at_once_never_share),
		cmocka_unit_test(any_takes_both_families_and_the_literal_one),
		cmocka_unit_test(a_precise_address_wins_over_a_wildcard),
		cmocka_unit_test(a_lone_wildcard_is_not_shared),
		cmocka_unit_test(an_address_of_another_machine_can_be_bound_freely),
		cmocka_unit_test(patience_outlasts_who_is_just_leaving),
		cmocka_unit_test(one_that_was_stopped_twice_listens_again),
		cmocka_unit_test(failures_name_their_step),
		cmocka_unit_test(a_failure_half_way_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("sock_listen", tests, make_dir, remove_dir);
}
