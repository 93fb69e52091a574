/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/evict.h"

#include <stdio.h>

#include "health/on_down.h"
#include "state/peers.h"
#include "unit/runtime_bed.h"

#define CLIENTS 5

static struct pair pairs[CLIENTS];

static void begin(void **state, const char *pool_keys)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 1,
								.backends = 4,
								.pool_keys = pool_keys });

	for (int i = 0; i < CLIENTS; i++)
		pairs[i] = bed_relaying(st);
}

static void go_down(struct bed *st, unsigned n, enum down_cause cause)
{
	const struct down_event event = { .runtime = st->runtime,
					  .pool = st->runtime->pools[0],
					  .fallen = n + 1,
					  .now_ms = st->now_ms };

	on_down_note(&event, bed_backend(st, n), cause);
	bed_run(st);
	bed_pass(st, 1);
	bed_run(st);
}

static unsigned ended(struct bed *st)
{
	return (unsigned)bed_ended(st, CLOSE_BACKEND_DOWN);
}

static unsigned sessions_of(struct bed *st, unsigned n)
{
	return atomic_load(&bed_backend(st, n)->sessions);
}

static void all_sessions_of_one_that_is_down_end_and_nobody_elses(void **state)
{
	struct bed *st;
	unsigned has;

	begin(state, "balance = roundrobin\ncheck = redis");
	st = *state;
	has = sessions_of(st, 0);
	assert_true(has > 0);
	go_down(st, 0, DOWN_SILENT);
	assert_int_equal(ended(st), has);
	assert_int_equal(sessions_of(st, 0), 0);
	assert_int_equal(bed_sessions(st), CLIENTS - has);
}

static void who_comes_later_stays(void **state)
{
	struct bed *st;
	unsigned before;

	begin(state, "balance = first\ncheck = redis");
	st = *state;
	go_down(st, 0, DOWN_SILENT);
	before = ended(st);
	assert_int_equal(before, CLIENTS);
	bed_pass(st, 1);
	(void)bed_relaying(st);
	peers_evict(st->runtime);
	bed_run(st);
	assert_int_equal(ended(st), before);
	assert_int_equal(bed_sessions(st), 1);
}

static void what_is_wanted_depends_on_why_it_is_down(void **state)
{
	static const struct {
		const char *keys;
		enum down_cause cause;
		bool ends;
	} cases[] = {
		{ "check = redis", DOWN_REFUSED, false },
		{ "check = redis", DOWN_SILENT, true },
		{ "check = redis", DOWN_ROLE, true },
		{ "check = tcp", DOWN_SILENT, false },
		{ "check = tcp\non_down = reset", DOWN_REFUSED, true },
		{ "check = redis\non_down = keep", DOWN_ROLE, false },
		{ "check = redis\non_down = drain", DOWN_ROLE,
		  false }, /* nobody knows who is idle */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char keys[100];

		snprintf(keys, sizeof(keys), "balance = first\n%s", cases[i].keys);
		begin(state, keys);
		go_down(*state, 0, cases[i].cause);
		assert_int_equal(ended(*state), cases[i].ends ? CLIENTS : 0);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* Of four the third: more than half. */
static void when_too_many_are_down_at_once_sessions_stay(void **state)
{
	struct bed *st;
	unsigned before;

	begin(state, "balance = roundrobin\ncheck = redis");
	st = *state;
	go_down(st, 0, DOWN_SILENT);
	go_down(st, 1, DOWN_SILENT);
	before = ended(st);
	assert_true(sessions_of(st, 2) > 0);
	go_down(st, 2, DOWN_SILENT);
	assert_int_equal(ended(st), before);
	assert_non_null(strstr(bed_log(st), "too many backends down at once"));
}

static void they_end_at_a_rate(void **state)
{
	struct bed *st;

	begin(state, "balance = first\ncheck = redis\non_down_rate = 10/s");
	st = *state;
	go_down(st, 0, DOWN_SILENT);
	for (int ms = 0; ms < 600; ms += 10) {
		assert_true(ended(st) <= 1 + (unsigned)ms / 100 + 1);
		bed_pass(st, 10);
		bed_run(st);
	}
	assert_int_equal(ended(st), CLIENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(all_sessions_of_one_that_is_down_end_and_nobody_elses),
		bed_test(who_comes_later_stays),
		bed_test(what_is_wanted_depends_on_why_it_is_down),
		bed_test(when_too_many_are_down_at_once_sessions_stay),
		bed_test(they_end_at_a_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
