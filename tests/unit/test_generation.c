/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Generations on the fake ring: who holds one, when it goes, what lasts from one to the next. */

#include "state/generation.h"

#include "unit/runtime_bed.h"

#include "pool/pool.h"
#include "state/peers.h"
#include "state/runtime_change.h"
#include "state/runtime_collect.h"

static struct generation *newest(const struct bed *st)
{
	return atomic_load(&st->runtime->generation);
}

static void reload_as(struct bed *st, const struct bed_options *options)
{
	bed_reload(st, options);
	bed_run(st);
	assert_true(bed_may_reload(st));
}

static unsigned older(const struct bed *st)
{
	unsigned n = 0;

	for (const struct generation *g = newest(st)->older; g; g = g->older)
		n++;
	return n;
}

/* How many older ones are left. A pool's own memory of before waits for those who dial. */
static unsigned collect(struct bed *st)
{
	(void)bed_collect(st);
	return older(st);
}

static void end_session(struct bed *st, struct pair *c)
{
	bed_close(st, c->client);
	bed_close(st, c->backend);
	bed_run(st);
}

static void a_session_holds_the_generation_it_was_accepted_in(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 1h");
	const struct generation *first = newest(st);
	struct pair c = bed_relaying(st);

	reload_as(st, &(struct bed_options){ .listener_keys = "idle_timeout = 2h" });
	assert_ptr_equal(c.s->generation, first);
	assert_int_equal(c.s->config->idle_timeout_ms, 3600 * 1000);
	assert_int_equal(generation_pinned(first), 1);
	assert_int_equal(generation_pinned(newest(st)), 0);
	assert_string_equal(runtime_held_by(st->runtime, first), "sessions");
	assert_int_equal(collect(st), 1);
	end_session(st, &c);
	assert_int_equal(collect(st), 0);
}

static void one_between_others_goes_alone(void **state)
{
	struct bed *st = bed_of(state, "");
	struct pair of_first = bed_relaying(st), of_third;
	const struct generation *first = newest(st);
	uint64_t replaced_ms;

	reload_as(st, &(struct bed_options){ .listener_keys = "idle_timeout = 2h" });
	replaced_ms = first->replaced_ms;
	assert_true(replaced_ms > 0);
	reload_as(st, &(struct bed_options){ .listener_keys = "idle_timeout = 3h" });
	of_third = bed_relaying(st);
	reload_as(st, &(struct bed_options){ .listener_keys = "idle_timeout = 4h" });
	assert_int_equal(older(st), 3);
	assert_int_equal(collect(st), 2);
	assert_int_equal(newest(st)->older->number, 3);
	assert_int_equal(newest(st)->older->older->number, 1);
	assert_int_equal(first->replaced_ms, replaced_ms); /* whoever was between them */
	end_session(st, &of_first);
	assert_int_equal(collect(st), 1);
	assert_int_equal(newest(st)->older->number, 3);
	end_session(st, &of_third);
	assert_int_equal(collect(st), 0);
}

/* What left in the second looks at its configuration in the first, for the session's sake. */
static void a_name_that_left_stays_for_its_sessions(void **state)
{
	struct bed *st = bed_of(state, "");
	struct pool *pool = bed_pool(st);
	struct pair c = bed_relaying(st);

	reload_as(st, &(struct bed_options){ .pool_name = "q" });
	assert_ptr_not_equal(bed_pool(st), pool);
	assert_int_not_equal(pool_slot(bed_pool(st)), pool_slot(pool));
	assert_true(runtime_pool_leaves(st->runtime, pool_slot(pool)));
	assert_int_equal(collect(st), 1);
	assert_ptr_equal(st->runtime->pools[pool_slot(pool)], pool);
	assert_string_equal(pool_config(pool)->name, "p");
	end_session(st, &c);
	assert_int_equal(collect(st), 0);
	assert_null(st->runtime->pools[0]);
}

static void one_with_another_protocol_pauses_as_the_one_before(void **state)
{
	struct bed *st = bed_of(state, "protocol = postgres");
	struct listener *before = bed_listener(st), *now;

	bed_client(st); /* its session stays with the one that it came to */
	bed_run(st);
	peers_pause(st->runtime, before, LISTENER_REFUSES);
	reload_as(st, &(struct bed_options){ .listener_keys = "protocol = any" });
	now = bed_listener(st);
	assert_ptr_not_equal(now, before);
	assert_int_equal(atomic_load(&now->pause), LISTENER_REFUSES);
	peers_pause(st->runtime, now, LISTENER_OPEN);
	assert_int_equal(atomic_load(&now->pause), LISTENER_OPEN);
	assert_int_equal(atomic_load(&before->pause), LISTENER_OPEN);
	bed_run(st);
}

static void a_name_that_stays_keeps_its_slot(void **state)
{
	struct bed *st = bed_of(state, "");
	struct listener *listener = bed_listener(st);
	struct pool *pool = bed_pool(st);
	const size_t slot = pool_slot(pool);

	for (int n = 0; n < 5; n++) {
		reload_as(st, &(struct bed_options){ .pool_keys = n % 2 ? "balance = first" : "" });
		assert_ptr_equal(bed_pool(st), pool);
		assert_ptr_equal(bed_listener(st), listener);
		assert_int_equal(pool_slot(pool), slot);
		assert_ptr_equal(pool_config(pool), &st->config->pools[0]);
		assert_int_equal(collect(st), 0);
	}
}

static void a_slot_that_is_free_again_is_given_to_the_next(void **state)
{
	struct bed *st = bed_of(state, "");

	reload_as(st, &(struct bed_options){ .pool_name = "q", .listener_name = "m" });
	assert_int_equal(pool_slot(bed_pool(st)), 1);
	assert_int_equal(collect(st), 0);
	reload_as(st, &(struct bed_options){ .pool_name = "r", .listener_name = "n" });
	assert_int_equal(pool_slot(bed_pool(st)), 0);
	assert_int_equal(bed_listener(st)->slot, 0);
	assert_int_equal(collect(st), 0);
}

static void nothing_goes_before_all_workers_have_passed(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });

	bed_reload(st, &(struct bed_options){ .listener_keys = "idle_timeout = 2h" });
	assert_false(runtime_has_passed(st->runtime));
	assert_int_equal(collect(st), 1);
	bed_run(st);
	assert_true(runtime_has_passed(st->runtime));
	assert_int_equal(collect(st), 0);
}

/* Their keys were of no use while the pool did not hash. */
static void who_waits_is_spread_by_a_balancer_that_hashes(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .backends = 4,
								.backend_keys = "max_sessions=1",
								.pool_keys = "queue = 100" });
	unsigned used = 0;

	for (int n = 0; n < 4; n++)
		(void)bed_relaying(st);
	for (int n = 0; n < 16; n++)
		(void)bed_client(st);
	bed_run(st);
	reload_as(st, &(struct bed_options){ .backend_keys = "max_sessions=100",
					     .pool_keys = "queue = 100\nbalance = maglev" });
	for (unsigned n = 0; n < 4; n++)
		used += atomic_load(&bed_backend(st, n)->sessions) > 1;
	assert_int_equal(bed_sessions(st), 20);
	assert_true(used > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_session_holds_the_generation_it_was_accepted_in),
		bed_test(one_between_others_goes_alone),
		bed_test(a_name_that_left_stays_for_its_sessions),
		bed_test(one_with_another_protocol_pauses_as_the_one_before),
		bed_test(a_name_that_stays_keeps_its_slot),
		bed_test(a_slot_that_is_free_again_is_given_to_the_next),
		bed_test(who_waits_is_spread_by_a_balancer_that_hashes),
		bed_test(nothing_goes_before_all_workers_have_passed),
	};

	return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
