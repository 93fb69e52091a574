/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed */
#include "net/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define KEPT_MAX 64 /* as in pipe.c */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void a_pipe_carries_bytes_and_never_waits(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct pipe *pipe = pipe_get(&pool);
	char bytes[4];

	(void)state;
	assert_non_null(pipe);
	assert_int_equal(read(pipe->out, bytes, sizeof(bytes)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(pipe->in, "abc", 3), 3);
	assert_int_equal(read(pipe->out, bytes, sizeof(bytes)), 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(pipe->filled_bytes, 0);
	assert_true(fcntl(pipe->in, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(pipe->out, F_GETFD) & FD_CLOEXEC);
	pipe_put(&pool, pipe);
	pipe_pool_finish(&pool);
}

static void a_pipe_knows_what_it_holds(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct pipe *pipe = pipe_get(&pool);
	static char bytes[4 << 20];

	(void)state;
	assert_non_null(pipe);
	assert_int_equal(pipe->capacity_bytes, fcntl(pipe->in, F_GETPIPE_SZ));
	assert_int_equal(write(pipe->in, bytes, sizeof(bytes)), pipe->capacity_bytes);
	pipe->filled_bytes = pipe->capacity_bytes;
	pipe_put(&pool, pipe);
	pipe_pool_finish(&pool);
}

static void a_pipe_is_used_again(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct pipe *first = pipe_get(&pool);

	(void)state;
	assert_non_null(first);
	pipe_put(&pool, first);
	for (int n = 0; n < 1000; n++) {
		assert_ptr_equal(pipe_get(&pool), first);
		pipe_put(&pool, first);
	}
	assert_int_equal(pool.open_n, 1);
	assert_int_equal(pool.free_n, 1);
	pipe_pool_finish(&pool);
}

static void a_pipe_with_leftovers_is_closed(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct pipe *pipe = pipe_get(&pool);
	int in, out;

	(void)state;
	assert_non_null(pipe);
	in = pipe->in;
	out = pipe->out;
	assert_int_equal(write(in, "secret", 6), 6);
	pipe->filled_bytes = 6;
	pipe_put(&pool, pipe);
	assert_false(is_open(in));
	assert_false(is_open(out));
	assert_int_equal(pool.open_n, 0);
	assert_int_equal(pool.free_n, 0);
	pipe_pool_finish(&pool);
}

static void a_burst_leaves_so_many_pipes_and_no_more(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct pipe *pipes[KEPT_MAX + 10];

	(void)state;
	for (int n = 0; n < KEPT_MAX + 10; n++) {
		pipes[n] = pipe_get(&pool);
		assert_non_null(pipes[n]);
	}
	assert_int_equal(pool.open_n, KEPT_MAX + 10);
	for (int n = 0; n < KEPT_MAX + 10; n++)
		pipe_put(&pool, pipes[n]);
	assert_int_equal(pool.open_n, KEPT_MAX);
	assert_int_equal(pool.free_n, KEPT_MAX);
	pipe_pool_finish(&pool);
	assert_int_equal(pool.open_n, 0);
}

/* Descriptors end at what is open now plus @more. */
static void leave_descriptors(int more, struct rlimit *ret_before)
{
	struct rlimit limit;
	int next = dup(0);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
	limit = (struct rlimit){ .rlim_cur = (rlim_t)(next + more),
				 .rlim_max = ret_before->rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_descriptors_there_is_no_pipe(void **state)
{
	struct pipe_pool pool = { .max = 1000 };
	struct rlimit before;
	struct pipe *pipe;

	(void)state;
	leave_descriptors(1, &before);
	assert_null(pipe_get(&pool));
	assert_int_equal(pool.open_n, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	pipe = pipe_get(&pool);
	assert_non_null(pipe);
	pipe_put(&pool, pipe);
	pipe_pool_finish(&pool);
}

static void no_more_are_open_than_may_be(void **state)
{
	struct pipe_pool pool = { .max = 2 };
	struct pipe *first = pipe_get(&pool), *second = pipe_get(&pool);

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	assert_null(pipe_get(&pool));
	pipe_put(&pool, first);
	assert_ptr_equal(pipe_get(&pool), first);
	pool.max = 1; /* it has become less: the next that comes back is one too many */
	pipe_put(&pool, first);
	assert_int_equal(pool.open_n, 1);
	pipe_put(&pool, second);
	assert_int_equal(pool.free_n, 1);
	assert_int_equal(pipe_pool_trim(&pool), 1);
	assert_int_equal(pool.open_n, 0);
	pipe_pool_finish(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_carries_bytes_and_never_waits),
		cmocka_unit_test(a_pipe_knows_what_it_holds),
		cmocka_unit_test(a_pipe_is_used_again),
		cmocka_unit_test(a_pipe_with_leftovers_is_closed),
		cmocka_unit_test(a_burst_leaves_so_many_pipes_and_no_more),
		cmocka_unit_test(without_descriptors_there_is_no_pipe),
		cmocka_unit_test(no_more_are_open_than_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
