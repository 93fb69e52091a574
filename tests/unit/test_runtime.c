/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "state/peers.h"

#include "state/runtime.h"
#include "state/runtime_life.h"

#include <pthread.h>

static struct bed *limited(void **state, unsigned of_process, const char *of_listener)
{
	return bed_with(state, &(struct bed_options){ .sessions_max = of_process,
						      .listener_keys = of_listener });
}

static struct listener *listener_of(struct bed *st)
{
	return &st->runtime->listeners[0];
}

/* ---- slots -------------------------------------------------------------- */

static unsigned admit_all(struct bed *st)
{
	unsigned n = 0;

	while (n < 1000 && runtime_acquire_slot(st->runtime, listener_of(st)))
		n++;
	return n;
}

static void leave_all(struct bed *st, unsigned n)
{
	while (n-- > 0)
		runtime_release_slot(st->runtime, listener_of(st));
	assert_int_equal(atomic_load(&st->runtime->sessions), 0);
	assert_int_equal(atomic_load(&listener_of(st)->sessions), 0);
}

static void the_smaller_limit_counts(void **state)
{
	const struct {
		unsigned process;
		const char *listener;
		unsigned slots;
	} rows[] = {
		{ 10, "", 10 },
		{ 10, "max_sessions = 3", 3 },
		{ 10, "max_sessions = 10", 10 },
		{ 10, "max_sessions = 30", 10 },
		{ 1, "max_sessions = 1", 1 },
	};

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		struct bed *st = limited(state, rows[n].process, rows[n].listener);

		assert_int_equal(runtime_free_slots(st->runtime, listener_of(st)), rows[n].slots);
		assert_int_equal(admit_all(st), rows[n].slots);
		assert_int_equal(runtime_free_slots(st->runtime, listener_of(st)), 0);
		assert_false(runtime_acquire_slot(st->runtime, listener_of(st)));
		runtime_release_slot(st->runtime, listener_of(st));
		assert_int_equal(runtime_free_slots(st->runtime, listener_of(st)), 1);
		assert_true(runtime_acquire_slot(st->runtime, listener_of(st)));
		leave_all(st, rows[n].slots);
		assert_int_equal(bed_teardown(state), 0);
	}
}

#define THREADS 4
#define ROUNDS 20000

struct crowd {
	struct bed *st;
	atomic_uint inside, most;
	atomic_ullong admitted;
};

static void *come_and_go(void *arg)
{
	struct crowd *crowd = arg;

	for (int n = 0; n < ROUNDS; n++) {
		unsigned inside, most;

		if (!runtime_acquire_slot(crowd->st->runtime, listener_of(crowd->st)))
			continue;
		inside = atomic_fetch_add(&crowd->inside, 1) + 1;
		most = atomic_load(&crowd->most);
		while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
			continue;
		atomic_fetch_add(&crowd->admitted, 1);
		atomic_fetch_sub(&crowd->inside, 1);
		runtime_release_slot(crowd->st->runtime, listener_of(crowd->st));
	}
	return NULL;
}

static void the_limit_holds_whoever_comes_at_the_same_time(void **state)
{
	struct crowd crowd = { .st = limited(state, 3, "max_sessions = 2") };
	pthread_t threads[THREADS];

	for (int n = 0; n < THREADS; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, come_and_go, &crowd), 0);
	for (int n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	assert_true(atomic_load(&crowd.most) <= 2);
	assert_true(atomic_load(&crowd.admitted) > 0);
	leave_all(crowd.st, 0);
}

/* ---- which worker -------------------------------------------------------- */

static void a_worker_keeps_what_comes_unless_another_has_clearly_less(void **state)
{
	const struct {
		unsigned loads[3]; /* seen from the first */
		unsigned target;
	} rows[] = {
		{ { 0, 0, 0 }, 0 },       { { 1, 1, 1 }, 0 },        { { 1, 0, 0 }, 1 },
		{ { 1, 1, 0 }, 2 },       { { 2, 1, 1 }, 1 },        { { 15, 14, 15 }, 1 },
		{ { 16, 15, 16 }, 0 },    { { 16, 16, 14 }, 2 },     { { 160, 150, 151 }, 0 },
		{ { 160, 149, 151 }, 1 }, { { 1000, 937, 940 }, 1 }, { { 1000, 938, 940 }, 0 },
		{ { 5, 1000, 1000 }, 0 },
	};
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 3 });

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		for (int w = 0; w < 3; w++)
			atomic_store(&st->runtime->peers[w].sessions, rows[n].loads[w]);
		if (peers_least_loaded(st->runtime, 0) != rows[n].target)
			fail_msg("row %zu", n);
	}
	for (int w = 0; w < 3; w++)
		atomic_store(&st->runtime->peers[w].sessions, 0);
}

struct flicker {
	struct bed *st;
	atomic_bool is_over;
};

static void *come_and_go_at_the_second(void *arg)
{
	struct flicker *f = arg;

	while (!atomic_load(&f->is_over)) {
		atomic_store(&f->st->runtime->peers[1].sessions, 15);
		atomic_store(&f->st->runtime->peers[1].sessions, 1000);
	}
	return NULL;
}

/* Neither with 15 nor with 1000 sessions is the second worker one to hand over to. */
static void a_load_that_changes_meanwhile_is_one_or_the_other(void **state)
{
	struct flicker f = {
		.st = bed_with(state, &(struct bed_options){ .workers = 2 }),
	};
	unsigned wrong = 0;
	pthread_t thread;

	atomic_store(&f.st->runtime->peers[0].sessions, 16);
	atomic_store(&f.st->runtime->peers[1].sessions, 15);
	assert_int_equal(pthread_create(&thread, NULL, come_and_go_at_the_second, &f), 0);
	for (unsigned n = 0; n < 5000000; n++)
		wrong += peers_least_loaded(f.st->runtime, 0) != 0;
	atomic_store(&f.is_over, true);
	pthread_join(thread, NULL);
	for (unsigned w = 0; w < 2; w++)
		atomic_store(&f.st->runtime->peers[w].sessions, 0);
	assert_int_equal(wrong, 0);
}

/* ---- draining ------------------------------------------------------------ */

static void the_last_worker_to_drain_wakes_all(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 3 });

	for (unsigned n = 0; n < 3; n++) {
		for (unsigned w = 0; w < 3; w++)
			assert_true(peers_expects_sessions(st->runtime, w));
		peers_worker_drains(st->runtime);
	}
	for (unsigned w = 0; w < 3; w++) {
		assert_false(peers_expects_sessions(st->runtime, w));
		assert_true(fake_perform(&st->engines[w].inbox.read));
	}
	atomic_store(&st->runtime->peers[1].sessions, 1);
	assert_true(peers_expects_sessions(st->runtime, 1));
	assert_false(peers_expects_sessions(st->runtime, 2));
	atomic_store(&st->runtime->peers[1].sessions, 0);
}

/* ---- what it is made of -------------------------------------------------- */

static void every_pool_of_the_configuration_has_its_pool(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .backends = 3 });

	assert_int_equal(st->runtime->pools_n, 1);
	assert_ptr_equal(bed_pool(st), st->runtime->pools[0]);
	assert_int_equal(pool_backends(st->runtime->pools[0]), 3);
	assert_ptr_equal(listener_of(st)->config, &st->config->listeners[0]);
	runtime_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(the_smaller_limit_counts),
		bed_test(the_limit_holds_whoever_comes_at_the_same_time),
		bed_test(a_worker_keeps_what_comes_unless_another_has_clearly_less),
		bed_test(a_load_that_changes_meanwhile_is_one_or_the_other),
		bed_test(the_last_worker_to_drain_wakes_all),
		bed_test(every_pool_of_the_configuration_has_its_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
