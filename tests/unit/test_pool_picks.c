/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for picks of every balancer alike. */
#include "balance_bed.h"

#include <pthread.h>

static const enum balance_kind kinds[] = { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN, BALANCE_RANDOM,
					   BALANCE_MAGLEV, BALANCE_FIRST };

static struct backend *nth(struct bed *st, size_t i)
{
	return pool_backend(st->pool, i);
}

static void release_all(struct bed *st)
{
	for (size_t i = 0; i < pool_backends(st->pool); i++)
		while (nth(st, i)->sessions > 0)
			pool_release(st->pool, nth(st, i));
}

static struct pool_ask ask_of(uint64_t n)
{
	return (struct pool_ask){ .key = n * 0x9e3779b97f4a7c15 };
}

/* ---- memory ---- */

#if !WITH_ASAN && !WITH_TSAN
/* The C library's own, by the names that it has for those who put theirs in front. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static bool is_counting;
static unsigned allocations;

void *malloc(size_t n)
{
	allocations += is_counting;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations += is_counting;
	return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	allocations += is_counting;
	return __libc_realloc(old, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	allocations += is_counting;
	return __libc_memalign(alignment, n);
}

/* A day in the life of a pool: picks, tries, queue, failures, checks, time. */
static void live(struct bed *st)
{
	struct pool_waiter waiters[4] = { 0 };
	struct backend *returned;
	uint64_t delay_ms;

	for (uint64_t i = 0; i < 3000; i++) {
		struct pool_waiter *w = &waiters[i % ARRAY_LEN(waiters)];
		struct pool_ask ask = ask_of(i);
		struct pool_route route;
		enum pool_answer why;
		struct backend *b;

		while (ask.tried_n < 3 && (b = pool_pick(st->pool, &ask, &why))) {
			ask.tried[ask.tried_n++] = (uint16_t)b->index;
			pool_on_connect(st->pool, b, i % 3 ? HEALTH_FINE : HEALTH_FAILED, i);
			if (ask.tried_n < 3)
				pool_release(st->pool, b);
		}
		if (w->node.is_waiting)
			assert_true(pool_leave(st->pool, w));
		assert_int_not_equal(pool_pick_or_wait(st->pool, w, i), POOL_ANSWERS);
		assert_int_equal(pool_route(st->pool, &ask, &route),
				 st->config.balance == BALANCE_MAGLEV);
		pool_on_check(st->pool, nth(st, i % 9), i % 5 > 0, 0, &delay_ms);
		pool_set_state(st->pool, nth(st, i % 7), i % 2 ? BACKEND_READY : BACKEND_DRAIN, 0);
		pool_tick(st->pool, i, &returned);
		if (nth(st, i % 9)->sessions > 0)
			pool_release(st->pool, nth(st, i % 9));
		while (pool_may_serve_queue(st->pool) && pool_serve_next(st->pool, i))
			;
	}
	for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
		if (waiters[i].node.is_waiting)
			assert_true(pool_leave(st->pool, &waiters[i]));
}

static void nothing_is_allocated_once_a_pool_is_made(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 2 3 4 5 6 7 8 9");

		for (size_t i = 0; i < 9; i++)
			st->backends[i].sessions_max = 40;
		st->backends[8].tier = 1;
		st->config.queue_max = 3;
		st->config.queue_timeout_ms = 5;
		st->config.slow_start_ms = 100;
		st->config.hash_balance_percent = 125;
		bed_start(st);
		is_counting = true;
		live(st);
		is_counting = false;
		assert_int_equal(allocations, 0);
		release_all(st);
		bed_teardown(state);
	}
	/* And had there been one, it would have been seen. */
	is_counting = true;
	free(bed_new(state, BALANCE_FIRST, ""));
	is_counting = false;
	*state = NULL;
	assert_int_equal(allocations, 1);
}
#endif

/* ---- weights ---- */

static void any_weight_from_0_to_256_is_met(void **state)
{
	static const enum balance_kind by_weight[] = { BALANCE_ROUNDROBIN, BALANCE_LEASTCONN,
						       BALANCE_RANDOM, BALANCE_MAGLEV };
	static const unsigned weights[] = { 256, 0, 1, 127, 128, 255 };
	enum { PICKS = 76700 }; /* a hundred for each unit of weight */

	for (size_t k = 0; k < ARRAY_LEN(by_weight); k++) {
		struct bed *st = bed_of(state, by_weight[k], "256 0 1 127 128 255");
		bool is_exact = by_weight[k] == BALANCE_ROUNDROBIN ||
				by_weight[k] == BALANCE_LEASTCONN;

		pool_seed(st->pool, 1);
		for (uint64_t i = 0; i < PICKS; i++) {
			struct pool_ask ask = ask_of(i);
			enum pool_answer why;

			assert_non_null(pool_pick(st->pool, &ask, &why));
		}
		for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
			unsigned fair = 100 * weights[i],
				 off = is_exact ? 0 : fair / 20 + 20 * !!fair;

			assert_in_range(nth(st, i)->sessions, fair - off, fair + off);
		}
		release_all(st);
		bed_teardown(state);
	}
}

/* ---- slow start ---- */

static unsigned picks_of_first(struct bed *st)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < 4000; i++) {
		struct pool_ask ask = ask_of(i);
		enum pool_answer why;
		struct backend *b = pool_pick(st->pool, &ask, &why);

		n += b->index == 0;
		pool_release(st->pool, b);
	}
	return n;
}

static void slow_start_is_for_those_who_go_by_weights(void **state)
{
	/* leastconn goes by sessions, too: see its own tests. */
	static const enum balance_kind others[] = { BALANCE_ROUNDROBIN, BALANCE_RANDOM,
						    BALANCE_MAGLEV, BALANCE_FIRST };

	for (size_t k = 0; k < ARRAY_LEN(others); k++) {
		struct bed *st = bed_new(state, others[k], "1 1");
		struct backend *returned;
		unsigned before, after;
		bool is_static = others[k] == BALANCE_MAGLEV || others[k] == BALANCE_FIRST;

		st->config.slow_start_ms = 10000;
		bed_start(st);
		pool_seed(st->pool, 1);
		before = picks_of_first(st);
		pool_set_state(st->pool, nth(st, 0), BACKEND_DOWN, 0);
		assert_int_equal(picks_of_first(st), 0);
		pool_set_state(st->pool, nth(st, 0), BACKEND_READY, 0);
		after = picks_of_first(st);
		if (is_static)
			assert_int_equal(after, before);
		else
			assert_in_range(after, 4000 / 11 * 9 / 10, 4000 / 11 * 11 / 10);
		assert_int_equal(pool_tick(st->pool, 1, &returned) == POOL_NEVER, is_static);
		assert_true(pool_tick(st->pool, 10001, &returned) == POOL_NEVER);
		assert_in_range(picks_of_first(st), before * 9 / 10, before * 11 / 10);
		bed_teardown(state);
	}
}

/* ---- many workers ---- */

#define WORKERS 4
#define PLACES 20 /* at each backend */
#define BACKENDS 10

struct worker {
	pthread_t thread;
	struct bed *st;
	uint64_t keys;
	unsigned has; /* sessions that it keeps at the end */
};

/* Nobody is ever lifted above its limit, whoever picks at the same time. */
static struct backend *pick_within_limit(struct worker *w)
{
	struct pool_ask ask = ask_of(w->keys++);
	enum pool_answer why;
	struct backend *b = pool_pick(w->st->pool, &ask, &why);

	if (b)
		assert_in_range(b->sessions, 0, PLACES);
	else
		assert_int_equal(why, POOL_ALL_FULL);
	return b;
}

static void *fill(void *arg)
{
	struct worker *w = arg;
	struct backend *held[WORKERS * PLACES * BACKENDS];

	for (int i = 0; i < 20000; i++) {
		if (w->has < 40 && (held[w->has] = pick_within_limit(w)))
			w->has++;
		else if (w->has > 0)
			pool_release(w->st->pool, held[--w->has]);
	}
	while ((held[w->has] = pick_within_limit(w)))
		w->has++;
	return NULL;
}

static void workers_together_fill_every_place_once(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 2 3 4 5 6 7 8 9 10");
		struct worker workers[WORKERS];
		unsigned has = 0;

		for (size_t i = 0; i < BACKENDS; i++)
			st->backends[i].sessions_max = PLACES;
		bed_start(st);
		for (unsigned i = 0; i < WORKERS; i++) {
			workers[i] = (struct worker){ .st = st, .keys = i * 1000000ull };
			assert_int_equal(
				pthread_create(&workers[i].thread, NULL, fill, &workers[i]), 0);
		}
		for (unsigned i = 0; i < WORKERS; i++) {
			pthread_join(workers[i].thread, NULL);
			has += workers[i].has;
		}
		/* The last one to look found all full, and nobody has left since. */
		assert_int_equal(has, PLACES * BACKENDS);
		for (size_t i = 0; i < BACKENDS; i++)
			assert_int_equal(nth(st, i)->sessions, PLACES);
		release_all(st);
		bed_teardown(state);
	}
}

/* ---- the tried ---- */

/* One session tries all eight, and keeps its slots or not. */
static void try_all(struct bed *st, uint64_t n, bool keeps)
{
	struct pool_ask ask = ask_of(n);
	enum pool_answer why;
	unsigned seen = 0;

	for (unsigned i = 0; i < 8; i++) {
		struct backend *b = pool_pick(st->pool, &ask, &why);

		assert_non_null(b);
		assert_false(seen & BIT(b->index));
		seen |= BIT(b->index);
		ask.tried[ask.tried_n++] = (uint16_t)b->index;
		if (!keeps)
			pool_release(st->pool, b);
	}
	assert_null(pool_pick(st->pool, &ask, &why));
	assert_int_equal(why, POOL_NONE_READY);
}

static void nobody_is_tried_twice_by_one_session(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_new(state, kinds[k], "1 256 3 1 7 2 9 1");

		st->backends[3].tier = st->backends[5].tier = 1;
		st->config.hash_balance_percent = 125;
		bed_start(st);
		for (uint64_t n = 0; n < 2000; n++)
			try_all(st, n, n % 16 == 0);
		release_all(st);
		bed_teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if !WITH_ASAN && !WITH_TSAN
		bed_test(nothing_is_allocated_once_a_pool_is_made),
#endif
		bed_test(any_weight_from_0_to_256_is_met),
		bed_test(slow_start_is_for_those_who_go_by_weights),
		bed_test(workers_together_fill_every_place_once),
		bed_test(nobody_is_tried_twice_by_one_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
