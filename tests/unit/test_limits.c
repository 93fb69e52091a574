/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND 1000000000ull

static const struct limits_config defaults = {
	.sources_max = 1000,
	.bits4 = 32,
	.bits6 = 64,
	.sessions_max = 3,
};

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_true(addr_parse(text, &addr));
	return addr;
}

/* The n-th of many sources. */
static struct addr source_of(uint32_t n)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(n) };
	struct addr addr;

	addr_from_sockaddr(&addr, (const struct sockaddr *)&in4, sizeof(in4));
	return addr;
}

static enum limits_answer enter(struct limits *l, const char *text, uint64_t now_ns)
{
	struct addr addr = addr_of(text);
	uint32_t number;

	return limits_enter(l, &addr, now_ns, &number);
}

static void a_source_has_so_many_sessions_and_no_more(void **state)
{
	struct limits *l = limits_create(&defaults, 1);
	struct addr a = addr_of("10.0.0.1:1000");
	uint32_t numbers[3], number;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(limits_enter(l, &a, 0, &numbers[i]), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:2000", 0), LIMITS_SESSIONS);
	assert_int_equal(enter(l, "10.0.0.2:1000", 0), LIMITS_FINE);
	limits_leave(l, numbers[1]);
	assert_int_equal(limits_enter(l, &a, 0, &number), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:2000", 0), LIMITS_SESSIONS);
	limits_destroy(l);
}

static void a_block_of_addresses_is_one_source(void **state)
{
	struct limits_config config = defaults;
	struct limits *l;

	(void)state;
	config.bits4 = 24;
	config.bits6 = 48;
	config.sessions_max = 2;
	l = limits_create(&config, 1);
	assert_int_equal(enter(l, "10.0.0.1:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.2:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "[::ffff:10.0.0.3]:1", 0), LIMITS_SESSIONS);
	assert_int_equal(enter(l, "10.0.1.3:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "[2001:db8:0:1::1]:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "[2001:db8:0:2::1]:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "[2001:db8:0:3::1]:1", 0), LIMITS_SESSIONS);
	limits_destroy(l);
}

static void a_source_comes_no_faster_than_it_may(void **state)
{
	struct limits_config config = defaults;
	uint64_t now_ns = 7 * SECOND;
	struct limits *l;

	(void)state;
	config.sessions_max = 0;
	config.sessions = (struct bucket_rate){ .per_second = 10, .burst = 5 };
	l = limits_create(&config, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(enter(l, "10.0.0.1:1", now_ns), LIMITS_FINE);
	/* Who is refused does not pay for it. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(enter(l, "10.0.0.1:1", now_ns), LIMITS_RATE);
	assert_int_equal(enter(l, "10.0.0.2:1", now_ns), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:1", now_ns + SECOND / 10), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:1", now_ns + SECOND / 10), LIMITS_RATE);
	limits_destroy(l);
}

static void unix_sockets_are_not_limited(void **state)
{
	struct limits *l = limits_create(&defaults, 1);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(enter(l, "unix:/run/x", 0), LIMITS_FINE);
	limits_leave(l, LRU_NONE);
	limits_destroy(l);
}

static void a_flood_does_not_make_it_forget_who_is_there(void **state)
{
	struct limits_config config = defaults;
	uint32_t numbers[900];
	struct limits *l;

	(void)state;
	config.sessions_max = 1;
	l = limits_create(&config, 1);
	for (uint32_t n = 0; n < 900; n++) {
		struct addr a = source_of(n);

		assert_int_equal(limits_enter(l, &a, 0, &numbers[n]), LIMITS_FINE);
	}
	for (uint32_t n = 1000; n < 200000; n++) {
		struct addr a = source_of(n);
		uint32_t number;

		assert_int_equal(limits_enter(l, &a, 0, &number), LIMITS_FINE);
		limits_leave(l, number);
	}
	for (uint32_t n = 0; n < 900; n++) {
		struct addr a = source_of(n);
		uint32_t number;

		assert_int_equal(limits_enter(l, &a, 0, &number), LIMITS_SESSIONS);
		limits_leave(l, numbers[n]);
	}
	limits_destroy(l);
}

static void a_full_table_is_said_to_be_full(void **state)
{
	struct limits_config config = defaults;
	struct limits *l;

	(void)state;
	config.sources_max = 2;
	l = limits_create(&config, 1);
	assert_int_equal(enter(l, "10.0.0.1:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.2:1", 0), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.3:1", 0), LIMITS_TABLE_FULL);
	assert_int_equal(enter(l, "10.0.0.2:1", 0), LIMITS_FINE);
	limits_destroy(l);
}

static void a_hundred_thousand_sources_fit_in_what_is_documented(void **state)
{
	struct limits_config config = defaults;
	struct limits *l;

	(void)state;
	config.sources_max = 100000;
	config.sessions_max = 1;
	l = limits_create(&config, 1);
	for (int round = 0; round < 2; round++) {
		for (uint32_t n = 0; n < 100000; n++) {
			struct addr a = source_of(n * 7);
			uint32_t number;

			assert_int_equal(limits_enter(l, &a, 0, &number),
					 round ? LIMITS_SESSIONS : LIMITS_FINE);
		}
	}
	limits_destroy(l);
}

static void *push(void *arg)
{
	struct addr a = addr_of("10.0.0.1:1");

	for (int i = 0; i < 20000; i++) {
		uint32_t number;

		if (limits_enter(arg, &a, 0, &number) == LIMITS_FINE)
			limits_leave(arg, number);
	}
	return NULL;
}

/* When all have gone there is room for exactly as many as before. */
static void threads_are_counted_together(void **state)
{
	struct limits_config few = defaults;
	struct limits *l;
	struct addr a = addr_of("10.0.0.1:1");
	pthread_t threads[4];
	uint32_t number;

	(void)state;
	few.sessions_max = 2;
	few.sessions.per_second = 0;
	l = limits_create(&few, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push, l), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(limits_enter(l, &a, 0, &number), LIMITS_FINE);
	assert_int_equal(limits_enter(l, &a, 0, &number), LIMITS_FINE);
	assert_int_equal(limits_enter(l, &a, 0, &(uint32_t){ 0 }), LIMITS_SESSIONS);
	limits_destroy(l);
}

static void change(struct limits *l, const struct limits_config *config)
{
	struct lru_fresh fresh = { 0 };

	assert_int_equal(limits_prepare(l, config, 1, &fresh), 0);
	limits_change(l, config, &fresh);
}

static void another_size_forgets_nobody(void **state)
{
	struct limits_config config = defaults;
	struct limits *l = limits_create(&config, 1);
	struct addr a = addr_of("10.0.0.1:1000");
	uint32_t before[2], after, later;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(limits_enter(l, &a, 0, &before[i]), LIMITS_FINE);
	config.sources_max = 16;
	change(l, &config);
	assert_int_equal(limits_enter(l, &a, 0, &after), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:1000", 0), LIMITS_SESSIONS);
	limits_leave(l, before[0]);
	assert_int_equal(limits_enter(l, &a, 0, &later), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.1:1000", 0), LIMITS_SESSIONS);
	limits_leave(l, before[1]);
	limits_leave(l, after);
	limits_leave(l, later);
	limits_destroy(l);
}

static void its_rate_goes_on_with_another_size(void **state)
{
	struct limits_config config = defaults;
	struct limits *l;
	struct addr a = addr_of("10.0.0.1:1000");
	uint32_t number;

	(void)state;
	config.sessions = (struct bucket_rate){ .per_second = 1, .burst = 1 };
	l = limits_create(&config, 1);
	assert_int_equal(limits_enter(l, &a, SECOND, &number), LIMITS_FINE);
	config.sources_max = 16;
	change(l, &config);
	assert_int_equal(enter(l, "10.0.0.1:1000", SECOND), LIMITS_RATE);
	limits_leave(l, number);
	limits_destroy(l);
}

static void another_prefix_begins_anew(void **state)
{
	struct limits_config config = defaults;
	struct limits *l = limits_create(&config, 1);
	struct addr a = addr_of("10.0.0.0:1000");
	uint32_t before[3], after[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(limits_enter(l, &a, 0, &before[i]), LIMITS_FINE);
	config.bits4 = 24;
	change(l, &config);
	for (int i = 0; i < 3; i++)
		assert_int_equal(limits_enter(l, &a, 0, &after[i]), LIMITS_FINE);
	assert_int_equal(enter(l, "10.0.0.77:1000", 0), LIMITS_SESSIONS);
	for (int i = 0; i < 3; i++) {
		limits_leave(l, before[i]);
		limits_leave(l, after[i]);
	}
	limits_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_so_many_sessions_and_no_more),
		cmocka_unit_test(a_block_of_addresses_is_one_source),
		cmocka_unit_test(a_source_comes_no_faster_than_it_may),
		cmocka_unit_test(unix_sockets_are_not_limited),
		cmocka_unit_test(a_flood_does_not_make_it_forget_who_is_there),
		cmocka_unit_test(a_full_table_is_said_to_be_full),
		cmocka_unit_test(a_hundred_thousand_sources_fit_in_what_is_documented),
		cmocka_unit_test(threads_are_counted_together),
		cmocka_unit_test(another_size_forgets_nobody),
		cmocka_unit_test(its_rate_goes_on_with_another_size),
		cmocka_unit_test(another_prefix_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
