/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: io_uring itself, over real sockets */
#include "io/ring.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

#define BUFFERS 16
#define MOMENT_NS 20000000ull /* long enough for what does not happen */
#define LONG_NS 2000000000ull

/* The features that each test is run with. */
static struct ring_features features;

struct stage {
	struct buf_pool pool;
	struct ring *ring;
};

/* A request of the test, and all that it was told. */
struct asked {
	struct io_op op;
	int res; /* of the last completion */
	unsigned flags;
	unsigned told;         /* completions */
	char bytes[64 * 1024]; /* that were received */
	size_t n;
	struct buf_pool *pool;
};

static void on_done(struct io_op *op, int res, unsigned flags)
{
	struct asked *a = container_of(op, struct asked, op);

	a->res = res;
	a->flags = flags;
	a->told++;
	if (flags & IO_HAS_BUFFER) {
		struct buf *buf = buf_received(a->pool, res, flags);

		assert_true(a->n + buf_filled(buf) <= sizeof(a->bytes));
		memcpy(a->bytes + a->n, buf->bytes + buf->start, buf_filled(buf));
		a->n += buf_filled(buf);
		buf_put(a->pool, buf);
	}
}

static struct asked *ask(struct stage *st, struct asked *a)
{
	*a = (struct asked){ .pool = &st->pool };
	io_op_init(&a->op, on_done);
	return a;
}

static void turn(struct stage *st, uint64_t timeout_ns)
{
	assert_int_equal(ring_wait(st->ring, timeout_ns), 0);
	ring_dispatch(st->ring);
}

/* Until @op's last completion. */
static void wait_for(struct stage *st, const struct io_op *op)
{
	uint64_t until_ns = clock_now_ns() + LONG_NS;

	while (op->in_kernel) {
		assert_true(clock_now_ns() < until_ns);
		turn(st, MOMENT_NS);
	}
}

static int set_up_with(void **state, unsigned entries, unsigned completions)
{
	static struct stage st;
	const struct ring_options options = {
		.entries = entries,
		.completions = completions,
		.buffers_offered = BUFFERS / 2,
		.features = features,
	};
	const char *step = "none";
	int err;

	*state = &st;
	assert_int_equal(buf_pool_init(&st.pool, BUFFERS), 0);
	err = ring_create(&options, &st.pool, &st.ring, &step);
	if (err < 0)
		print_error("%s: %s\n", step, strerror(-err));
	return err;
}

static int set_up(void **state)
{
	return set_up_with(state, 64, 128);
}

static int set_up_tiny(void **state)
{
	return set_up_with(state, 8, 16);
}

/* All buffers are back, or buf_pool_finish() ends the program. */
static int tear_down(void **state)
{
	struct stage *st = *state;

	ring_destroy(st->ring);
	buf_pool_finish(&st->pool);
	return 0;
}

/* ---- sockets ------------------------------------------------------------- */

struct ends {
	int ours, peers;
};

static int listener(struct addr *ret_addr)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 512), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr(ret_addr, (struct sockaddr *)&ss, len);
	return fd;
}

static struct ends tcp(void)
{
	struct addr addr;
	struct ends e;
	int fd = listener(&addr);

	e.peers = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(e.peers, &addr.sa, addr.len), 0);
	e.ours = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(e.ours >= 0);
	close(fd);
	return e;
}

static void close_ends(struct ends e)
{
	close(e.ours);
	if (e.peers >= 0)
		close(e.peers);
}

/* Sends until nothing more fits. */
static void fill(int fd)
{
	static char bytes[1 << 16];

	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
}

/* Reads all that is there. */
static size_t drain(int fd)
{
	static char bytes[1 << 16];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		all += (size_t)n;
	return all;
}

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* ---- waiting ------------------------------------------------------------- */

static void a_wait_ends_in_time(void **state)
{
	struct stage *st = *state;
	uint64_t before_ns = clock_now_ns();

	assert_int_equal(ring_wait(st->ring, 0), 0);
	assert_int_equal(ring_wait(st->ring, MOMENT_NS), 0);
	assert_in_range(clock_now_ns() - before_ns, MOMENT_NS, LONG_NS);
	assert_int_equal(ring_dispatch(st->ring), 0);
	assert_int_equal(ring_enters(st->ring), 2);
}

static void a_completion_ends_a_wait(void **state)
{
	struct stage *st = *state;
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
	struct stage *st = *state;

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
	static char much[3 * BUF_BYTES];
	struct stage *st = *state;
	struct ends e = tcp();
	struct asked a;

	assert_int_equal(send(e.peers, much, sizeof(much), 0), sizeof(much));
	io_recv(st->ring, &ask(st, &a)->op, e.ours, 0, false);
	wait_for(st, &a.op);
	assert_int_equal(a.res, BUF_BYTES);
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
	struct stage *st = *state;
	struct ends e = tcp();
	struct asked a;

	if (!ring_features(st->ring)->recv_credit) {
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
	struct stage *st = *state;
	struct ends e = tcp();
	struct asked a;

	if (!ring_features(st->ring)->recv_credit) {
		assert_int_equal(send(e.peers, "x", 1, 0), 1);
		io_recv(st->ring, &ask(st, &a)->op, e.ours, 1000, true);
		wait_for(st, &a.op);
		assert_int_equal(a.res, 1);
	}
	close_ends(e);
}

static void without_buffers_a_receive_says_so(void **state)
{
	struct stage *st = *state;
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
	struct stage *st = *state;
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
	struct stage *st = *state;
	struct ends e = tcp();
	char bytes[5];
	struct asked a;

	io_send(st->ring, &ask(st, &a)->op, e.ours, "hello", 5);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 5);
	assert_int_equal(recv(e.peers, bytes, sizeof(bytes), 0), 5);
	assert_memory_equal(bytes, "hello", 5);
	close_ends(e);
}

static void a_send_takes_what_fits(void **state)
{
	static char much[32 << 20];
	struct stage *st = *state;
	struct ends e = tcp();
	struct asked a;

	io_send(st->ring, &ask(st, &a)->op, e.ours, much, sizeof(much));
	wait_for(st, &a.op);
	assert_in_range(a.res, 1, sizeof(much) - 1);
	close_ends(e);
}

static void without_room_a_send_waits_for_some_and_says_0(void **state)
{
	static char much[1 << 16];
	struct stage *st = *state;

	for (int is_half_closed = 0; is_half_closed < 2; is_half_closed++) {
		struct ends e = tcp();
		struct asked a;

		if (is_half_closed)
			shutdown(e.peers, SHUT_WR);
		fill(e.ours);
		io_send(st->ring, &ask(st, &a)->op, e.ours, much, sizeof(much));
		turn(st, MOMENT_NS);
		turn(st, MOMENT_NS);
		assert_int_equal(a.told, 0);
		while (a.op.in_kernel) {
			drain(e.peers);
			turn(st, MOMENT_NS);
		}
		assert_int_equal(a.told, 1);
		assert_int_equal(a.res, 0);
		io_send(st->ring, &a.op, e.ours, much, sizeof(much));
		wait_for(st, &a.op);
		assert_true(a.res > 0);
		close_ends(e);
	}
}

/* Or it would occupy a thread of the kernel, and there is one for all sessions. */
static void a_stuck_reader_that_ended_its_stream_costs_no_thread(void **state)
{
	static char much[1 << 16];
	struct stage *st = *state;
	unsigned before = threads();
	struct asked a[4], cancel;
	struct ends e[4];

	for (int n = 0; n < 4; n++) {
		e[n] = tcp();
		shutdown(e[n].peers, SHUT_WR);
		fill(e[n].ours);
		io_send(st->ring, &ask(st, &a[n])->op, e[n].ours, much, sizeof(much));
	}
	turn(st, MOMENT_NS);
	turn(st, MOMENT_NS);
	assert_int_equal(threads(), before);
	for (int n = 0; n < 4; n++) {
		assert_int_equal(a[n].told, 0);
		io_cancel(st->ring, &ask(st, &cancel)->op, &a[n].op);
		wait_for(st, &a[n].op);
		wait_for(st, &cancel.op);
		assert_int_equal(a[n].res, -ECANCELED);
		close_ends(e[n]);
	}
}

static void a_send_to_nobody_fails_and_kills_nobody(void **state)
{
	struct stage *st = *state;
	struct ends e = tcp();
	struct asked a;

	close(e.peers);
	e.peers = -1;
	for (int n = 0; n < 100; n++) {
		io_send(st->ring, &ask(st, &a)->op, e.ours, "x", 1);
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
	struct stage *st = *state;
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
	struct stage *st = *state;
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
	struct stage *st = *state;
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
	struct stage *st = *state;
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
	struct stage *st = *state;

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
	struct stage *st = *state;
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

/* ---- accept, connect, read ----------------------------------------------- */

static void clients_are_accepted_one_at_a_time_or_as_they_come(void **state)
{
	struct stage *st = *state;

	for (int many = 0; many < 2; many++) {
		bool goes_on = many && ring_features(st->ring)->accept_multishot;
		struct asked a, cancel;
		struct addr addr;
		int fd = listener(&addr);

		io_accept(st->ring, &ask(st, &a)->op, fd, many);
		for (int n = 0; n < 5; n++) {
			int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			unsigned told = a.told;

			assert_int_equal(connect(client, &addr.sa, addr.len), 0);
			while (a.told == told)
				turn(st, LONG_NS);
			assert_true(a.res >= 0);
			assert_int_equal(a.op.in_kernel, goes_on);
			close(a.res);
			close(client);
			if (!goes_on)
				io_accept(st->ring, &ask(st, &a)->op, fd, many);
		}
		io_cancel(st->ring, &ask(st, &cancel)->op, &a.op);
		wait_for(st, &a.op);
		wait_for(st, &cancel.op);
		assert_int_equal(a.res, -ECANCELED);
		close(fd);
	}
}

static void an_accept_without_descriptors_fails_and_the_client_waits(void **state)
{
	struct stage *st = *state;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit before, now;
	struct addr addr;
	struct asked a;
	int fd = listener(&addr);

	assert_int_equal(connect(client, &addr.sa, addr.len), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	io_accept(st->ring, &ask(st, &a)->op, fd, true);
	wait_for(st, &a.op);
	assert_int_equal(a.res, -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	io_accept(st->ring, &ask(st, &a)->op, fd, false);
	wait_for(st, &a.op);
	assert_true(a.res >= 0);
	close(a.res);
	close(client);
	close(fd);
}

static void a_connect_succeeds_or_says_why_not(void **state)
{
	struct stage *st = *state;
	struct addr addr;
	int fd = listener(&addr);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct asked a;

	io_connect(st->ring, &ask(st, &a)->op, client, &addr);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 0);
	close(client);
	close(fd);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	io_connect(st->ring, &ask(st, &a)->op, client, &addr);
	wait_for(st, &a.op);
	assert_int_equal(a.res, -ECONNREFUSED);
	close(client);
}

static void a_read_waits_for_a_letter(void **state)
{
	struct stage *st = *state;
	int ends[2];
	char bytes[16];
	struct asked a;

	assert_int_equal(pipe(ends), 0);
	io_read(st->ring, &ask(st, &a)->op, ends[0], bytes, sizeof(bytes));
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	assert_int_equal(write(ends[1], "letter", 6), 6);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 6);
	assert_memory_equal(bytes, "letter", 6);
	close(ends[0]);
	close(ends[1]);
}

/* ---- many at once -------------------------------------------------------- */

#define MANY 200 /* times a tiny ring's queues */

static void more_requests_than_the_queue_holds_are_none_too_many(void **state)
{
	static struct asked a[MANY];
	static struct ends e[MANY];
	struct stage *st = *state;

	for (int n = 0; n < MANY; n++) {
		e[n] = tcp();
		io_send(st->ring, &ask(st, &a[n])->op, e[n].ours, "x", 1);
	}
	for (int n = 0; n < MANY; n++) {
		wait_for(st, &a[n].op);
		assert_int_equal(a[n].res, 1);
		assert_int_equal(a[n].told, 1);
		close_ends(e[n]);
	}
}

static void completions_beyond_the_queue_are_kept(void **state)
{
	static struct asked a[MANY];
	static struct ends e[MANY];
	struct stage *st = *state;

	for (int n = 0; n < MANY; n++) {
		e[n] = tcp();
		io_poll(st->ring, &ask(st, &a[n])->op, e[n].ours, POLLIN);
		if (n % 8 == 7)
			turn(st, 0);
	}
	for (int n = 0; n < MANY; n++)
		assert_int_equal(send(e[n].peers, "x", 1, 0), 1);
	for (int n = 0; n < MANY; n++) {
		wait_for(st, &a[n].op);
		assert_int_equal(a[n].res, POLLIN);
		assert_int_equal(a[n].told, 1);
		close_ends(e[n]);
	}
}

/* Many sockets receive with credit while there is no room for their completions. */
static void no_byte_is_lost_in_an_overflow(void **state)
{
	static struct asked a[MANY];
	static struct ends e[MANY];
	struct stage *st = *state;

	for (int n = 0; n < MANY; n++) {
		e[n] = tcp();
		io_recv(st->ring, &ask(st, &a[n])->op, e[n].ours, 8, true);
	}
	turn(st, 0);
	for (char round = 0; round < 8; round++) {
		for (int n = 0; n < MANY; n++)
			assert_int_equal(send(e[n].peers, &round, 1, 0), 1);
		for (int n = 0; n < MANY; n++) {
			while (a[n].n <= (size_t)round) {
				if (!a[n].op.in_kernel)
					io_recv(st->ring, &a[n].op, e[n].ours, 8, true);
				turn(st, MOMENT_NS);
			}
		}
	}
	for (int n = 0; n < MANY; n++) {
		struct asked cancel;

		assert_int_equal(a[n].n, 8);
		assert_memory_equal(a[n].bytes, "\0\1\2\3\4\5\6\7", 8);
		if (a[n].op.in_kernel) {
			io_cancel(st->ring, &ask(st, &cancel)->op, &a[n].op);
			wait_for(st, &cancel.op);
			wait_for(st, &a[n].op);
		}
		close_ends(e[n]);
	}
}

/* ---- creation ------------------------------------------------------------ */

static void what_cannot_be_created_is_named(void **state)
{
	struct ring_options options = {
		.entries = 8, .completions = 16, .buffers_offered = 3, .features = features
	};
	struct buf_pool pool;
	const char *step = NULL;
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(buf_pool_init(&pool, BUFFERS), 0);
	assert_int_equal(ring_create(&options, &pool, &ring, &step), -EINVAL);
	assert_string_equal(step, "io_uring_register buffers");
	options.buffers_offered = 4;
	options.entries = 0;
	assert_int_equal(ring_create(&options, &pool, &ring, &step), -EINVAL);
	assert_string_equal(step, "io_uring_setup");
	assert_null(ring);
	ring_destroy(NULL);
	buf_pool_finish(&pool);
}

static void what_was_offered_comes_back_with_the_ring(void **state)
{
	struct stage *st = *state;

	turn(st, 0);
	assert_int_equal(st->pool.free_n, BUFFERS / 2);
	ring_destroy(st->ring);
	st->ring = NULL;
	assert_int_equal(st->pool.free_n, BUFFERS);
}

/* ---- with each feature and without --------------------------------------- */

static int run_with(const char *without)
{
	char name[64];
	const struct CMUnitTest tests[] = {
#define ring_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define tiny_test(f) cmocka_unit_test_setup_teardown(f, set_up_tiny, tear_down)
		ring_test(a_wait_ends_in_time),
		ring_test(a_completion_ends_a_wait),
		ring_test(bytes_come_in_a_buffer_and_the_end_without),
		ring_test(a_receive_tells_that_more_is_there),
		ring_test(a_receive_with_credit_goes_on_until_it_is_used),
		ring_test(without_the_feature_credit_means_nothing),
		ring_test(without_buffers_a_receive_says_so),
		ring_test(buffers_go_round),
		ring_test(a_send_sends),
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
		ring_test(clients_are_accepted_one_at_a_time_or_as_they_come),
		ring_test(an_accept_without_descriptors_fails_and_the_client_waits),
		ring_test(a_connect_succeeds_or_says_why_not),
		ring_test(a_read_waits_for_a_letter),
		tiny_test(more_requests_than_the_queue_holds_are_none_too_many),
		tiny_test(completions_beyond_the_queue_are_kept),
		tiny_test(no_byte_is_lost_in_an_overflow),
		cmocka_unit_test(what_cannot_be_created_is_named),
		ring_test(what_was_offered_comes_back_with_the_ring),
	};

	snprintf(name, sizeof(name), "without %s", without);
	return _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
	struct ring_features found;
	int failed = 0, err = ring_probe(&found);

	if (err < 0) {
		printf("no io_uring here: %s\n", strerror(-err));
		return 77;
	}
	features = found;
	failed += run_with("nothing");
	features = (struct ring_features){ 0 };
	failed += run_with("anything");

#define without(feature)                      \
	do {                                  \
		features = found;             \
		features.feature = false;     \
		failed += run_with(#feature); \
	} while (0)
	without(defer_taskrun);
	without(accept_multishot);
	without(recv_credit);
	without(min_wait);
	without(no_iowait);
	return failed;
}
