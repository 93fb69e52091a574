/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/slab.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if WITH_ASAN
#include <sanitizer/asan_interface.h>
#endif

#define OBJECTS 8

struct thing {
	uint64_t words[9]; /* 72 bytes: two cache lines */
};

static int set_up(void **state)
{
	static struct slab slab;

	*state = &slab;
	return slab_init(&slab, sizeof(struct thing), OBJECTS);
}

static int tear_down(void **state)
{
	slab_finish(*state);
	return 0;
}

static void objects_are_given_until_all_are_out(void **state)
{
	struct slab *slab = *state;
	void *objects[OBJECTS];

	for (uint32_t i = 0; i < OBJECTS; i++) {
		objects[i] = slab_get(slab);
		assert_non_null(objects[i]);
		assert_int_equal(slab->used, i + 1);
	}
	assert_null(slab_get(slab));
	assert_int_equal(slab->used, OBJECTS);
	slab_put(slab, objects[3]);
	assert_ptr_equal(slab_get(slab), objects[3]);
	for (size_t i = 0; i < OBJECTS; i++)
		slab_put(slab, objects[i]);
	assert_int_equal(slab->used, 0);
}

static void objects_do_not_share_cache_lines(void **state)
{
	struct slab *slab = *state;
	char *a = slab_get(slab), *b = slab_get(slab);

	assert_int_equal((uintptr_t)a % CACHE_LINE_BYTES, 0);
	assert_int_equal((uintptr_t)b % CACHE_LINE_BYTES, 0);
	assert_int_equal(b - a, 2 * CACHE_LINE_BYTES);
	slab_put(slab, a);
	slab_put(slab, b);
}

static void the_object_freed_last_is_given_first(void **state)
{
	struct slab *slab = *state;
	void *a = slab_get(slab), *b = slab_get(slab), *c = slab_get(slab);

	slab_put(slab, b);
	slab_put(slab, a);
	slab_put(slab, c);
	assert_ptr_equal(slab_get(slab), c);
	assert_ptr_equal(slab_get(slab), a);
	assert_ptr_equal(slab_get(slab), b);
	assert_int_equal(slab->touched, 3);
	slab_put(slab, a);
	slab_put(slab, b);
	slab_put(slab, c);
}

static void every_object_comes_zeroed(void **state)
{
	static const struct thing zero;
	struct slab *slab = *state;

	for (int round = 0; round < 3; round++) {
		struct thing *thing = slab_get(slab);

		assert_memory_equal(thing, &zero, sizeof(zero));
		memset(thing, 0xff, sizeof(*thing));
		slab_put(slab, thing);
	}
}

static void places_lead_back_to_objects(void **state)
{
	struct slab *slab = *state;
	void *a = slab_get(slab), *b = slab_get(slab);

	assert_int_equal(slab_index(slab, a), 0);
	assert_int_equal(slab_index(slab, b), 1);
	assert_ptr_equal(slab_at(slab, 0), a);
	assert_ptr_equal(slab_at(slab, 1), b);
	assert_null(slab_at(slab, 2));
	assert_null(slab_at(slab, OBJECTS));
	assert_null(slab_at(slab, UINT32_MAX));
	slab_put(slab, a);
	assert_null(slab_at(slab, 0));
	assert_ptr_equal(slab_at(slab, 1), b);
	slab_put(slab, b);
	assert_null(slab_at(slab, 1));
	assert_ptr_equal(slab_get(slab), b);
	assert_ptr_equal(slab_at(slab, 1), b);
	slab_put(slab, b);
}

static void what_no_machine_has_is_refused(void **state)
{
	struct slab slab;

	(void)state;
	assert_int_equal(slab_init(&slab, SIZE_MAX / 2, UINT32_MAX), -ENOMEM);
	assert_int_equal(slab_init(&slab, SIZE_MAX, 1), -ENOMEM);
	assert_int_equal(slab_init(&slab, (size_t)1 << 40, 1 << 20), -ENOMEM);
}

static void a_slab_of_zeroes_can_be_finished(void **state)
{
	struct slab slab = { 0 };

	(void)state;
	slab_finish(&slab);
}

static void reserved_memory_costs_nothing_until_used(void **state)
{
	struct slab slab;
	void *object;

	(void)state;
	assert_int_equal(slab_init(&slab, 4096, 4 << 20), 0); /* 16 GiB */
	object = slab_get(&slab);
	assert_non_null(object);
	slab_put(&slab, object);
	slab_finish(&slab);
}

static void freed_bytes_are_poisoned(void **state)
{
#if WITH_ASAN
	struct slab *slab = *state;
	struct thing *thing = slab_get(slab);

	slab_put(slab, thing);
	assert_true(__asan_address_is_poisoned(&thing->words[0]));
	assert_true(__asan_address_is_poisoned(&thing->words[8]));
	assert_ptr_equal(slab_get(slab), thing);
	assert_null(__asan_region_is_poisoned(thing, sizeof(*thing)));
	slab_put(slab, thing);
#else
	(void)state;
	skip();
#endif
}

typedef void crime_fn(struct slab *slab);

static void put_twice(struct slab *slab)
{
	void *object = slab_get(slab), *other = slab_get(slab);

	slab_put(slab, object);
	slab_put(slab, object);
	slab_put(slab, other);
}

static void put_a_stranger(struct slab *slab)
{
	static struct thing stranger;

	if (slab_get(slab))
		slab_put(slab, &stranger);
}

static void put_the_middle(struct slab *slab)
{
	slab_put(slab, (char *)slab_get(slab) + CACHE_LINE_BYTES);
}

static void put_what_was_never_given(struct slab *slab)
{
	slab_put(slab, (char *)slab_get(slab) + slab->object_bytes);
}

static void finish_too_early(struct slab *slab)
{
	if (slab_get(slab))
		slab_finish(slab);
}

static void commit_and_die(crime_fn *crime)
{
	const struct rlimit none = { 0 };
	struct slab slab;

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	close(STDERR_FILENO);
	if (slab_init(&slab, sizeof(struct thing), OBJECTS) == 0)
		crime(&slab);
	_exit(0);
}

static void crimes_against_memory_end_the_program(void **state)
{
	static crime_fn *const crimes[] = {
		put_twice,        put_a_stranger, put_the_middle, put_what_was_never_given,
		finish_too_early,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(crimes); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			commit_and_die(crimes[i]);
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("crime %zu gave status %#x", i, (unsigned)status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(objects_are_given_until_all_are_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(objects_do_not_share_cache_lines, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_object_freed_last_is_given_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_object_comes_zeroed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(places_lead_back_to_objects, set_up, tear_down),
		cmocka_unit_test(what_no_machine_has_is_refused),
		cmocka_unit_test(a_slab_of_zeroes_can_be_finished),
		cmocka_unit_test(reserved_memory_costs_nothing_until_used),
		cmocka_unit_test_setup_teardown(freed_bytes_are_poisoned, set_up, tear_down),
		cmocka_unit_test(crimes_against_memory_end_the_program),
	};

	return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
