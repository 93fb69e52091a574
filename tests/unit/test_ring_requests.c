/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: io_uring itself, over real sockets */
#include "ring_bed.h"

#include <dlfcn.h>

struct io_uring;
int io_uring_submit(struct io_uring *uring);

static int submit_error; /* -errno that the kernel answers to a submission, or 0 */

/* liburing's, which the ring calls when its queue is full. */
int io_uring_submit(struct io_uring *uring)
{
	int (*real)(struct io_uring *) = (int (*)(struct io_uring *))dlsym(RTLD_NEXT, __func__);

	return submit_error ? submit_error : real(uring);
}

/* ---- accept, connect, read ----------------------------------------------- */

static void clients_are_accepted_one_at_a_time_or_as_they_come(void **state)
{
	struct bed *st = *state;

	for (int many = 0; many < 2; many++) {
		bool goes_on = many && features.accept_multishot;
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
	struct bed *st = *state;
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
	struct bed *st = *state;
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

static void a_read_waits_for_a_message(void **state)
{
	struct bed *st = *state;
	int ends[2];
	char bytes[16];
	struct asked a;

	assert_int_equal(pipe(ends), 0);
	io_read(st->ring, &ask(st, &a)->op, ends[0], bytes, sizeof(bytes));
	turn(st, MOMENT_NS);
	assert_int_equal(a.told, 0);
	assert_int_equal(write(ends[1], "message", 6), 6);
	wait_for(st, &a.op);
	assert_int_equal(a.res, 6);
	assert_memory_equal(bytes, "message", 6);
	close(ends[0]);
	close(ends[1]);
}

/* ---- many at once -------------------------------------------------------- */

#define MANY 200 /* times a tiny ring's queues */

static void more_requests_than_the_queue_holds_are_none_too_many(void **state)
{
	static struct asked a[MANY];
	static struct ends e[MANY];
	struct bed *st = *state;

	for (int n = 0; n < MANY; n++) {
		e[n] = tcp();
		send_bytes(st, &ask(st, &a[n])->op, e[n].ours, "x", 1);
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
	struct bed *st = *state;

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

static void receive_beyond(struct bed *st, struct asked *a, int fd, size_t n)
{
	while (a->n <= n) {
		if (!a->op.in_kernel)
			io_recv(st->ring, &a->op, fd, 8, true);
		turn(st, MOMENT_NS);
	}
}

/* Many sockets receive with credit while there is no room for their completions. */
static void no_byte_is_lost_in_an_overflow(void **state)
{
	static struct asked a[MANY];
	static struct ends e[MANY];
	struct bed *st = *state;

	for (int n = 0; n < MANY; n++) {
		e[n] = tcp();
		io_recv(st->ring, &ask(st, &a[n])->op, e[n].ours, 8, true);
	}
	turn(st, 0);
	for (char round = 0; round < 8; round++) {
		for (int n = 0; n < MANY; n++)
			assert_int_equal(send(e[n].peers, &round, 1, 0), 1);
		for (int n = 0; n < MANY; n++)
			receive_beyond(st, &a[n], e[n].ours, (size_t)round);
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
	struct bed *st = *state;

	turn(st, 0);
	assert_int_equal(st->pool.free_n, BUFFERS / 2);
	ring_destroy(st->ring);
	st->ring = NULL;
	assert_int_equal(st->pool.free_n, BUFFERS);
}

/* ---- buffers offered ----------------------------------------------------- */

#define WIDE_BUFFERS 512

static int set_up_wide(void **state)
{
	static struct bed st;
	const struct ring_options options = {
		.entries = 256, .completions = 512, .buffers_offered = 256, .features = features
	};
	const char *step;

	*state = &st;
	assert_int_equal(buf_pool_init(&st.pool, WIDE_BUFFERS), 0);
	return ring_create(&options, &st.pool, &st.ring, &step);
}

static unsigned offered(struct bed *st)
{
	turn(st, 0);
	return WIDE_BUFFERS - st->pool.free_n;
}

/* Each socket gets a byte at the same time, until all have come through. */
static void receive_at_once(struct bed *st, struct ends *e, unsigned n)
{
	static struct asked a[MANY];

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(send(e[i].peers, "x", 1, 0), 1);
		io_recv(st->ring, &ask(st, &a[i])->op, e[i].ours, 0, false);
	}
	for (unsigned left = n; left > 0;) {
		left = 0;
		for (unsigned i = 0; i < n; i++) {
			wait_for(st, &a[i].op);
			if (a[i].res != -ENOBUFS)
				continue;
			io_recv(st->ring, &a[i].op, e[i].ours, 0, false);
			left++;
		}
	}
}

static void as_many_buffers_are_offered_as_are_taken(void **state)
{
	static struct ends e[MANY];
	struct bed *st = *state;
	unsigned first = offered(st);

	assert_in_range(first, 1, 32);
	for (int n = 0; n < MANY; n++)
		e[n] = tcp();
	for (int n = 0; n < 400 && offered(st) < MANY; n++)
		receive_at_once(st, e, MANY);
	assert_true(offered(st) >= MANY);
	for (int n = 0; n < 4096 && offered(st) > first; n++)
		receive_at_once(st, e, 1);
	assert_int_equal(offered(st), first);
	for (int n = 0; n < MANY; n++)
		close_ends(e[n]);
}

/* ---- the kernel takes no more ----------------------------------------------- */

static void a_ring_that_breaks_in_a_turn_says_so_at_the_next_wait(void **state)
{
	const int errors[] = { -EBADFD, -EAGAIN };
	static struct asked all[40];
	char byte;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	for (size_t n = 0; n < ARRAY_LEN(errors); n++) {
		struct bed *st = *state;

		submit_error = errors[n];
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			io_read(st->ring, &ask(st, &all[i])->op, ends[0], &byte, 1);
		submit_error = 0;
		assert_int_equal(ring_wait(st->ring, LONG_NS), errors[n]);
		assert_int_equal(ring_wait(st->ring, LONG_NS), errors[n]);
		tear_down(state);
		set_up_tiny(state);
	}
	close(ends[0]);
	close(ends[1]);
}

/* ---- with each feature and without --------------------------------------- */

static int run_with(const char *without)
{
	char name[64];
	const struct CMUnitTest tests[] = {
		ring_test(clients_are_accepted_one_at_a_time_or_as_they_come),
		ring_test(an_accept_without_descriptors_fails_and_the_client_waits),
		ring_test(a_connect_succeeds_or_says_why_not),
		ring_test(a_read_waits_for_a_message),
		tiny_test(more_requests_than_the_queue_holds_are_none_too_many),
		tiny_test(completions_beyond_the_queue_are_kept),
		tiny_test(no_byte_is_lost_in_an_overflow),
		tiny_test(a_ring_that_breaks_in_a_turn_says_so_at_the_next_wait),
		cmocka_unit_test(what_cannot_be_created_is_named),
		ring_test(what_was_offered_comes_back_with_the_ring),
		cmocka_unit_test_setup_teardown(as_many_buffers_are_offered_as_are_taken,
						set_up_wide, tear_down),
	};

	snprintf(name, sizeof(name), "without %s", without);
	return _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
}

int main(void)
{
	return run_with_every_feature(run_with);
}
