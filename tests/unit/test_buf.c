/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed */
#include "io/buf.h"
#include "io/op.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 8

static int set_up(void **state)
{
	static struct buf_pool pool;

	*state = &pool;
	return buf_pool_init(&pool, COUNT);
}

static int tear_down(void **state)
{
	buf_pool_finish(*state);
	return 0;
}

/* A buffer of the pool with @n bytes in it, each @value. */
static struct buf *filled(struct buf_pool *pool, uint32_t n, char value)
{
	struct buf *buf = buf_get(pool);

	assert_non_null(buf);
	memset(buf->bytes, value, n);
	buf->end = n;
	return buf;
}

/* ---- the pool ------------------------------------------------------------ */

static void buffers_are_given_until_all_are_out(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *bufs[COUNT];

	for (unsigned n = 0; n < COUNT; n++) {
		bufs[n] = buf_get(pool);
		assert_non_null(bufs[n]);
		assert_int_equal(pool->free_n, COUNT - n - 1);
	}
	assert_null(buf_get(pool));
	for (unsigned n = 0; n < COUNT; n++)
		buf_put(pool, bufs[n]);
	assert_int_equal(pool->free_n, COUNT);
}

static void no_two_buffers_share_a_byte(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *bufs[COUNT];

	for (unsigned n = 0; n < COUNT; n++)
		bufs[n] = filled(pool, BUF_BYTES, (char)('a' + n));
	for (unsigned n = 0; n < COUNT; n++) {
		for (unsigned at = 0; at < BUF_BYTES; at++)
			assert_int_equal(bufs[n]->bytes[at], 'a' + n);
		buf_put(pool, bufs[n]);
	}
}

static void the_last_that_came_back_goes_out_first_and_empty(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *a = filled(pool, 10, 'a'), *b = filled(pool, 20, 'b');

	buf_put(pool, b);
	buf_put(pool, a);
	assert_ptr_equal(buf_get(pool), a);
	assert_int_equal(buf_filled(a), 0);
	assert_int_equal(a->start, 0);
	assert_ptr_equal(buf_get(pool), b);
	buf_put(pool, a);
	buf_put(pool, b);
}

/* Pages of the pool's memory that exist. */
static size_t resident(const struct buf_pool *pool)
{
	static unsigned char pages[1 << 20];
	size_t bytes = (size_t)pool->count * BUF_BYTES, n = 0;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_true(bytes / page < sizeof(pages));
	assert_int_equal(mincore(pool->arena, bytes, pages), 0);
	for (size_t i = 0; i < bytes / page; i++)
		n += pages[i] & 1;
	return n;
}

static void memory_is_touched_only_when_used(void **state)
{
	struct buf_pool pool;

	(void)state;
	assert_int_equal(buf_pool_init(&pool, BUF_COUNT_MAX), 0);
	assert_int_equal(resident(&pool), 0);
	for (int round = 0; round < 1000; round++)
		buf_put(&pool, filled(&pool, BUF_BYTES, 'x'));
	assert_int_equal(pool.touched, 1);
	assert_true(resident(&pool) <= 6);
	buf_pool_finish(&pool);
}

static void a_pool_is_low_at_a_quarter_and_always_when_it_is_small(void **state)
{
	struct buf_pool *small = *state, large;
	struct buf *bufs[151];

	assert_true(buf_pool_is_low(small));
	assert_int_equal(buf_pool_init(&large, 200), 0);
	for (unsigned n = 0; n < 150; n++)
		bufs[n] = buf_get(&large);
	assert_false(buf_pool_is_low(&large));
	bufs[150] = buf_get(&large);
	assert_true(buf_pool_is_low(&large));
	for (unsigned n = 0; n < 151; n++)
		buf_put(&large, bufs[n]);
	buf_pool_finish(&large);
}

static void receiving_leaves_some_unless_the_pool_is_small(void **state)
{
	static const unsigned kept[][2] = {
		{ 4, 0 }, { 63, 0 }, { 64, 8 }, { 400, 50 }, { 4096, 64 }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		struct buf_pool pool;
		unsigned n = 0;

		assert_int_equal(buf_pool_init(&pool, kept[i][0]), 0);
		while (buf_get_to_receive(&pool))
			n++;
		assert_int_equal(n, kept[i][0] - kept[i][1]);
		assert_int_equal(buf_pool_to_receive(&pool), 0);
		for (; n < kept[i][0]; n++)
			assert_non_null(buf_get(&pool));
		assert_null(buf_get(&pool));
		for (unsigned id = 0; id < kept[i][0]; id++)
			buf_put(&pool, &pool.bufs[id]);
		buf_pool_finish(&pool);
	}
}

static void a_pool_of_zeroes_can_be_finished(void **state)
{
	struct buf_pool pool = { 0 };

	(void)state;
	buf_pool_finish(&pool);
}

static void a_completion_names_its_buffer(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *a = buf_get(pool), *b = buf_get(pool);

	assert_ptr_equal(buf_received(pool, 7, IO_HAS_BUFFER | (unsigned)b->id << 16), b);
	assert_int_equal(buf_filled(b), 7);
	assert_int_equal(buf_filled(a), 0);
	buf_put(pool, a);
	buf_put(pool, b);
}

/* ---- queues -------------------------------------------------------------- */

/* The bytes of @q as a text. */
static const char *text_of(const struct buf_queue *q)
{
	static char text[256];
	size_t n = 0;

	for (const struct buf *buf = q->head; buf; buf = buf->next) {
		assert_true(n + buf_filled(buf) < sizeof(text));
		memcpy(text + n, buf->bytes + buf->start, buf_filled(buf));
		n += buf_filled(buf);
	}
	assert_int_equal(n, q->bytes);
	text[n] = '\0';
	return text;
}

static void bytes_leave_in_the_order_they_came(void **state)
{
	struct buf_pool *pool = *state;
	struct buf_queue q = { 0 };

	buf_queue_append(&q, filled(pool, 2, 'a'));
	buf_queue_append(&q, filled(pool, 3, 'b'));
	buf_queue_append(&q, filled(pool, 2, 'c'));
	assert_string_equal(text_of(&q), "aabbbcc");
	buf_queue_sent(&q, pool, 1);
	assert_string_equal(text_of(&q), "abbbcc");
	assert_int_equal(pool->free_n, COUNT - 3);
	buf_queue_sent(&q, pool, 3);
	assert_string_equal(text_of(&q), "bcc");
	assert_int_equal(pool->free_n, COUNT - 2);
	buf_queue_append(&q, filled(pool, 1, 'd'));
	buf_queue_sent(&q, pool, 4);
	assert_true(buf_queue_is_empty(&q));
	assert_null(q.tail);
	assert_int_equal(pool->free_n, COUNT);
}

static void an_emptied_queue_can_be_filled_again(void **state)
{
	struct buf_pool *pool = *state;
	struct buf_queue q = { 0 };

	buf_queue_append(&q, filled(pool, 1, 'x'));
	buf_queue_sent(&q, pool, 0);
	buf_queue_append(&q, filled(pool, 1, 'y'));
	assert_string_equal(text_of(&q), "xy");
	buf_queue_clear(&q, pool);
	assert_int_equal(pool->free_n, COUNT);
	assert_int_equal(q.bytes, 0);
	buf_queue_append(&q, filled(pool, 1, 'z'));
	assert_string_equal(text_of(&q), "z");
	buf_queue_clear(&q, pool);
}

static void what_is_taken_is_the_takers(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *a = filled(pool, 1, 'a'), *b = filled(pool, 2, 'b');
	struct buf_queue q = { 0 };

	assert_null(buf_queue_take(&q));
	buf_queue_append(&q, a);
	buf_queue_append(&q, b);
	assert_ptr_equal(buf_queue_take(&q), a);
	assert_null(a->next);
	assert_string_equal(text_of(&q), "bb");
	assert_ptr_equal(buf_queue_take(&q), b);
	assert_null(q.tail);
	assert_int_equal(q.bytes, 0);
	buf_put(pool, a);
	buf_put(pool, b);
}

/* ---- pieces -------------------------------------------------------------- */

static void a_piece_is_as_large_as_what_is_in_it(void **state)
{
	struct buf_pool *pool = *state;
	struct buf_share share = { 0 };
	struct buf *buf = filled(pool, 100, 'x');

	buf->start = 40;
	buf = buf_shrink(pool, &share, buf);
	assert_int_equal(pool->free_n, COUNT);
	assert_int_equal(buf_filled(buf), 60);
	assert_int_equal(buf_room(buf), 0);
	for (uint32_t n = 0; n < buf_filled(buf); n++)
		assert_int_equal(buf->bytes[buf->start + n], 'x');
	assert_in_range(share.bytes, 60, 200);
	assert_int_equal(pool->pieces_bytes, share.bytes);
	assert_ptr_equal(buf_shrink(pool, &share, buf), buf);
	buf_put(pool, buf);
	assert_int_equal(share.bytes, 0);
	assert_int_equal(pool->pieces_bytes, 0);
}

static void a_piece_stands_in_for_a_buffer(void **state)
{
	struct buf_pool *pool = *state;
	struct buf *bufs[COUNT + 1];

	for (unsigned n = 0; n <= COUNT; n++)
		bufs[n] = buf_get_or_piece(pool, &pool->spare);
	assert_non_null(bufs[COUNT]);
	assert_int_equal(buf_room(bufs[COUNT]), BUF_BYTES);
	assert_int_equal(pool->pieces_bytes, 0); /* which are for those who do not relay */
	for (unsigned n = 0; n <= COUNT; n++)
		buf_put(pool, bufs[n]);
	assert_int_equal(pool->free_n, COUNT);
}

/* However many grow, each time there is something left. */
static void every_share_leaves_room_for_another(void **state)
{
	struct buf_pool *pool = *state;
	struct buf_share shares[4] = { { 0 } };
	struct buf *pieces[1024];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_LEN(shares); i++) {
		assert_true(buf_piece_room(pool, &shares[i]) > BUF_PIECES_BYTES_MIN / 8);
		while (buf_piece_room(pool, &shares[i]) >= 1000 && n < ARRAY_LEN(pieces))
			pieces[n++] = buf_piece(pool, &shares[i], 1000);
		assert_true(shares[i].bytes > BUF_PIECES_BYTES_MIN / 8 / 2);
	}
	assert_true(pool->pieces_bytes <= BUF_PIECES_BYTES_MIN);
	while (n > 0)
		buf_put(pool, pieces[--n]);
}

/* ---- crimes -------------------------------------------------------------- */

typedef void crime_fn(struct buf_pool *pool);

static void put_twice(struct buf_pool *pool)
{
	struct buf *buf = buf_get(pool);

	buf_put(pool, buf);
	buf_put(pool, buf);
}

static void finish_with_one_out(struct buf_pool *pool)
{
	if (buf_get(pool))
		buf_pool_finish(pool);
}

static void receive_into_a_free_one(struct buf_pool *pool)
{
	struct buf *buf = buf_get(pool);

	buf_put(pool, buf);
	buf_received(pool, 1, IO_HAS_BUFFER | (unsigned)buf->id << 16);
}

static void receive_into_one_that_never_was(struct buf_pool *pool)
{
	buf_received(pool, 1, IO_HAS_BUFFER | 5u << 16);
}

static void receive_more_than_fits(struct buf_pool *pool)
{
	struct buf *buf = buf_get(pool);

	buf_received(pool, BUF_RECEIVE_BYTES + 1, IO_HAS_BUFFER | (unsigned)buf->id << 16);
}

static void receive_twice_into_one(struct buf_pool *pool)
{
	struct buf *buf = buf_get(pool);

	buf_received(pool, 1, IO_HAS_BUFFER | (unsigned)buf->id << 16);
	buf_received(pool, 1, IO_HAS_BUFFER | (unsigned)buf->id << 16);
}

static void queue_an_empty_one(struct buf_pool *pool)
{
	struct buf_queue q = { 0 };

	buf_queue_append(&q, buf_get(pool));
}

static void send_more_than_is_there(struct buf_pool *pool)
{
	struct buf_queue q = { 0 };

	buf_queue_append(&q, filled(pool, 3, 'x'));
	buf_queue_sent(&q, pool, 4);
}

static bool ends_the_program(crime_fn *crime)
{
	const struct rlimit none = { 0 };
	struct buf_pool pool;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		(void)!freopen("/dev/null", "w", stderr);
		if (buf_pool_init(&pool, COUNT) == 0)
			crime(&pool);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void crimes_end_the_program(void **state)
{
	crime_fn *const crimes[] = {
		put_twice,
		finish_with_one_out,
		receive_into_a_free_one,
		receive_into_one_that_never_was,
		receive_more_than_fits,
		receive_twice_into_one,
		queue_an_empty_one,
		send_more_than_is_there,
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(crimes); n++)
		if (!ends_the_program(crimes[n]))
			fail_msg("crime number %zu goes unpunished", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_are_given_until_all_are_out),
		cmocka_unit_test(no_two_buffers_share_a_byte),
		cmocka_unit_test(the_last_that_came_back_goes_out_first_and_empty),
		cmocka_unit_test(memory_is_touched_only_when_used),
		cmocka_unit_test(a_pool_is_low_at_a_quarter_and_always_when_it_is_small),
		cmocka_unit_test(receiving_leaves_some_unless_the_pool_is_small),
		cmocka_unit_test(a_pool_of_zeroes_can_be_finished),
		cmocka_unit_test(a_completion_names_its_buffer),
		cmocka_unit_test(bytes_leave_in_the_order_they_came),
		cmocka_unit_test(an_emptied_queue_can_be_filled_again),
		cmocka_unit_test(what_is_taken_is_the_takers),
		cmocka_unit_test(a_piece_is_as_large_as_what_is_in_it),
		cmocka_unit_test(a_piece_stands_in_for_a_buffer),
		cmocka_unit_test(every_share_leaves_room_for_another),
		cmocka_unit_test(crimes_end_the_program),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
