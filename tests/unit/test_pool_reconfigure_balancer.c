/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconfigure_bed.h"

#include "health_defaults.h"

#include "base/check.h"

#include <errno.h>
#include <pthread.h>

/* ---- balancers ------------------------------------------------------------------ */

static void change_balancer(void **state, enum balance_kind from, enum balance_kind to)
{
	struct bed *st = bed_of(state, from, "1 1 1");
	struct backend *held = take(st, "b0");
	struct next *next = next_of(st, "b2 b1 b0");

	next->config.balance = to;
	reload(st, next);
	if (to == BALANCE_LEASTCONN) {
		for (uint64_t i = 0; i < 2; i++)
			assert_ptr_not_equal(pick(st, i), held);
		pool_release(st->pool, nth(st, 1));
		pool_release(st->pool, nth(st, 2));
	}
	pool_release(st->pool, held);
	assert_string_equal(reached(st), to == BALANCE_FIRST ? "b2" : "b0 b1 b2");
	bed_teardown(state);
}

static void another_balancer_takes_over_with_all_sessions(void **state)
{
	for (size_t from = 0; from < ARRAY_LEN(kinds); from++)
		for (size_t to = 0; to < ARRAY_LEN(kinds); to++)
			change_balancer(state, kinds[from], kinds[to]);
}

static void first_follows_the_order_of_the_file(void **state)
{
	struct bed *st = bed_of(state, BALANCE_FIRST, "1 1 1");

	reload(st, next_of(st, "c0 b2 b0 b1"));
	assert_string_equal(reached(st), "c0");
	pool_set_state(st->pool, named(st, "c0"), BACKEND_DOWN, 0);
	assert_string_equal(reached(st), "b2");
	pool_set_state(st->pool, named(st, "b2"), BACKEND_DOWN, 0);
	assert_string_equal(reached(st), "b0");
	reload(st, next_of(st, "c0 b2 b1 b0"));
	assert_string_equal(reached(st), "b1");
}

/* Where the pool sends @n keys while nobody is loaded. */
static void list_homes(struct pool *pool, const char **names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pool_ask ask = ask_of(i);
		struct pool_route route;

		assert_true(pool_route(pool, &ask, &route));
		names[i] = pool_backend(pool, (size_t)route.chosen)->config->name;
	}
}

/* Nodes that were started and nodes that were reloaded agree. */
static void hashing_depends_on_the_configuration_alone(void **state)
{
	struct bed *st = bed_of(state, BALANCE_MAGLEV, "1 2 3 4");
	struct backend *held = take(st, "b3");
	const char *here[500], *there[500];
	struct pool *fresh;
	struct next *next;

	reload(st, next_of(st, "b1=2 c0=1"));
	pool_release(st->pool, held);
	pool_collect(st->pool, pool_generation(st->pool));
	next = next_of(st, "c0=3 b0=2 c1=0 b1=2 c2=1");
	next->backends[4].tier = 1;
	reload(st, next);
	fresh = pool_create(&next->config);
	assert_non_null(fresh);
	assert_int_equal(pool_digest(st->pool), pool_digest(fresh));
	list_homes(st->pool, here, ARRAY_LEN(here));
	list_homes(fresh, there, ARRAY_LEN(there));
	for (size_t i = 0; i < ARRAY_LEN(here); i++)
		assert_string_equal(here[i], there[i]);
	pool_destroy(fresh);

	/* Whom its operator has drained keeps its slots over a reload. */
	uint64_t digest = pool_digest(st->pool);

	assert_int_equal(pool_set_weight(st->pool, named(st, "b0"), 0), 0);
	reload(st, next_of(st, "c0=3 b0=2 b1=2 c2=1"));
	next = next_of(st, "c0=3 b0=2 c1=0 b1=2 c2=1");
	next->backends[4].tier = 1;
	reload(st, next);
	assert_int_equal(pool_digest(st->pool), digest);
	next = next_of(st, "c0=3 b0=0 c1=0 b1=2 c2=1");
	next->backends[4].tier = 1;
	reload(st, next);
	assert_int_not_equal(pool_digest(st->pool), digest);
}

static void a_reload_that_changes_nothing_keeps_the_balancer(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1 1");
	int order[8];

	for (int i = 0; i < 8; i++) {
		order[i] = bed_index(st);
		reload(st, next_of(st, "b0 b1 b2 b3"));
		if (i >= 4)
			assert_int_equal(order[i], order[i - 4]);
		for (int k = i & 4; k < i; k++)
			assert_int_not_equal(order[i], order[k]);
	}
}

/* ---- queue ----------------------------------------------------------------------- */

static struct bed *bed_with_queue(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "1");

	st->backends[0].sessions_max = 1;
	st->config.queue_max = 3;
	st->config.queue_timeout_ms = 1000;
	bed_start(st);
	return st;
}

static void who_waits_is_served_in_order_by_who_comes(void **state)
{
	struct bed *st = bed_with_queue(state);
	struct pool_waiter w[4] = { 0 }, late = { 0 };
	struct next *next = next_of(st, "b0 b1");

	for (int i = 0; i < 4; i++)
		assert_int_equal(pool_pick_or_wait(st->pool, &w[i], 0),
				 i == 0 ? POOL_PICKED : POOL_WAITING);
	next->backends[0].sessions_max = 1;
	next->backends[1].sessions_max = 2;
	next->config.queue_max = 1;
	next->config.queue_timeout_ms = 9000;
	assert_false(pool_may_serve_queue(st->pool));
	reload(st, next);
	assert_true(pool_may_serve_queue(st->pool));
	assert_ptr_equal(pool_serve_next(st->pool, 1), &w[1]);
	assert_string_equal(w[1].backend->config->name, "b1");
	assert_ptr_equal(pool_serve_next(st->pool, 1), &w[2]);
	assert_null(pool_serve_next(st->pool, 1));
	assert_true(w[3].node.is_waiting);
	assert_int_equal(w[3].node.deadline_ms, 1000);
	assert_int_equal(pool_pick_or_wait(st->pool, &late, 1), POOL_ALL_FULL);

	/* More room where there is one already. */
	next = next_of(st, "b0 b1");
	next->backends[0].sessions_max = 2;
	next->backends[1].sessions_max = 2;
	next->config.queue_timeout_ms = 9000;
	reload(st, next);
	assert_ptr_equal(pool_serve_next(st->pool, 2), &w[3]);
	assert_null(pool_serve_next(st->pool, 2));
	assert_int_equal(pool_pick_or_wait(st->pool, &late, 2), POOL_WAITING);
	assert_int_equal(late.node.deadline_ms, 9002);
	assert_true(pool_leave(st->pool, &late));
	for (int i = 0; i < 4; i++)
		pool_release(st->pool, w[i].backend);
}

static void a_slot_of_who_leaves_is_nobodys(void **state)
{
	struct bed *st = bed_with_queue(state);
	struct pool_waiter w[2] = { 0 };

	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_PICKED);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[1], 0), POOL_WAITING);
	reload(st, next_of(st, ""));
	pool_release(st->pool, w[0].backend);
	assert_null(pool_may_serve_queue(st->pool) ? pool_serve_next(st->pool, 1) : NULL);
	assert_int_equal(pool_pick_or_wait(st->pool, &w[0], 0), POOL_NONE_READY);
	reload(st, next_of(st, "c0"));
	assert_true(pool_may_serve_queue(st->pool));
	assert_ptr_equal(pool_serve_next(st->pool, 1), &w[1]);
	pool_release(st->pool, w[1].backend);
}

/* ---- no memory -------------------------------------------------------------------- */

#if !WITH_ASAN && !WITH_TSAN
/* The C library's own, by the names that it has for those who put theirs in front. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_memalign(size_t alignment, size_t n);

static unsigned until_failure; /* 0: none is to come */

static bool is_to_fail(void)
{
	return until_failure > 0 && --until_failure == 0;
}

void *malloc(size_t n)
{
	return is_to_fail() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return is_to_fail() ? NULL : __libc_calloc(n, size);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	return is_to_fail() ? NULL : __libc_memalign(alignment, n);
}

/* Gives at which allocation it succeeded. */
static unsigned reload_without_memory(struct bed *st, struct next *next)
{
	const struct pool_config *before = pool_config(st->pool);
	int err = -ENOMEM;
	unsigned n = 0;

	while (err < 0) {
		until_failure = ++n;
		err = pool_reconfigure(st->pool, &next->config);
		if (err == 0)
			break;
		until_failure = 0;
		assert_int_equal(err, -ENOMEM);
		assert_ptr_equal(pool_config(st->pool), before);
		assert_int_equal(pool_generation(st->pool), 0);
		assert_int_equal(pool_backends(st->pool), 3);
		assert_int_equal(nth(st, 0)->config->weight, 1);
		assert_string_equal(reached(st),
				    st->config.balance == BALANCE_FIRST ? "b0" : "b0 b1 b2");
	}
	until_failure = 0;
	return n;
}

static void without_memory_nothing_changes(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_of(state, kinds[k], "1 1 1");
		struct next *next = next_of(st, "b0=3 b2=0 c0 c1 c2");

		next->config.balance = kinds[(k + 1) % ARRAY_LEN(kinds)];
		assert_in_range(reload_without_memory(st, next), 10, 40);
		assert_string_equal(reached(st),
				    next->config.balance == BALANCE_FIRST ? "b0" : "b0 c0 c1 c2");
		bed_teardown(state);
	}
}
#endif

/* ---- threads ---------------------------------------------------------------------- */

#define WORKERS 3
#define RELOADS 150

static struct {
	struct bed *st;
	atomic_bool is_over;
	atomic_uint_fast64_t seen[WORKERS]; /* the number of the reload that each has seen */
	atomic_uint_fast64_t reloads;
	atomic_uint served;
} house;

/* What a session does: tries, reports, waits, reads what it is about to connect to. */
static void live_once(struct bed *st, uint64_t i, uint64_t *id)
{
	struct pool_waiter w = { .ask = ask_of(i) };
	struct backend *b = *id != 0 ? pool_take(st->pool, *id, 0) : NULL;

	while (w.ask.tried_n < 3) {
		if (!b && pool_pick_or_wait(st->pool, &w, 1) == POOL_PICKED)
			b = w.backend;
		if (!b)
			break;
		CHECK(b->config->name[0] == 'b' || b->config->name[0] == 'c');
		CHECK(pool_config(st->pool)->queue_timeout_ms == 1000);
		pool_on_connect(st->pool, b, i % 5 ? HEALTH_FINE : HEALTH_FAILED, i);
		*id = b->id;
		w.ask.tried[w.ask.tried_n++] = (uint16_t)b->index;
		pool_release(st->pool, b);
		house.served++;
		b = NULL;
		if (i % 3)
			break;
	}
	if (w.node.is_waiting && !pool_leave(st->pool, &w))
		pool_release(st->pool, w.backend);
}

static void *work(void *arg)
{
	atomic_uint_fast64_t *seen = arg;
	uint64_t id = 0;

	for (uint64_t i = 0; !house.is_over; i++) {
		*seen = house.reloads;
		live_once(house.st, i, &id);
	}
	return NULL;
}

static uint64_t seen_by_all(void)
{
	uint64_t least = house.reloads;

	for (int i = 0; i < WORKERS; i++)
		least = MIN(least, house.seen[i]);
	return least;
}

static void workers_go_on_while_it_is_reloaded(void **state)
{
	static const char *const texts[] = { "b0 b1 b2", "b1=3 c0", "c0 c1 b0=2 b1", "c2 b0=0 c1",
					     "b2 b1 b0" };
	static struct next nexts[4]; /* the one before is read until all have passed */
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1 1");
	pthread_t threads[WORKERS];
	unsigned left;

	st->config.queue_max = 10;
	st->config.queue_timeout_ms = 1000;
	st->config.eject = health_eject_default;
	st->config.hash_table_slots = 251;
	bed_start(st);
	house.st = st;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &house.seen[i]), 0);
	for (size_t n = 0; n < RELOADS; n++) {
		unsigned served = house.served;

		struct next *next = &nexts[n % ARRAY_LEN(nexts)];

		while (seen_by_all() + 2 < pool_generation(st->pool))
			;
		write_next(next, st, texts[n % ARRAY_LEN(texts)]);
		next->config.balance = kinds[n / 2 % ARRAY_LEN(kinds)];
		reload(st, next);
		house.reloads = pool_generation(st->pool);
		pool_collect(st->pool, seen_by_all());
		if (named(st, "b1"))
			assert_int_equal(pool_set_weight(st->pool, named(st, "b1"), n % 4), 0);
		while (house.served < served + 20)
			;
	}
	house.is_over = true;
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	left = pool_collect(st->pool, pool_generation(st->pool));
	assert_int_equal(left, 0);
	assert_true(pool_backends(st->pool) < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(another_balancer_takes_over_with_all_sessions),
		bed_test(first_follows_the_order_of_the_file),
		bed_test(hashing_depends_on_the_configuration_alone),
		bed_test(a_reload_that_changes_nothing_keeps_the_balancer),
		bed_test(who_waits_is_served_in_order_by_who_comes),
		bed_test(a_slot_of_who_leaves_is_nobodys),
#if !WITH_ASAN && !WITH_TSAN
		bed_test(without_memory_nothing_changes),
#endif
		bed_test(workers_go_on_while_it_is_reloaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
