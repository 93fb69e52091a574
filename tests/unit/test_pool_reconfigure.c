/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reconfigure_bed.h"

#include "health_defaults.h"

#include <errno.h>

/* ---- who stays --------------------------------------------------------------- */

static void who_stays_is_who_it_was(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_of(state, kinds[k], "1 1 1");
		struct backend *b1 = take(st, "b1"), *b2 = nth(st, 2);
		uint64_t delay_ms, id = b1->id;

		pool_on_connect(st->pool, b1, HEALTH_FINE, 0);
		pool_on_check(st->pool, b2, false, 0, &delay_ms);
		assert_int_equal(b2->state, BACKEND_DOWN);
		pool_set_state(st->pool, nth(st, 0), BACKEND_MAINT, 0);
		reload(st, next_of(st, "b2=4 c0 b1=2 b0"));
		assert_ptr_equal(named(st, "b1"), b1);
		assert_int_equal(b1->index, 1);
		assert_int_equal(b1->id, id);
		assert_int_equal(b1->sessions, 1);
		assert_int_equal(b1->picked, 1);
		assert_int_equal(b1->connects, 1);
		assert_int_equal(b1->config->weight, 2);
		assert_int_equal(b2->state, BACKEND_DOWN);
		assert_int_equal(nth(st, 0)->state, BACKEND_MAINT);
		pool_release(st->pool, b1);
		assert_string_equal(reached(st), k == 4 ? "c0" : "b1 c0");
		pool_on_check(st->pool, b2, true, 0, &delay_ms);
		pool_on_check(st->pool, b2, true, 0, &delay_ms);
		assert_int_equal(b2->state, BACKEND_READY);
		bed_teardown(state);
	}
}

static void tier_weight_and_max_sessions_are_the_new_ones(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	struct next *next = next_of(st, "b0=3 b1=1 b2=5");
	struct backend *b0 = take(st, "b0"), *b1 = nth(st, 1);

	next->backends[2].tier = 1;
	next->backends[0].sessions_max = 1;
	reload(st, next);
	assert_string_equal(reached(st), "b1");
	pool_set_state(st->pool, b1, BACKEND_DOWN, 0);
	assert_string_equal(reached(st), "");
	pool_release(st->pool, b0);
	assert_string_equal(reached(st), "b0");
	pool_set_state(st->pool, b0, BACKEND_DOWN, 0);
	assert_string_equal(reached(st), "b2");
	pool_set_state(st->pool, b0, BACKEND_READY, 0);
	pool_set_state(st->pool, b1, BACKEND_READY, 0);
	reload(st, next_of(st, "b0=3 b1=1 b2=0"));
	assert_string_equal(reached(st), "b0 b1");
	reload(st, next_of(st, "b0=3 b1=1 b2=9"));
	assert_string_equal(reached(st), "b0 b1 b2");
}

static void weights_are_met_after_a_reload(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");

	reload(st, next_of(st, "b1=3 c0=4 b0=2"));
	for (int i = 0; i < 900; i++)
		pool_release(st->pool, bed_pick(st));
	assert_int_equal(named(st, "b0")->picked, 200);
	assert_int_equal(named(st, "b1")->picked, 300);
	assert_int_equal(named(st, "c0")->picked, 400);
	reload(st, next_of(st, "b1=1 c0=1 b0=1"));
	for (int i = 0; i < 300; i++)
		pool_release(st->pool, bed_pick(st));
	assert_int_equal(named(st, "b0")->picked, 300);
}

static void an_ejection_and_a_slow_start_go_on(void **state)
{
	struct bed *st = bed_new(state, BALANCE_LEASTCONN, "10 10 10");
	struct backend *returned, *b0;
	struct next *next;

	st->config.eject = health_eject_default;
	st->config.slow_start_ms = 10000;
	bed_start(st);
	b0 = nth(st, 0);
	for (int i = 0; i < 5; i++)
		pool_on_connect(st->pool, b0, HEALTH_FAILED, 1000);
	assert_int_equal(b0->state, BACKEND_EJECTED);
	next = next_of(st, "b0=10 b1=10");
	reload(st, next);
	assert_int_equal(b0->state, BACKEND_EJECTED);
	pool_tick(st->pool, 100000, &returned);
	assert_ptr_equal(returned, b0);
	assert_int_not_equal(pool_tick(st->pool, 100000, &returned), POOL_NEVER);
	reload(st, next_of(st, "b0=20 b1=20"));
	assert_int_not_equal(pool_tick(st->pool, 105000, &returned), POOL_NEVER);
	assert_int_equal(pool_tick(st->pool, 111000, &returned), POOL_NEVER);

	/* Where weights do not say who is next, nobody starts slowly. */
	pool_set_state(st->pool, b0, BACKEND_DOWN, 0);
	pool_set_state(st->pool, b0, BACKEND_READY, 0);
	assert_int_not_equal(pool_tick(st->pool, 200000, &returned), POOL_NEVER);
	next = next_of(st, "b0=20 b1=20");
	next->config.balance = BALANCE_MAGLEV;
	reload(st, next);
	assert_int_equal(pool_tick(st->pool, 200001, &returned), POOL_NEVER);
}

static void the_operators_weight_stays_until_it_is_undone(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds) - 1; k++) {
		struct bed *st = bed_of(state, kinds[k], "1 1 1");

		assert_int_equal(pool_set_weight(st->pool, nth(st, 0), 0), 0);
		reload(st, next_of(st, "b0=7 b1=2"));
		assert_string_equal(reached(st), "b1");
		reload(st, next_of(st, "b0=8 b1=2 c0"));
		assert_string_equal(reached(st), "b1 c0");
		assert_int_equal(pool_set_weight(st->pool, nth(st, 0), POOL_WEIGHT_CONFIGURED), 0);
		assert_string_equal(reached(st), "b0 b1 c0");
		reload(st, next_of(st, "b0=0 b1=2 c0"));
		assert_string_equal(reached(st), "b1 c0");
		bed_teardown(state);
	}
}

static void move(struct next *next, size_t place, const char *address)
{
	assert_true(addr_parse(address, &next->backends[place].addr));
}

static void what_the_operator_wants_of_a_name_holds_for_its_next_address(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	struct backend *before = take(st, "b0");
	struct next *next = next_of(st, "b0 b1 b2");

	pool_set_state(st->pool, before, BACKEND_MAINT, 0);
	assert_int_equal(pool_set_weight(st->pool, nth(st, 1), 0), 0);
	move(next, 0, "10.0.0.1:80");
	move(next, 1, "10.0.0.2:80");
	reload(st, next);
	assert_int_equal(before->state, BACKEND_LEAVING);
	assert_int_equal(before->sessions, 1);
	assert_ptr_not_equal(named(st, "b0"), before);
	assert_int_equal(named(st, "b0")->state, BACKEND_MAINT);
	assert_int_equal(named(st, "b0")->sessions, 0);
	assert_string_equal(reached(st), "b2");
	pool_set_state(st->pool, named(st, "b0"), BACKEND_READY, 0);
	assert_int_equal(pool_set_weight(st->pool, named(st, "b1"), POOL_WEIGHT_CONFIGURED), 0);
	assert_string_equal(reached(st), "b0 b1 b2");
	pool_release(st->pool, before);
}

static void nothing_points_into_a_configuration_that_was_replaced(void **state)
{
	struct bed *st = bed_of(state, BALANCE_MAGLEV, "1 2");
	struct next *first = next_of(st, "b0=3 b1 c0"), *second;
	const struct backend_config *own;

	snprintf(first->backends[0].spec.host, sizeof(first->backends[0].spec.host), "a.example");
	reload(st, first);
	memset(st->backends, 0xff, sizeof(st->backends));
	own = named(st, "b0")->config;
	assert_string_equal(own->spec.host, "a.example");
	second = next_of(st, "b0=3 b1 c0");
	snprintf(second->backends[0].spec.host, sizeof(second->backends[0].spec.host), "b.example");
	reload(st, second);
	memset(first, 0xff, sizeof(*first));
	assert_string_equal(own->spec.host, "a.example"); /* until it was passed */
	assert_string_equal(named(st, "b0")->config->spec.host, "b.example");
	assert_int_equal(pool_collect(st->pool, pool_generation(st->pool) - 1), 0);
	assert_string_equal(own->spec.host, "a.example");
	assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 0);
	assert_int_equal(pool_set_weight(st->pool, named(st, "b1"), 9), 0);
	assert_string_equal(reached(st), "b0 b1 c0");
	memset(st->backends, 0, sizeof(st->backends));
}

static void checks_that_end_leave_nobody_down(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "1 1");
	struct next *next;
	uint64_t delay_ms;

	st->config.check = health_check_default;
	st->config.check.kind = CHECK_TCP;
	bed_start(st);
	pool_on_check(st->pool, nth(st, 0), false, 0, &delay_ms);
	pool_set_state(st->pool, nth(st, 1), BACKEND_DRAIN, 0);
	reload(st, next_of(st, "b0 b1"));
	assert_string_equal(reached(st), "");
	next = next_of(st, "b0 b1");
	next->config.check.kind = CHECK_NONE;
	reload(st, next);
	assert_string_equal(reached(st), "b0");
}

/* ---- who comes ---------------------------------------------------------------- */

static void who_comes_begins_as_at_a_start(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1");
	struct next *next = next_of(st, "b0 b1");
	uint64_t delay_ms;

	next->config.check = health_check_default;
	until_a_check_passes(&next->config);
	reload(st, next);
	assert_int_equal(nth(st, 0)->state, BACKEND_READY);
	assert_int_equal(nth(st, 1)->state, BACKEND_DOWN);
	pool_on_check(st->pool, nth(st, 1), true, 0, &delay_ms);
	assert_int_equal(nth(st, 1)->state, BACKEND_READY);
	assert_string_equal(reached(st), "b0 b1");
}

static void who_comes_starts_slowly_where_others_serve(void **state)
{
	struct bed *st = bed_new(state, BALANCE_ROUNDROBIN, "10");
	struct backend *returned;
	struct next *next;

	st->config.slow_start_ms = 10000;
	bed_start(st);
	assert_int_equal(pool_tick(st->pool, 1000, &returned), POOL_NEVER);
	reload(st, next_of(st, "b0=10 b1=10"));
	assert_int_not_equal(pool_tick(st->pool, 1000, &returned), POOL_NEVER);
	for (int i = 0; i < 1100; i++)
		pool_release(st->pool, bed_pick(st));
	assert_in_range(nth(st, 1)->picked, 80, 120); /* a tenth of the other's */
	assert_int_equal(pool_tick(st->pool, 11000, &returned), POOL_NEVER);

	/* All of them are new: as at a start. */
	reload(st, next_of(st, "c0=10 c1=10"));
	assert_int_equal(pool_tick(st->pool, 20000, &returned), POOL_NEVER);

	/* Whose check has to pass first starts slowly then. */
	next = next_of(st, "c0=10 c1=10 c2=10");
	until_a_check_passes(&next->config);
	reload(st, next);
	assert_int_equal(pool_tick(st->pool, 20000, &returned), POOL_NEVER);
	pool_set_state(st->pool, named(st, "c2"), BACKEND_READY, 0);
	assert_int_not_equal(pool_tick(st->pool, 20000, &returned), POOL_NEVER);
}

/* ---- who leaves ---------------------------------------------------------------- */

static void who_leaves_gets_nothing_new_and_keeps_its_sessions(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_of(state, kinds[k], "5 1 1");
		struct backend *b0 = take(st, "b0"), *got;
		uint64_t id = b0->id, delay_ms;

		reload(st, next_of(st, "b1 b2"));
		assert_int_equal(b0->state, BACKEND_LEAVING);
		assert_string_equal(backend_state_names[b0->state], "leaving");
		assert_string_equal(reached(st), k == 4 ? "b1" : "b1 b2");
		assert_null(pool_take(st->pool, id, 0));
		assert_int_equal(pool_take_beyond(st->pool, id, &got), POOL_PICKED);
		pool_release_beyond(st->pool, got);
		assert_int_equal(pool_ready(st->pool), 2);

		/* Nothing changes that any more. */
		pool_set_state(st->pool, b0, BACKEND_READY, 0);
		assert_int_equal(pool_set_weight(st->pool, b0, 9), 0);
		assert_int_equal(pool_on_check(st->pool, b0, false, 0, &delay_ms), HEALTH_SAME);
		assert_int_equal(pool_on_connect(st->pool, b0, HEALTH_FINE, 0), HEALTH_SAME);
		assert_int_equal(b0->connects, 1);
		assert_int_equal(b0->state, BACKEND_LEAVING);
		reload(st, next_of(st, "b1 b2 c0"));
		assert_int_equal(b0->state, BACKEND_LEAVING);

		assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 1);
		assert_int_equal(b0->sessions, 1);
		pool_release(st->pool, b0);
		assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 0);
		assert_null(nth(st, 0));
		assert_int_equal(pool_backends(st->pool), 4);
		assert_int_equal(pool_take_beyond(st->pool, id, &got), POOL_NONE_READY);
		bed_teardown(state);
	}
}

static void an_index_is_free_again_when_all_have_passed(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1");
	uint64_t id = nth(st, 1)->id, passed;

	assert_int_equal(pool_generation(st->pool), 0);
	reload(st, next_of(st, "b0 b2"));
	passed = pool_generation(st->pool);
	assert_int_equal(passed, 1);
	assert_int_equal(pool_collect(st->pool, 0), 1);
	assert_non_null(nth(st, 1));
	reload(st, next_of(st, "b0 b2 c0"));
	assert_int_equal(named(st, "c0")->index, 3);
	assert_int_equal(pool_collect(st->pool, passed), 0);
	assert_null(nth(st, 1));
	assert_string_equal(reached(st), "b0 b2 c0");

	/* Who has that index now is not who was sought. */
	reload(st, next_of(st, "b0 b2 c0 c1"));
	assert_int_equal(named(st, "c1")->index, 1);
	assert_int_not_equal(named(st, "c1")->id, id);
	assert_null(pool_take(st->pool, id, 0));
	assert_string_equal(reached(st), "b0 b2 c0 c1");
}

static void who_asks_all_finds_those_with_sessions(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1 1 1");
	struct backend *b2 = take(st, "b2");

	pool_set_state(st->pool, nth(st, 1), BACKEND_DOWN, 0);
	reload(st, next_of(st, "b1 b3"));
	assert_int_equal(pool_next_alive(st->pool, 0), b2->id);
	assert_int_equal(pool_next_alive(st->pool, b2->id), nth(st, 3)->id);
	assert_int_equal(pool_next_alive(st->pool, nth(st, 3)->id), 0);
	pool_collect(st->pool, pool_generation(st->pool));
	pool_release(st->pool, b2);
	assert_int_equal(pool_next_alive(st->pool, 0), nth(st, 3)->id);
}

static void who_is_held_is_not_freed(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1");
	struct backend *b0 = nth(st, 0);

	pool_hold(b0);
	reload(st, next_of(st, "b1"));
	assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 1);
	assert_ptr_equal(nth(st, 0), b0);
	pool_unhold(b0);
	assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 0);
	assert_null(nth(st, 0));
}

static void who_comes_back_has_its_sessions_and_new_health(void **state)
{
	struct bed *st = bed_of(state, BALANCE_ROUNDROBIN, "1 1");
	struct backend *b0 = take(st, "b0");
	struct next *next;
	uint64_t id = b0->id, delay_ms;

	pool_on_check(st->pool, b0, false, 0, &delay_ms);
	pool_set_state(st->pool, b0, BACKEND_DRAIN, 0);
	assert_int_equal(pool_set_weight(st->pool, b0, 0), 0);
	reload(st, next_of(st, "b1"));
	next = next_of(st, "b1 b0=2");
	next->backends[1].sessions_max = 2;
	reload(st, next);
	assert_ptr_equal(named(st, "b0"), b0);
	assert_int_equal(b0->state, BACKEND_READY);
	assert_int_equal(b0->sessions, 1);
	assert_int_equal(b0->picked, 1);
	assert_int_equal(pool_collect(st->pool, pool_generation(st->pool)), 0);
	assert_ptr_equal(pool_take(st->pool, id, 0), b0);
	assert_null(pool_take(st->pool, id, 0)); /* two are open */
	assert_string_equal(reached(st), "b1");
	pool_release(st->pool, b0);
	pool_release(st->pool, b0);
	assert_string_equal(reached(st), "b0 b1");
}

static void all_may_leave_and_others_come(void **state)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct bed *st = bed_of(state, kinds[k], "1 1 1");
		struct backend *b = take(st, "b1");

		reload(st, next_of(st, ""));
		assert_string_equal(reached(st), "");
		assert_int_equal(pool_ready(st->pool), 0);
		assert_int_equal(pool_collect(st->pool, 1), 1);
		reload(st, next_of(st, "c0 c1 c2"));
		assert_string_equal(reached(st), k == 4 ? "c0" : "c0 c1 c2");
		assert_int_equal(named(st, "c0")->index, 0);
		assert_int_equal(named(st, "c1")->index, 2);
		assert_int_equal(named(st, "c2")->index, 3);
		pool_release(st->pool, b);
		bed_teardown(state);
	}
}

static void too_many_that_leave_are_refused(void **state)
{
	struct bed *st = bed_of(state, BALANCE_RANDOM, "1");
	struct next *next = next_of(st, "b0");
	uint64_t generation;

	for (unsigned round = 0; round < 5; round++) {
		next->config.backends_n = POOL_BACKENDS_MAX;
		for (unsigned i = 0; i < POOL_BACKENDS_MAX; i++) {
			snprintf(next->backends[i].name, sizeof(next->backends[i].name), "r%u-%u",
				 round, i);
			next->backends[i].weight = 1;
		}
		generation = pool_generation(st->pool);
		if (round < 3)
			assert_int_equal(pool_reconfigure(st->pool, &next->config), 0);
		else
			assert_int_equal(pool_reconfigure(st->pool, &next->config), -ENOSPC);
		assert_int_equal(pool_generation(st->pool), generation + (round < 3));
	}
	assert_non_null(named(st, "r2-1023"));
	pool_collect(st->pool, pool_generation(st->pool));
	assert_int_equal(pool_reconfigure(st->pool, &next->config), 0);
	assert_non_null(named(st, "r4-0"));
	assert_int_equal(pool_backends(st->pool), 3 * POOL_BACKENDS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_stays_is_who_it_was),
		bed_test(tier_weight_and_max_sessions_are_the_new_ones),
		bed_test(weights_are_met_after_a_reload),
		bed_test(an_ejection_and_a_slow_start_go_on),
		bed_test(the_operators_weight_stays_until_it_is_undone),
		bed_test(what_the_operator_wants_of_a_name_holds_for_its_next_address),
		bed_test(nothing_points_into_a_configuration_that_was_replaced),
		bed_test(checks_that_end_leave_nobody_down),
		bed_test(who_comes_begins_as_at_a_start),
		bed_test(who_comes_starts_slowly_where_others_serve),
		bed_test(who_leaves_gets_nothing_new_and_keeps_its_sessions),
		bed_test(an_index_is_free_again_when_all_have_passed),
		bed_test(who_asks_all_finds_those_with_sessions),
		bed_test(who_is_held_is_not_freed),
		bed_test(who_comes_back_has_its_sessions_and_new_health),
		bed_test(all_may_leave_and_others_come),
		bed_test(too_many_that_leave_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
