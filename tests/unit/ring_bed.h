/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_RING_BED_H
#define UNIT_RING_BED_H

/* io_uring itself over real sockets: a ring, requests that remember what they were told. */

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
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
#include "io/ring.h"

#define BUFFERS 16
#define MOMENT_NS 20000000ull /* long enough for what does not happen */
#define LONG_NS 2000000000ull

/* The features that each test is run with. */
static struct ring_features features;

struct bed {
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

static inline void on_done(struct io_op *op, int res, unsigned flags)
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

static inline struct asked *ask(struct bed *st, struct asked *a)
{
	*a = (struct asked){ .pool = &st->pool };
	io_op_init(&a->op, on_done);
	return a;
}

static inline void send_bytes(struct bed *st, struct io_op *op, int fd, const void *bytes, size_t n)
{
	io_send(st->ring, op, fd, &(struct iovec){ (void *)(uintptr_t)bytes, n }, 1);
}

static inline void turn(struct bed *st, uint64_t timeout_ns)
{
	assert_int_equal(ring_wait(st->ring, timeout_ns), 0);
	ring_dispatch(st->ring);
}

/* Until @op's last completion. */
static inline void wait_for(struct bed *st, const struct io_op *op)
{
	uint64_t until_ns = clock_now_ns() + LONG_NS;

	while (op->in_kernel) {
		assert_true(clock_now_ns() < until_ns);
		turn(st, MOMENT_NS);
	}
}

static inline int set_up_with(void **state, unsigned entries, unsigned completions)
{
	static struct bed st;
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

static inline int set_up(void **state)
{
	return set_up_with(state, 64, 128);
}

static inline int set_up_tiny(void **state)
{
	return set_up_with(state, 8, 16);
}

/* All buffers are back, or buf_pool_finish() ends the program. */
static inline int tear_down(void **state)
{
	struct bed *st = *state;

	ring_destroy(st->ring);
	buf_pool_finish(&st->pool);
	return 0;
}

/* ---- sockets ------------------------------------------------------------- */

struct ends {
	int ours, peers;
};

static inline int listener(struct addr *ret_addr)
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

static inline struct ends tcp(void)
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

static inline void close_ends(struct ends e)
{
	close(e.ours);
	if (e.peers >= 0)
		close(e.peers);
}

/* Of what was sent, is some still on its way? When it arrives there is room again. */
static inline bool is_on_its_way(int fd)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_unacked > 0;
}

/* Sends until nothing more fits, and nothing will before the peer reads. */
static inline void fill(int fd)
{
	static char bytes[1 << 16];
	bool has_sent;

	do {
		has_sent = false;
		while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			has_sent = true;
		for (unsigned n = 0; n < 10000 && is_on_its_way(fd); n++)
			usleep(1000);
	} while (has_sent);
}

/* Reads all that is there. */
static inline size_t drain(int fd)
{
	static char bytes[1 << 16];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		all += (size_t)n;
	return all;
}

static inline unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

/* Runs @run with all that this kernel can do, with nothing of it, and without each in turn. */
static inline int run_with_every_feature(int (*run)(const char *without))
{
	struct ring_features found;
	int failed = 0, err = ring_probe(&found);

	if (err < 0) {
		printf("no io_uring here: %s\n", strerror(-err));
		return 77;
	}
	features = found;
	failed += run("nothing");
	features = (struct ring_features){ 0 };
	failed += run("anything");

#define without(feature)                  \
	do {                              \
		features = found;         \
		features.feature = false; \
		failed += run(#feature);  \
	} while (0)
	without(defer_taskrun);
	without(accept_multishot);
	without(recv_credit);
	without(no_iowait);
	return failed;
}

#define ring_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define tiny_test(f) cmocka_unit_test_setup_teardown(f, set_up_tiny, tear_down)

#endif
