/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 4
#define CLIENTS 64
#define WAIT_MS 5000

static char dir[] = "/tmp/test_sock.XXXXXX";
static char path[sizeof(dir) + 8];
static const struct sock_options no_options;

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static struct addr parsed(const char *text)
{
	struct addr addr;

	if (!addr_parse(text, &addr))
		fail_msg("'%s' was refused", text);
	return addr;
}

static struct addr path_addr(void)
{
	char text[ADDR_TEXT_BYTES];

	snprintf(text, sizeof(text), "unix:%s", path);
	return parsed(text);
}

static struct addr local_addr(int fd)
{
	struct addr addr;

	assert_int_equal(sock_local_addr(fd, &addr), 0);
	return addr;
}

static int try_listen(const struct addr *addr, int *fds, size_t n, const char **step)
{
	const struct sock_listen want = { .addr = *addr, .backlog = CLIENTS };

	return sock_listen_many(&want, fds, n, step);
}

static void listen_on(const struct addr *addr, int *fds, size_t n)
{
	const char *step = "";
	int err = try_listen(addr, fds, n, &step);

	if (err < 0)
		fail_msg("%s: %s", step, strerror(-err));
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static int dial(const struct addr *addr)
{
	const char *step;
	int fd;

	assert_int_equal(sock_dialer(addr, &no_options, &fd, &step), 0);
	assert_int_equal(connect(fd, &addr->sa, addr->len), 0);
	return fd;
}

static bool has_ipv6(void)
{
	const struct addr addr = parsed("[::1]:0");
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, &addr.sa, addr.len) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static unsigned count_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(fds);
	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}

static bool is_cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static unsigned accept_all(int fd)
{
	unsigned n = 0;
	int accepted;

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(accepted);
		n++;
	}
	assert_int_equal(errno, EAGAIN);
	return n;
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

static void expect_taken(const struct addr *addr)
{
	unsigned before = count_fds();
	const char *step = "";
	int fds[WORKERS];

	assert_int_equal(try_listen(addr, fds, WORKERS, &step), -EADDRINUSE);
	assert_true(strcmp(step, "bind") == 0 || strcmp(step, "listen") == 0);
	assert_int_equal(try_listen(addr, fds, 1, &step), -EADDRINUSE);
	assert_int_equal(count_fds(), before);
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

static void any_takes_both_families_and_the_literal_one(void **state)
{
	struct addr_spec spec;
	struct addr any, six, four, client;
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

	six = parsed("[::]:0");
	listen_on(&six, &fd_six, 1);
	six = local_addr(fd_six);
	addr_set_port(&four, addr_port(&six));
	listen_on(&four, &fd_four, 1);
	addr_set_port(&client, addr_port(&six));
	fd = dial(&client);
	assert_int_equal(accept_all(fd_six), 0);
	assert_int_equal(accept_all(fd_four), 1);
	close(fd);
	close(fd_six);
	close(fd_four);
}

static void a_unix_socket_is_one_socket_for_all(void **state)
{
	struct addr addr = path_addr();
	int fds[WORKERS], client;
	struct stat st;

	(void)state;
	listen_on(&addr, fds, WORKERS);
	assert_true(is_cloexec(fds[0]) && is_cloexec(fds[WORKERS - 1]));
	client = dial(&addr);
	assert_int_equal(accept_all(fds[WORKERS - 1]), 1);
	assert_int_equal(accept_all(fds[0]), 0);
	close(client);
	close_all(fds, WORKERS);

	assert_int_equal(stat(path, &st), 0);
	sock_unlink(&addr);
	assert_int_equal(stat(path, &st), -1);
	sock_unlink(&addr);
}

static void a_stale_unix_socket_is_replaced_a_live_one_is_not(void **state)
{
	struct addr addr = path_addr();
	int fd, client;

	(void)state;
	listen_on(&addr, &fd, 1);
	expect_taken(&addr);
	client = dial(&addr);
	close(client);
	close(fd);
	listen_on(&addr, &fd, 1);
	close(fd);
	sock_unlink(&addr);
}

static void another_file_in_its_place_is_left_alone(void **state)
{
	struct addr addr = path_addr();
	int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(file >= 0);
	expect_taken(&addr);
	sock_unlink(&addr);
	assert_int_equal(access(path, F_OK), 0);
	close(file);
	unlink(path);
}

static void an_abstract_name_needs_no_file(void **state)
{
	char text[64];
	struct addr addr;
	int fds[2], client;

	(void)state;
	snprintf(text, sizeof(text), "unix:@test_sock.%d", getpid());
	addr = parsed(text);
	listen_on(&addr, fds, 2);
	expect_taken(&addr);
	client = dial(&addr);
	assert_int_equal(accept_all(fds[1]), 1);
	sock_unlink(&addr);
	close(client);
	close_all(fds, 2);
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
	assert_true(sock_dialer(&none, &no_options, &fd, &step) < 0);
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

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void expect_options(int fd)
{
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 61);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 11);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 7);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 31000);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
}

static void options_reach_both_sides(void **state)
{
	struct sock_listen want = {
		.addr = parsed("127.0.0.1:0"),
		.backlog = 1,
		.options = { .keepalive = true,
			     .keepalive_idle_s = 61,
			     .keepalive_interval_s = 11,
			     .keepalive_count = 7,
			     .user_timeout_ms = 31000,
			     .nodelay = true },
	};
	struct addr unix_addr = path_addr();
	const char *step;
	int fds[2], client, accepted;

	(void)state;
	assert_int_equal(sock_listen_many(&want, fds, 2, &step), 0);
	want.addr = local_addr(fds[0]);
	close(fds[1]);
	assert_int_equal(sock_dialer(&want.addr, &want.options, &client, &step), 0);
	assert_true(is_cloexec(client));
	expect_options(client);
	assert_int_equal(connect(client, &want.addr.sa, want.addr.len), 0);
	accepted = accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
	expect_options(accepted);
	close(accepted);
	close(client);
	close(fds[0]);

	assert_int_equal(sock_dialer(&unix_addr, &want.options, &client, &step), 0);
	close(client);
}

static void an_option_out_of_range_names_its_step(void **state)
{
	const struct sock_options bad = { .keepalive = true, .keepalive_count = 1000 };
	struct addr addr = parsed("127.0.0.1:1");
	unsigned before = count_fds();
	const char *step = "";
	int fd;

	(void)state;
	assert_int_equal(sock_dialer(&addr, &bad, &fd, &step), -EINVAL);
	assert_string_equal(step, "setsockopt TCP_KEEPCNT");
	assert_int_equal(count_fds(), before);
}

static void zero_leaves_the_kernels_options(void **state)
{
	struct addr addr = parsed("127.0.0.1:1");
	const char *step;
	int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	(void)state;
	assert_int_equal(sock_dialer(&addr, &no_options, &fd, &step), 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE),
			 option(plain, IPPROTO_TCP, TCP_KEEPIDLE));
	close(plain);
	close(fd);
}

/* Two ends of one connection: [0] dialed, [1] accepted. */
static void make_pair(const struct addr *listen_addr, int pair[2])
{
	struct addr addr;
	int fd;

	listen_on(listen_addr, &fd, 1);
	addr = local_addr(fd);
	pair[0] = dial(&addr);
	pair[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	close(fd);
	sock_unlink(&addr);
}

static void an_aborted_tcp_connection_is_reset(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	char byte;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	sock_close_abort(pair[0]);
	assert_int_equal(read(pair[1], &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
	close(pair[1]);
}

static void an_aborted_unix_connection_ends(void **state)
{
	struct addr addr = path_addr();
	char byte;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	sock_close_abort(pair[0]);
	assert_int_equal(read(pair[1], &byte, 1), 0);
	close(pair[1]);
}

static void what_the_peer_does_not_take_is_unsent(void **state)
{
	static const char block[65536];
	struct addr addr = parsed("127.0.0.1:0");
	const uint64_t give_up_ms = clock_now_ms() + WAIT_MS;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	assert_int_equal(sock_unsent_bytes(pair[0]), 0);
	while (send(pair[0], block, sizeof(block), MSG_DONTWAIT) > 0)
		assert_true(clock_now_ms() < give_up_ms);
	assert_true(sock_unsent_bytes(pair[0]) > 0);
	assert_int_equal(sock_unsent_bytes(-1), 0);
	close_all(pair, 2);
}

static void a_pending_error_is_taken_once(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	struct pollfd pollfd = { .events = POLLOUT };
	int fd;

	(void)state;
	listen_on(&addr, &fd, 1);
	addr = local_addr(fd);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	pollfd.fd = fd;
	assert_int_equal(sock_take_error(fd), 0);
	assert_int_equal(connect(fd, &addr.sa, addr.len), -1);
	if (errno == EINPROGRESS) {
		assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
		assert_int_equal(sock_take_error(fd), ECONNREFUSED);
	}
	assert_int_equal(sock_take_error(fd), 0);
	close(fd);
	assert_int_equal(sock_take_error(-1), EBADF);
}

static void what_is_no_socket_has_no_address(void **state)
{
	struct addr addr;

	(void)state;
	assert_int_equal(sock_local_addr(-1, &addr), -EBADF);
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
		cmocka_unit_test(a_unix_socket_is_one_socket_for_all),
		cmocka_unit_test(a_stale_unix_socket_is_replaced_a_live_one_is_not),
		cmocka_unit_test(another_file_in_its_place_is_left_alone),
		cmocka_unit_test(an_abstract_name_needs_no_file),
		cmocka_unit_test(patience_outlasts_who_is_just_leaving),
		cmocka_unit_test(failures_name_their_step),
		cmocka_unit_test(a_failure_half_way_leaves_nothing_behind),
		cmocka_unit_test(options_reach_both_sides),
		cmocka_unit_test(an_option_out_of_range_names_its_step),
		cmocka_unit_test(zero_leaves_the_kernels_options),
		cmocka_unit_test(an_aborted_tcp_connection_is_reset),
		cmocka_unit_test(an_aborted_unix_connection_ends),
		cmocka_unit_test(what_the_peer_does_not_take_is_unsent),
		cmocka_unit_test(a_pending_error_is_taken_once),
		cmocka_unit_test(what_is_no_socket_has_no_address),
	};

	return cmocka_run_group_tests_name("sock", tests, make_dir, remove_dir);
}
