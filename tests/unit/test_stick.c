/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/stick.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MINUTE 60000u

static struct lru_key key_of(uint64_t n)
{
	return (struct lru_key){ n, n };
}

static void a_client_comes_back_to_where_it_was(void **state)
{
	struct stick *s = stick_create(100, 10 * MINUTE, 1);
	uint32_t held;

	(void)state;
	assert_int_equal(stick_find(s, key_of(1), 0), 0);
	held = stick_hold(s, key_of(1), 7, 0);
	assert_int_equal(stick_find(s, key_of(1), 0), 7);
	stick_release(s, held, 5 * MINUTE);
	assert_int_equal(stick_find(s, key_of(1), 15 * MINUTE - 1), 7);
	assert_int_equal(stick_find(s, key_of(1), 15 * MINUTE), 0);
	stick_destroy(s);
}

static void nothing_expires_while_a_session_holds_it(void **state)
{
	struct stick *s = stick_create(100, MINUTE, 1);
	uint32_t one = stick_hold(s, key_of(1), 3, 0);
	uint32_t two = stick_hold(s, key_of(1), 3, MINUTE);

	(void)state;
	assert_int_equal(stick_find(s, key_of(1), 1000 * MINUTE), 3);
	stick_release(s, one, 2000 * MINUTE);
	assert_int_equal(stick_find(s, key_of(1), 3000 * MINUTE), 3);
	stick_release(s, two, 4000 * MINUTE);
	assert_int_equal(stick_find(s, key_of(1), 4001 * MINUTE), 0);
	stick_destroy(s);
}

static void the_last_choice_counts(void **state)
{
	struct stick *s = stick_create(100, MINUTE, 1);
	uint32_t one = stick_hold(s, key_of(1), 3, 0);
	uint32_t two = stick_hold(s, key_of(1), 4, 1);

	(void)state;
	assert_int_equal(stick_find(s, key_of(1), 2), 4);
	stick_release(s, two, 3);
	stick_release(s, one, 4);
	assert_int_equal(stick_find(s, key_of(1), 5), 4);
	stick_destroy(s);
}

static void a_flood_pushes_out_only_who_has_no_session(void **state)
{
	struct stick *s = stick_create(1000, 1000 * MINUTE, 1);
	uint32_t held[500];

	(void)state;
	for (uint64_t n = 0; n < 500; n++)
		held[n] = stick_hold(s, key_of(n), n + 1, 0);
	stick_release(s, stick_hold(s, key_of(777), 777, 0), 0);
	for (uint64_t n = 1000; n < 50000; n++)
		stick_release(s, stick_hold(s, key_of(n), 1, 1), 1);
	for (uint64_t n = 0; n < 500; n++)
		assert_int_equal(stick_find(s, key_of(n), 2), n + 1);
	assert_int_equal(stick_find(s, key_of(777), 2), 0);
	for (uint64_t n = 0; n < 500; n++)
		stick_release(s, held[n], 3);
	stick_destroy(s);
}

static void without_room_a_session_goes_on_unremembered(void **state)
{
	struct stick *s = stick_create(1, MINUTE, 1);
	uint32_t one = stick_hold(s, key_of(1), 3, 0);
	uint32_t none = stick_hold(s, key_of(2), 3, 0);

	(void)state;
	assert_int_equal(none, LRU_NONE);
	stick_release(s, none, 1);
	stick_release(s, one, 1);
	stick_destroy(s);
}

static void names_have_keys(void **state)
{
	struct stick *s = stick_create(10, MINUTE, 1);

	(void)state;
	stick_release(s, stick_hold(s, stick_key(s, "a.example", 9), 1, 0), 0);
	stick_release(s, stick_hold(s, stick_key(s, "b.example", 9), 2, 0), 0);
	assert_int_equal(stick_find(s, stick_key(s, "a.example", 9), 1), 1);
	assert_int_equal(stick_find(s, stick_key(s, "b.example", 9), 1), 2);
	assert_int_equal(stick_find(s, stick_key(s, "a.exampl", 8), 1), 0);
	stick_destroy(s);
}

static void *come_and_go(void *arg)
{
	struct stick *s = arg;

	for (uint64_t n = 0; n < 20000; n++) {
		int was = stick_find(s, key_of(n % 300), n);
		uint32_t held = stick_hold(s, key_of(n % 300), was < 0 ? 1 : (unsigned)was, n);

		stick_release(s, held, n);
	}
	return NULL;
}

static void threads_share_a_table(void **state)
{
	struct stick *s = stick_create(100, MINUTE, 1);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stick_destroy(s);
}

static void resize(struct stick *s, uint32_t clients_max, uint64_t now_ms)
{
	struct lru_fresh fresh = { 0 };

	assert_int_equal(stick_prepare(s, clients_max, &fresh), 0);
	stick_change(s, MINUTE, &fresh, now_ms);
}

static void another_size_forgets_nobody(void **state)
{
	struct stick *s = stick_create(100, MINUTE, 1);
	uint32_t stays = stick_hold(s, key_of(1), 7, 0);
	uint32_t moves;

	(void)state;
	stick_release(s, stick_hold(s, key_of(2), 8, 0), 0);
	resize(s, 1000, 0);
	assert_int_equal(stick_find(s, key_of(1), 0), 7);
	assert_int_equal(stick_find(s, key_of(2), MINUTE - 1), 8);
	assert_int_equal(stick_find(s, key_of(2), MINUTE), 0);
	moves = stick_hold(s, key_of(1), 9, 0);
	assert_int_equal(stick_find(s, key_of(1), MINUTE), 9);
	stick_release(s, stays, 0);
	stick_release(s, moves, MINUTE);
	assert_int_equal(stick_find(s, key_of(1), MINUTE), 9);
	stick_destroy(s);
}

static void so_many_sizes_and_no_more_while_sessions_hold_them(void **state)
{
	struct stick *s = stick_create(16, MINUTE, 1);
	struct lru_fresh fresh = { 0 };
	uint32_t held[LRU_TABLES_MAX];

	(void)state;
	for (unsigned n = 0; n < LRU_TABLES_MAX; n++) {
		held[n] = stick_hold(s, key_of(n), n + 1, 0);
		if (n + 1 < LRU_TABLES_MAX)
			resize(s, 17 + n, 0);
	}
	assert_int_equal(stick_prepare(s, 1000, &fresh), -ENOSPC);
	assert_int_equal(stick_find(s, key_of(0), 0), 1);
	stick_release(s, held[3], 0);
	resize(s, 1000, 0);
	assert_int_equal(stick_find(s, key_of(0), 0), 1);
	for (unsigned n = 0; n < LRU_TABLES_MAX; n++)
		if (n != 3)
			stick_release(s, held[n], 0);
	stick_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_comes_back_to_where_it_was),
		cmocka_unit_test(nothing_expires_while_a_session_holds_it),
		cmocka_unit_test(the_last_choice_counts),
		cmocka_unit_test(a_flood_pushes_out_only_who_has_no_session),
		cmocka_unit_test(another_size_forgets_nobody),
		cmocka_unit_test(so_many_sizes_and_no_more_while_sessions_hold_them),
		cmocka_unit_test(without_room_a_session_goes_on_unremembered),
		cmocka_unit_test(names_have_keys),
		cmocka_unit_test(threads_share_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
