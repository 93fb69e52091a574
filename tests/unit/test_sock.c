/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/sock_bed.h"

#include <netinet/tcp.h>
#include <poll.h>

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
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option(fd, SOL_SOCKET, SO_LINGER), 1);
}

static void options_reach_both_sides(void **state)
{
	struct sock_listen want = {
		.addr = parsed("127.0.0.1:0"),
		.backlog = 1,
		.options = { .keepalive = { true, 61000, 11000, 7 },
			     .nodelay = true,
			     .resets = true },
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

/* Bound to where it connects to, as the kernel may happen to choose. */
static int self_connected(const char *target, struct addr *ret_addr)
{
	struct addr bound = parsed(target);
	int fd = socket(addr_family(&bound), SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &bound.sa, bound.len), 0);
	bound = local_addr(fd);
	assert_int_equal(connect(fd, &bound.sa, bound.len), 0);
	*ret_addr = parsed(target); /* which may be "any" */
	addr_set_port(ret_addr, addr_port(&bound));
	return fd;
}

static void a_connection_with_itself_is_told_from_others(void **state)
{
	static const char *const targets[] = { "127.0.0.1:0", "[::1]:0", "0.0.0.0:0",
					       "[::ffff:127.0.0.1]:0" };
	struct addr listening = parsed("127.0.0.1:0"), unix_addr = path_addr(), addr;
	int fd, server;

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(targets); n++) {
		fd = self_connected(targets[n], &addr);
		assert_true(sock_is_self_connected(fd, &addr));
		sock_close_abort(fd);
	}
	listen_on(&listening, &server, 1);
	listening = local_addr(server);
	fd = dial(&listening);
	assert_false(sock_is_self_connected(fd, &listening));
	assert_false(sock_is_self_connected(fd, &unix_addr));
	close(fd);
	close(server);
}

/* Where the port is none that the kernel picks, nobody even asks: this is no socket at all. */
static void a_low_port_is_never_that_of_a_connection_with_itself(void **state)
{
	struct addr low = parsed("127.0.0.1:1");

	(void)state;
	errno = 0;
	assert_false(sock_is_self_connected(-1, &low));
	assert_int_equal(errno, 0);
}

static void an_option_out_of_range_names_its_step(void **state)
{
	const struct sock_options bad = { .keepalive = { .is_on = true, .count = 1000 } };
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

/* Ten of them are never paced: on loopback, of 64 kB, they would be all there is. */
static void what_is_paced_goes_in_small_segments(void **state)
{
	const struct sock_options options = { .segment_bytes = sock_paced_segment(1 << 20) };
	struct addr addr = parsed("127.0.0.1:0");
	const char *step;
	int fd, listener, accepted;

	(void)state;
	assert_int_equal(sock_paced_segment(0), 0);
	assert_in_range(sock_paced_segment(1024), 1000, 1460);
	assert_int_equal(sock_paced_segment(1ull << 30), 0);
	listen_on(&addr, &listener, 1);
	addr = local_addr(listener);
	assert_int_equal(sock_dialer(&addr, &options, &fd, &step), 0);
	assert_int_equal(connect(fd, &addr.sa, addr.len), 0);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_in_range(option(fd, IPPROTO_TCP, TCP_MAXSEG), 1000, 1460);
	assert_in_range(option(accepted, IPPROTO_TCP, TCP_MAXSEG), 1000, 1460);
	assert_int_equal(sock_set_pacing(fd, 1 << 20), 0);
	close(accepted);
	close(listener);
	close(fd);
}

static void a_dialer_for_no_address_fails(void **state)
{
	const char *step = "";
	struct addr none;
	int fd;

	(void)state;
	addr_from_sockaddr(&none, NULL, 0);
	assert_true(sock_dialer(&none, &no_options, &fd, &step) < 0);
	assert_string_equal(step, "socket");
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

/* Sends until nothing fits; gives how many bytes. */
static size_t fill(int fd)
{
	static const char block[65536];
	const uint64_t give_up_ms = clock_now_ms() + WAIT_MS;
	size_t sent = 0;
	ssize_t n;

	while ((n = send(fd, block, sizeof(block), MSG_DONTWAIT)) > 0) {
		assert_true(clock_now_ms() < give_up_ms);
		sent += (size_t)n;
	}
	return sent;
}

static void an_orderly_end_comes_after_all_bytes(void **state)
{
	const struct addr addrs[] = { parsed("127.0.0.1:0"), path_addr() };
	static char block[65536];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		size_t sent, came = 0;
		int pair[2];
		ssize_t n;

		make_pair(&addrs[i], pair);
		sent = fill(pair[0]);
		sock_close_orderly(pair[0]);
		while ((n = read(pair[1], block, sizeof(block))) > 0)
			came += (size_t)n;
		assert_int_equal(n, 0);
		assert_int_equal(came, sent);
		close(pair[1]);
	}
}

/* The only one that the kernel has for them: see unix_release_sock() in its net/unix/af_unix.c. */
static void a_unix_connection_with_unread_bytes_is_reset(void **state)
{
	struct addr addr = path_addr();
	char byte;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	assert_int_equal(write(pair[1], "x", 1), 1);
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
	struct addr addr = parsed("127.0.0.1:0");
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	assert_int_equal(sock_unsent_bytes(pair[0]), 0);
	fill(pair[0]);
	assert_true(sock_unsent_bytes(pair[0]) > 0);
	assert_int_equal(sock_unsent_bytes(-1), 0);
	close_all(pair, 2);
}

static void nothing_is_unsent_after_a_reset(void **state)
{
	struct addr addr = parsed("127.0.0.1:0");
	const uint64_t give_up_ms = clock_now_ms() + WAIT_MS;
	int pair[2];

	(void)state;
	make_pair(&addr, pair);
	close(pair[1]);
	assert_int_equal(send(pair[0], "x", 1, MSG_NOSIGNAL), 1);
	while (sock_unsent_bytes(pair[0]) > 0)
		assert_true(clock_now_ms() < give_up_ms);
	close(pair[0]);
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
		cmocka_unit_test(options_reach_both_sides),
		cmocka_unit_test(a_connection_with_itself_is_told_from_others),
		cmocka_unit_test(a_low_port_is_never_that_of_a_connection_with_itself),
		cmocka_unit_test(an_option_out_of_range_names_its_step),
		cmocka_unit_test(zero_leaves_the_kernels_options),
		cmocka_unit_test(a_dialer_for_no_address_fails),
		cmocka_unit_test(an_aborted_tcp_connection_is_reset),
		cmocka_unit_test(an_orderly_end_comes_after_all_bytes),
		cmocka_unit_test(a_unix_connection_with_unread_bytes_is_reset),
		cmocka_unit_test(an_aborted_unix_connection_ends),
		cmocka_unit_test(what_the_peer_does_not_take_is_unsent),
		cmocka_unit_test(what_is_paced_goes_in_small_segments),
		cmocka_unit_test(nothing_is_unsent_after_a_reset),
		cmocka_unit_test(a_pending_error_is_taken_once),
		cmocka_unit_test(what_is_no_socket_has_no_address),
	};

	return cmocka_run_group_tests_name("sock", tests, make_dir, remove_dir);
}
