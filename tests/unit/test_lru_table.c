/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "balance/lru_table.h"

#include <setjmp.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct lru_key key_of(uint64_t n)
{
	return (struct lru_key){ n, ~n };
}

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_true(addr_parse(text, &addr));
	return addr;
}

static void the_least_recently_used_makes_room(void **state)
{
	struct lru_table t;

	(void)state;
	assert_int_equal(lru_init(&t, 3, 1), 0);
	for (uint64_t n = 1; n <= 3; n++)
		lru_get(&t, key_of(n))->value = n;
	lru_touch(&t, lru_find(&t, key_of(1)));
	assert_non_null(lru_get(&t, key_of(4)));
	assert_null(lru_find(&t, key_of(2)));
	assert_int_equal(lru_find(&t, key_of(1))->value, 1);
	assert_int_equal(lru_find(&t, key_of(4))->value, 0);
	assert_int_equal(t.used, 3);
	lru_finish(&t);
}

static void the_held_stay_whatever_comes(void **state)
{
	struct lru_table t;

	(void)state;
	assert_int_equal(lru_init(&t, 100, 1), 0);
	for (uint64_t n = 0; n < 50; n++) {
		struct lru_entry *e = lru_get(&t, key_of(n));

		e->value = n;
		lru_hold(&t, e);
	}
	for (uint64_t n = 1000; n < 100000; n++)
		assert_non_null(lru_get(&t, key_of(n)));
	for (uint64_t n = 0; n < 50; n++)
		assert_int_equal(lru_find(&t, key_of(n))->value, n);
	assert_int_equal(t.used, 100);
	lru_finish(&t);
}

static void there_is_no_room_when_all_are_held(void **state)
{
	struct lru_table t;
	struct lru_entry *e;

	(void)state;
	assert_int_equal(lru_init(&t, 2, 1), 0);
	for (uint64_t n = 0; n < 2; n++)
		lru_hold(&t, lru_get(&t, key_of(n)));
	assert_null(lru_get(&t, key_of(2)));
	assert_non_null(lru_get(&t, key_of(1)));
	e = lru_find(&t, key_of(1));
	lru_hold(&t, e);
	lru_release(&t, e);
	assert_null(lru_get(&t, key_of(2)));
	lru_release(&t, e);
	assert_non_null(lru_get(&t, key_of(2)));
	assert_null(lru_find(&t, key_of(1)));
	lru_finish(&t);
}

static void a_table_of_none_has_no_room(void **state)
{
	struct lru_table t;

	(void)state;
	assert_int_equal(lru_init(&t, 0, 1), 0);
	assert_null(lru_get(&t, key_of(1)));
	assert_null(lru_find(&t, key_of(1)));
	lru_finish(&t);
}

#define KEYS 64
#define ROOM 20

/* What the table must hold, in an array in which everything is searched for. */
struct model {
	struct row {
		bool is_in;
		unsigned held;
		unsigned used;
		uint64_t value;
	} rows[KEYS];
	unsigned in, now;
};

static struct row *oldest_unheld(struct model *m)
{
	struct row *oldest = NULL;

	for (struct row *r = m->rows; r < m->rows + KEYS; r++)
		if (r->is_in && !r->held && (!oldest || r->used < oldest->used))
			oldest = r;
	return oldest;
}

static void get(struct lru_table *t, struct model *m, unsigned k, uint64_t value)
{
	struct lru_entry *e = lru_get(t, key_of(k));
	struct row *oldest = oldest_unheld(m);

	assert_int_equal(e != NULL, m->rows[k].is_in || m->in < ROOM || oldest);
	if (!e || m->rows[k].is_in)
		return;
	if (m->in == ROOM)
		oldest->is_in = false;
	else
		m->in++;
	e->value = value;
	m->rows[k] = (struct row){ .is_in = true, .used = ++m->now, .value = value };
}

static void use(struct lru_table *t, struct model *m, unsigned k, unsigned what)
{
	struct lru_entry *e = lru_find(t, key_of(k));
	struct row *r = &m->rows[k];

	if (what < 2) {
		lru_touch(t, e);
		r->used = r->held ? r->used : ++m->now;
	} else if (what < 4) {
		lru_hold(t, e);
		r->held++;
	} else if (what < 7 && r->held) {
		lru_release(t, e);
		r->used = ++m->now;
		r->held--;
	} else if (what == 7 && !r->held) {
		lru_remove(t, e);
		r->is_in = false;
		m->in--;
	}
}

static void any_life_agrees_with_a_plain_search(void **state)
{
	struct model m = { 0 };
	uint32_t random = 9;
	struct lru_table t;

	(void)state;
	assert_int_equal(lru_init(&t, ROOM, 1), 0);
	for (unsigned i = 0; i < 100000; i++) {
		random = random * 1664525 + 1013904223;
		unsigned k = (random >> 8) % KEYS, what = random >> 28;
		struct lru_entry *e = lru_find(&t, key_of(k));

		assert_int_equal(e != NULL, m.rows[k].is_in);
		if (e)
			assert_int_equal(e->value, m.rows[k].value);
		if (what < 8)
			get(&t, &m, k, i);
		else if (e)
			use(&t, &m, k, what - 8);
		assert_int_equal(t.used, m.in);
	}
	lru_finish(&t);
}

static void a_hundred_thousand_take_five_megabytes(void **state)
{
	struct lru_table t;

	(void)state;
	assert_int_equal(lru_init(&t, 100000, 1), 0);
	/* As ringmain.ini(5) says. */
	assert_in_range(malloc_usable_size(t.entries) + malloc_usable_size(t.heads), 5000000,
			5347737);
	for (uint64_t n = 0; n < 100000; n++)
		assert_non_null(lru_get(&t, key_of(n)));
	for (uint64_t n = 0; n < 100000; n++)
		assert_non_null(lru_find(&t, key_of(n)));
	lru_finish(&t);
}

static void addresses_of_one_block_have_one_key(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned bits4, bits6;
		bool is_same;
	} cases[] = {
		{ "10.1.2.3:1", "10.1.2.3:2", 32, 64, true },
		{ "10.1.2.3:1", "10.1.2.4:1", 32, 64, false },
		{ "10.1.2.3:1", "10.1.2.4:1", 24, 64, true },
		{ "10.1.2.3:1", "10.1.3.3:1", 24, 64, false },
		{ "10.1.2.3:1", "10.1.3.3:1", 23, 64, true },
		{ "10.1.2.3:1", "99.1.3.3:1", 0, 64, true },
		{ "10.1.2.3:1", "[::ffff:10.1.2.3]:1", 32, 0, true },
		{ "[2001:db8::1]:1", "[2001:db8::2]:1", 32, 64, true },
		{ "[2001:db8::1]:1", "[2001:db8::2]:1", 32, 128, false },
		{ "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", 32, 64, false },
		{ "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", 32, 48, true },
		{ "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", 32, 62, true },
		{ "[2001:db8::1]:1", "10.1.2.3:1", 0, 64, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a = addr_of(cases[i].a), b = addr_of(cases[i].b);
		struct lru_key ka, kb;

		assert_true(lru_key_from_addr(&a, cases[i].bits4, cases[i].bits6, &ka));
		assert_true(lru_key_from_addr(&b, cases[i].bits4, cases[i].bits6, &kb));
		assert_int_equal(memcmp(&ka, &kb, sizeof(ka)) == 0, cases[i].is_same);
	}
}

static void unix_sockets_have_no_key(void **state)
{
	struct addr addr = addr_of("unix:/tmp/x");
	struct lru_key key;

	(void)state;
	assert_false(lru_key_from_addr(&addr, 32, 64, &key));
}

static void bytes_have_keys_of_both_hashes(void **state)
{
	struct lru_table t;
	struct lru_key a, b;

	(void)state;
	assert_int_equal(lru_init(&t, 1, 77), 0);
	a = lru_key_from_bytes(t.seed, "db1.example.com", 15);
	b = lru_key_from_bytes(t.seed, "db2.example.com", 15);
	assert_true(a.a != b.a);
	assert_true(a.b != b.b);
	assert_true(a.a != a.b);
	lru_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_recently_used_makes_room),
		cmocka_unit_test(the_held_stay_whatever_comes),
		cmocka_unit_test(there_is_no_room_when_all_are_held),
		cmocka_unit_test(a_table_of_none_has_no_room),
		cmocka_unit_test(any_life_agrees_with_a_plain_search),
		cmocka_unit_test(a_hundred_thousand_take_five_megabytes),
		cmocka_unit_test(addresses_of_one_block_have_one_key),
		cmocka_unit_test(unix_sockets_have_no_key),
		cmocka_unit_test(bytes_have_keys_of_both_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
