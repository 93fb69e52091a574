/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: io_uring itself, over real sockets */
#include "ring_bed.h"

#include <fcntl.h>

#include "net/sock.h"

/* ---- waiting ------------------------------------------------------------- */

static void a_wait_ends_in_time(void **state)
{
	struct bed *st = *state;
	uint64_t before_ns = clock_now_ns();

	assert_int_equal(ring_wait(st->ring, 0), 0);
	assert_int_equal(ring_wait(st->ring, MOMENT_NS), 0);
	assert_in_range(clock_now_ns() - before_ns, MOMENT_NS, LONG_NS);
	assert_int_equal(ring_dispatch(st->ring), 0);
}

static void a_completion_ends_a_wait(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;
	uint64_t before_ns = clock_now_ns();

	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, true);
	assert_int_equal(send(e.peers, "x", 1, 0), 1);
	assert_int_equal(ring_wait(st->ring, LONG_NS), 0);
	assert_int_equal(ring_dispatch(st->ring), 1);
	assert_true(clock_now_ns() - before_ns < LONG_NS);
	assert_int_equal(a.told, 1);
	close_ends(e);
}

/* ---- receives ------------------------------------------------------------ */

static void bytes_come_in_a_buffer_and_the_end_without(void **state)
{
	struct bed *st = *state;

	for (int wait = 0; wait < 2; wait++) {
		struct ends e = tcp();
		struct asked a;

		assert_int_equal(send(e.peers, "hello", 5, 0), 5);
		io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, wait);
		assert_true(a.op.in_kernel);
		wait_for(st, &a.op);
		assert_int_equal(a.res, 5);
		assert_int_equal(a.told, 1);
		assert_memory_equal(a.bytes, "hello", 5);
		shutdown(e.peers, SHUT_WR);
		io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, wait);
		wait_for(st, &a.op);
		assert_int_equal(a.res, 0);
		assert_false(a.flags & IO_HAS_BUFFER);
		close_ends(e);
	}
}

static void a_receive_tells_that_more_is_there(void **state)
{
	static char much[3 * BUF_RECEIVE_BYTES];
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	assert_int_equal(send(e.peers, much, sizeof(much), 0), sizeof(much));
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
	wait_for(st, &a.op);
	assert_int_equal(a.res, BUF_RECEIVE_BYTES);
	assert_true(a.flags & IO_NONEMPTY);
	drain(e.ours);
	assert_int_equal(send(e.peers, "x", 1, 0), 1);
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 1);
	assert_false(a.flags & IO_NONEMPTY);
	close_ends(e);
}

static void a_receive_with_credit_goes_on_until_it_is_used(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	if (!features.recv_credit) {
		close_ends(e);
		return;
	}
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 1000, true);
	for (unsigned n = 1; n <= 10; n++) {
		assert_true(a.op.in_kernel);
		assert_int_equal(send(e.peers, a.bytes, 100, 0), 100);
		while (a.told < n)
			turn(st, LONG_NS);
		assert_int_equal(a.res, 100);
		assert_int_equal(!!(a.flags & IO_MORE), n < 10);
	}
	assert_false(a.op.in_kernel);
	close_ends(e);
}

static void without_the_feature_credit_means_nothing(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	if (!features.recv_credit) {
		assert_int_equal(send(e.peers, "x", 1, 0), 1);
		io_recv(st->ring, &ask(st, &a)->op, e.ours, 1000, true);
		wait_for(st, &a.op);
		assert_int_equal(a.res, 1);
	}
	close_ends(e);
}

static void without_buffers_a_receive_says_so(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct buf *taken[BUFFERS];
	struct asked a;

	assert_int_equal(ring_buffers_available(st->ring), BUFFERS);
	for (int n = 0; n < BUFFERS; n++)
		taken[n] = buf_get(&st->pool);
	assert_int_equal(ring_buffers_available(st->ring), 0);
	assert_int_equal(send(e.peers, "x", 1, 0), 1);
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 100, false);
	wait_for(st, &a.op);
	assert_int_equal(a.res, -ENOBUFS);

	for (int n = 0; n < BUFFERS; n++)
		buf_put(&st->pool, taken[n]);
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 1);
	close_ends(e);
}

/* More receives than buffers are offered at a time, and more than there are. */
static void buffers_go_round(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	for (int n = 0; n < 10 * BUFFERS; n++) {
		assert_int_equal(send(e.peers, &n, sizeof(n), 0), sizeof(n));
		io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
		wait_for(st, &a.op);
		assert_int_equal(a.res, sizeof(n));
		assert_memory_equal(a.bytes, &n, sizeof(n));
		assert_int_equal(ring_buffers_available(st->ring), BUFFERS);
	}
	close_ends(e);
}

/* ---- sends --------------------------------------------------------------- */

static void a_send_sends(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	char bytes[5];
	struct asked a;

	send_bytes(st, &ask(st, &a)->op, e.ours, "hello", 5);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 5);
	assert_int_equal(recv(e.peers, bytes, sizeof(bytes), 0), 5);
	assert_memory_equal(bytes, "hello", 5);
	close_ends(e);
}

static void a_send_of_parts_sends_them_in_order(void **state)
{
	struct bed *st = *state;
	struct ends e[2] = { tcp(), tcp() };
	struct asked a[2];
	char text[] = "abcdefghijklmnopqrstuvwxyz", bytes[2 * IO_PARTS_MAX];

	for (int n = 0; n < 2; n++) {
		struct iovec parts[IO_PARTS_MAX];

		for (int i = 0; i < IO_PARTS_MAX; i++)
			parts[i] = (struct iovec){ text + n + i, 2 };
		io_send(st->ring, &ask(st, &a[n])->op, e[n].ours, parts, IO_PARTS_MAX);
		memset(parts, 0, sizeof(parts)); /* it is not lent */
	}
	for (int n = 0; n < 2; n++) {
		wait_for(st, &a[n].op);
		assert_int_equal(a[n].res, sizeof(bytes));
		assert_int_equal(recv(e[n].peers, bytes, sizeof(bytes), MSG_WAITALL),
				 sizeof(bytes));
		for (int i = 0; i < (int)sizeof(bytes); i++)
			assert_int_equal(bytes[i], 'a' + n + i / 2 + i % 2);
		close_ends(e[n]);
	}
}

static void a_send_takes_what_fits(void **state)
{
	static char much[32 << 20];
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	send_bytes(st, &ask(st, &a)->op, e.ours, much, sizeof(much));
	wait_for(st, &a.op);
	assert_in_range(a.res, 1, sizeof(much) - 1);
	close_ends(e);
}

static void without_room_a_send_waits_for_some_and_says_0(void **state)
{
	static char much[1 << 16];
	struct bed *st = *state;

	for (int is_half_closed = 0; is_half_closed < 2; is_half_closed++) {
		struct ends e = tcp();
		struct asked a;

		if (is_half_closed)
			shutdown(e.peers, SHUT_WR);
		fill(e.ours);
		send_bytes(st, &ask(st, &a)->op, e.ours, much, sizeof(much));
		turn(st, MOMENT_NS);
		turn(st, MOMENT_NS);
		assert_int_equal(a.told, 0);
		while (a.op.in_kernel) {
			drain(e.peers);
			turn(st, MOMENT_NS);
		}
		assert_int_equal(a.told, 1);
		assert_int_equal(a.res, 0);
		send_bytes(st, &a.op, e.ours, much, sizeof(much));
		wait_for(st, &a.op);
		assert_true(a.res > 0);
		close_ends(e);
	}
}

/*
 * A send that waits. On a busy machine the peer's kernel may find room after
 * all, by packing closer what it holds when it is asked with a probe.
 */
static void send_stuck(struct bed *st, struct asked *a, const struct ends *e)
{
	static char much[1 << 16];

	for (unsigned tries = 0; tries < 100; tries++) {
		fill(e->ours);
		send_bytes(st, &ask(st, a)->op, e->ours, much, sizeof(much));
		turn(st, MOMENT_NS);
		if (a->told == 0)
			return;
	}
	fail_msg("there is always some room");
}

/* Or it would occupy a thread of the kernel, and there is one for all sessions. */
static void a_stuck_reader_that_ended_its_stream_costs_no_thread(void **state)
{
	struct bed *st = *state;
	unsigned before = threads();
	struct asked a[4], cancel;
	struct ends e[4];

	for (int n = 0; n < 4; n++) {
		e[n] = tcp();
		shutdown(e[n].peers, SHUT_WR);
		send_stuck(st, &a[n], &e[n]);
	}
	turn(st, MOMENT_NS);
	assert_in_range(threads(), 1, before); /* one of an earlier ring may end meanwhile */
	for (int n = 0; n < 4; n++) {
		if (a[n].told > 0) /* there was room after all */
			send_stuck(st, &a[n], &e[n]);
		io_cancel(st->ring, &ask(st, &cancel)->op, &a[n].op);
		wait_for(st, &a[n].op);
		wait_for(st, &cancel.op);
		assert_int_equal(a[n].res, -ECANCELED);
		close_ends(e[n]);
	}
}

static void a_send_to_nobody_fails_and_kills_nobody(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	close(e.peers);
	e.peers = -1;
	for (int n = 0; n < 100; n++) {
		send_bytes(st, &ask(st, &a)->op, e.ours, "x", 1);
		wait_for(st, &a.op);
		if (a.res < 0)
			break;
		usleep(1000);
	}
	assert_true(a.res == -EPIPE || a.res == -ECONNRESET);
	close_ends(e);
}

/* ---- polls --------------------------------------------------------------- */

static void a_poll_tells_once_what_is_ready(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLOUT);
	wait_for(st, &a.op);
	assert_int_equal(a.res, POLLOUT);
	io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLIN | POLLRDHUP);
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	shutdown(e.peers, SHUT_WR);
	wait_for(st, &a.op);
	assert_int_equal(a.res, POLLIN | POLLRDHUP);
	assert_int_equal(a.told, 1);
	close_ends(e);
}

/* The kernel adds POLLRDHUP to every poll, and that is true for ever once the peer has ended. */
static void a_poll_for_room_is_not_fooled_by_the_peers_end(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	fill(e.ours);
	io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLOUT);
	turn(st, MOMENT_NS);
	shutdown(e.peers, SHUT_WR);
	turn(st, MOMENT_NS);
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	while (a.op.in_kernel) {
		drain(e.peers);
		turn(st, MOMENT_NS);
	}
	assert_int_equal(a.told, 1);
	assert_true(a.res & POLLOUT);
	/* And once more, with the peer's end there from the start. */
	fill(e.ours);
	io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLOUT);
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	while (a.op.in_kernel) {
		drain(e.peers);
		turn(st, MOMENT_NS);
	}
	assert_true(a.res & POLLOUT);
	close_ends(e);
}

static void such_a_poll_can_be_cancelled_at_any_time(void **state)
{
	struct bed *st = *state;
	struct asked a, cancel;

	for (int turns = 0; turns < 4; turns++) {
		struct ends e = tcp();

		fill(e.ours);
		shutdown(e.peers, SHUT_WR);
		io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLOUT);
		for (int n = 0; n < turns; n++) { /* the last of them does not dispatch */
			assert_int_equal(ring_wait(st->ring, MOMENT_NS), 0);
			if (n + 1 < turns)
				ring_dispatch(st->ring);
		}
		io_cancel(st->ring, &ask(st, &cancel)->op, &a.op);
		wait_for(st, &a.op);
		wait_for(st, &cancel.op);
		assert_int_equal(a.told, 1);
		assert_int_equal(a.res, -ECANCELED);
		assert_int_equal(cancel.told, 1);
		close_ends(e);
	}
}

static void a_poll_tells_of_a_reset(void **state)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a;

	fill(e.ours);
	shutdown(e.peers, SHUT_WR);
	io_poll(st->ring, &ask(st, &a)->op, e.ours, POLLOUT);
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	setsockopt(e.peers, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(e.peers);
	e.peers = -1;
	wait_for(st, &a.op);
	assert_true(a.res & (POLLERR | POLLHUP));
	close_ends(e);
}

/* ---- cancels ------------------------------------------------------------- */

static void a_cancelled_receive_comes_back(void **state)
{
	struct bed *st = *state;

	for (uint32_t credit = 0; credit < 2000; credit += 1000) {
		struct ends e = tcp();
		struct asked a, cancel;

		io_recv(st->ring, &ask(st, &a)->op, e.ours, credit, true);
		turn(st, 0);
		io_cancel(st->ring, &ask(st, &cancel)->op, &a.op);
		wait_for(st, &a.op);
		wait_for(st, &cancel.op);
		assert_int_equal(a.res, -ECANCELED);
		assert_int_equal(a.told, 1);
		assert_int_equal(cancel.res, 0);
		close_ends(e);
	}
}

static void a_cancel_may_find_nothing(void **state)
{
	struct bed *st = *state;
	struct ends e = tcp();
	struct asked a, cancel;

	assert_int_equal(send(e.peers, "x", 1, 0), 1);
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
	io_cancel(st->ring, &ask(st, &cancel)->op, &a.op);
	wait_for(st, &a.op);
	wait_for(st, &cancel.op);
	assert_int_equal(a.res, 1);
	assert_int_equal(cancel.res, -ENOENT);
	close_ends(e);
}

/* ---- connects ------------------------------------------------------------ */

/* With room for one that waits to be accepted; on a name that the kernel picks. */
static int unix_server(struct addr *ret_addr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(sock_local_addr(fd, ret_addr), 0);
	return fd;
}

static int connect_by_ring(struct bed *st, int fd, const struct addr *addr)
{
	struct asked a;

	io_connect(st->ring, &ask(st, &a)->op, fd, addr);
	assert_true(a.op.in_kernel);
	wait_for(st, &a.op);
	assert_int_equal(a.told, 1);
	return a.res;
}

static void a_full_unix_backlog_is_told_and_holds_up_nobody(void **state)
{
	struct bed *st = *state;
	struct addr full, free;
	int stuck = unix_server(&full), server = unix_server(&free), fds[3];

	for (int n = 0; n < 3; n++)
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect_by_ring(st, fds[0], &full), 0);
	assert_int_equal(connect_by_ring(st, fds[1], &full), -EAGAIN);
	assert_int_equal(connect_by_ring(st, fds[2], &free), 0);
	close(accept(stuck, NULL, NULL));
	assert_int_equal(connect_by_ring(st, fds[1], &full), 0);
	for (int n = 0; n < 3; n++) {
		assert_false(fcntl(fds[n], F_GETFL) & O_NONBLOCK);
		close(fds[n]);
	}
	close(stuck);
	close(server);
}

static void a_unix_socket_that_is_not_served_refuses(void **state)
{
	struct addr addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	close(unix_server(&addr));
	assert_int_equal(connect_by_ring(*state, fd, &addr), -ECONNREFUSED);
	close(fd);
}

/* ---- with each feature and without --------------------------------------- */

static int run_with(const char *without)
{
	char name[64];
	const struct CMUnitTest tests[] = {
		ring_test(a_wait_ends_in_time),
		ring_test(a_completion_ends_a_wait),
		ring_test(bytes_come_in_a_buffer_and_the_end_without),
		ring_test(a_receive_tells_that_more_is_there),
		ring_test(a_receive_with_credit_goes_on_until_it_is_used),
		ring_test(without_the_feature_credit_means_nothing),
		ring_test(without_buffers_a_receive_says_so),
		ring_test(buffers_go_round),
		ring_test(a_send_sends),
		ring_test(a_send_of_parts_sends_them_in_order),
		ring_test(a_send_takes_what_fits),
		ring_test(without_room_a_send_waits_for_some_and_says_0),
		ring_test(a_stuck_reader_that_ended_its_stream_costs_no_thread),
		ring_test(a_send_to_nobody_fails_and_kills_nobody),
		ring_test(a_poll_tells_once_what_is_ready),
		ring_test(a_poll_for_room_is_not_fooled_by_the_peers_end),
		ring_test(such_a_poll_can_be_cancelled_at_any_time),
		ring_test(a_poll_tells_of_a_reset),
		ring_test(a_cancelled_receive_comes_back),
		ring_test(a_cancel_may_find_nothing),
		ring_test(a_full_unix_backlog_is_told_and_holds_up_nobody),
		ring_test(a_unix_socket_that_is_not_served_refuses),
	};

	snprintf(name, sizeof(name), "without %s", without);
	return _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
	return run_with_every_feature(run_with);
}
