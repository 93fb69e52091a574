/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/cancel_keys.h"

#include <time.h>

#include "unit/runtime_bed.h"

#define SEED 17

static void a_client_is_known_as_long_as_it_has_sessions(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .backends = 2 });
	struct cancel_keys *c = cancel_keys_create(8, SEED);
	struct backend *b0 = bed_backend(st, 0), *b1 = bed_backend(st, 1);
	uint64_t found;
	struct pool *pool;

	assert_false(cancel_keys_find(c, 1, 0, &pool, &found));
	cancel_keys_remember(c, 1, st->runtime->pools[0], b1);
	cancel_keys_remember(c, 1, st->runtime->pools[0], b0);
	cancel_keys_remember(c, 1, st->runtime->pools[0], b1);
	cancel_keys_remember(c, 2, st->runtime->pools[0], b1);
	assert_true(cancel_keys_find(c, 1, 0, &pool, &found));
	assert_int_equal(found, b0->id);
	assert_true(cancel_keys_find(c, 1, b0->id, &pool, &found));
	assert_int_equal(found, b1->id);
	assert_false(cancel_keys_find(c, 1, b1->id, &pool, &found));
	cancel_keys_forget(c, 1, b1);
	cancel_keys_forget(c, 1, b0);
	assert_true(cancel_keys_find(c, 1, b0->id, &pool, &found));
	cancel_keys_forget(c, 1, b1);
	assert_false(cancel_keys_find(c, 1, 0, &pool, &found));
	assert_true(cancel_keys_find(c, 2, 0, &pool, &found));
	cancel_keys_forget(c, 2, b1);
	cancel_keys_destroy(c);
}

static struct cancel_key key_of(uint32_t n)
{
	struct cancel_key key = { .n = 2 * sizeof(n) };

	memcpy(key.bytes, &n, sizeof(n));
	memcpy(key.bytes + sizeof(n), &n, sizeof(n));
	return key;
}

/* Nobody who does not know the seed can tell which keys, or addresses, lie side by side. */
static void where_a_key_lies_depends_on_the_seed(void **state)
{
	struct cancel_keys *a = cancel_keys_create(8, 1), *b = cancel_keys_create(8, 2);
	struct cancel_key key = key_of(1), other = key_of(1);
	struct addr client;

	(void)state;
	assert_true(addr_parse("192.0.2.1:80", &client));
	assert_int_not_equal(cancel_keys_hash(a, &key), cancel_keys_hash(b, &key));
	assert_int_not_equal(cancel_keys_hash_client(a, &client, 0),
			     cancel_keys_hash_client(b, &client, 0));
	assert_int_not_equal(cancel_keys_hash_client(a, &client, 0),
			     cancel_keys_hash_client(a, &client, 1));
	other.bytes[0]++;
	assert_int_not_equal(cancel_keys_hash(a, &key), cancel_keys_hash(a, &other));
	assert_int_equal(cancel_keys_hash(a, &key), cancel_keys_hash(a, &key));
	cancel_keys_destroy(a);
	cancel_keys_destroy(b);
}

static void when_it_is_full_what_is_known_stays(void **state)
{
	struct bed *st = bed_of(state, "");
	struct cancel_keys *c = cancel_keys_create(3, SEED);
	struct backend *b0 = bed_backend(st, 0);
	uint64_t found;
	struct pool *pool;

	for (uint64_t hash = 1; hash <= 4; hash++)
		cancel_keys_remember(c, hash, st->runtime->pools[0], b0);
	for (uint64_t hash = 1; hash <= 3; hash++)
		assert_true(cancel_keys_find(c, hash, 0, &pool, &found));
	assert_false(cancel_keys_find(c, 4, 0, &pool, &found));
	for (uint64_t hash = 1; hash <= 4; hash++)
		cancel_keys_forget(c, hash, b0);
	cancel_keys_destroy(c);
}

static uint64_t spent_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define MANY 1000000u
#define LOOKS 2000u

/* Some 0.3 us; with a chain of hundreds for each 40 and more, and the others wait for the lock. */
static void a_look_is_short_among_a_million(void **state)
{
	struct bed *st = bed_of(state, "");
	struct cancel_keys *c = cancel_keys_create(MANY, SEED);
	struct backend *b0 = bed_backend(st, 0);
	uint64_t found;
	uint64_t started_ns;
	struct pool *pool;

	for (uint32_t n = 0; n < MANY; n++) {
		struct cancel_key key = key_of(n);

		cancel_keys_remember(c, cancel_keys_hash(c, &key), st->runtime->pools[0], b0);
	}
	started_ns = spent_ns();
	for (uint32_t n = 0; n < LOOKS; n++) {
		struct cancel_key key = key_of(n * (MANY / LOOKS));

		assert_true(cancel_keys_find(c, cancel_keys_hash(c, &key), 0, &pool, &found));
	}
	assert_in_range((spent_ns() - started_ns) / LOOKS, 0, 10000);
	for (uint32_t n = 0; n < MANY; n++) {
		struct cancel_key key = key_of(n);

		cancel_keys_forget(c, cancel_keys_hash(c, &key), b0);
	}
	cancel_keys_destroy(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_client_is_known_as_long_as_it_has_sessions),
		bed_test(where_a_key_lies_depends_on_the_seed),
		bed_test(when_it_is_full_what_is_known_stays),
		bed_test(a_look_is_short_among_a_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
