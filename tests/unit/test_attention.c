/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "base/clock.h"
#include "base/log.h"
#include "metrics/attention.h"

#include <fcntl.h>
#include <string.h>

static struct bed *bed_of_four(void **state)
{
	return bed_with(state, &(struct bed_options){ .backends = 4,
						      .listener_keys = "max_sessions = 2" });
}

static void look(const struct bed *st, struct attention *a)
{
	attention_take(a,
		       &(struct attention_about){ .runtime = st->runtime, .now_ms = st->now_ms });
}

static void set_state(struct bed *st, size_t n, enum backend_state state)
{
	pool_set_state(bed_pool(st), pool_backend(bed_pool(st), n), state, st->now_ms);
}

#define expect_note(note, kind_, what_, why_)             \
	do {                                              \
		assert_int_equal((note)->kind, kind_);    \
		assert_string_equal((note)->what, what_); \
		assert_string_equal((note)->why, why_);   \
	} while (0)

static void what_is_well_needs_none(void **state)
{
	struct bed *st = bed_of_four(state);
	struct attention a;

	look(st, &a);
	assert_int_equal(a.n, 0);
	attention_finish(&a);
}

static void one_backend_is_named(void **state)
{
	struct bed *st = bed_of_four(state);
	struct attention a;

	set_state(st, 1, BACKEND_DOWN);
	look(st, &a);
	assert_int_equal(a.n, 1);
	expect_note(&a.notes[0], ATTENTION_BACKENDS, "p / b1 is down", "by operator");
	assert_int_equal(strncmp(a.notes[0].now, "for ", strlen("for ")), 0);
	attention_finish(&a);
}

static void several_of_a_pool_are_one_note(void **state)
{
	struct bed *st = bed_of_four(state);
	struct attention a;

	set_state(st, 1, BACKEND_DOWN);
	set_state(st, 3, BACKEND_DOWN);
	look(st, &a);
	assert_int_equal(a.n, 1);
	expect_note(&a.notes[0], ATTENTION_BACKENDS, "p: 2 of 4 backends are down", "by operator");
	attention_finish(&a);
}

static void a_pool_without_backend_is_one_note(void **state)
{
	struct bed *st = bed_of_four(state);
	struct attention a;

	for (size_t n = 0; n < 4; n++)
		set_state(st, n, BACKEND_DOWN);
	look(st, &a);
	assert_int_equal(a.n, 1);
	expect_note(&a.notes[0], ATTENTION_POOL_EMPTY, "Pool p has no backend",
		    "its clients are turned away or held; 4 of 4 backends are down: by operator");
	assert_true(a.notes[0].is_bad);
	attention_finish(&a);
}

/* Whatever order they are found in. */
static void the_gravest_is_first(void **state)
{
	struct bed *st = bed_of_four(state);
	struct listener *l = bed_listener(st);
	struct attention_about about = { .runtime = st->runtime,
					 .now_ms = st->now_ms,
					 .reload_why = "a.ini:1: error: no",
					 .reload_ago_ms = 5000 };
	struct attention a;

	set_state(st, 0, BACKEND_DOWN);
	atomic_store(&l->pause, LISTENER_WAITS);
	atomic_fetch_add(&l->sessions, 2);
	attention_take(&a, &about);
	atomic_fetch_sub(&l->sessions, 2);
	atomic_store(&l->pause, LISTENER_OPEN);
	assert_int_equal(a.n, 4);
	expect_note(&a.notes[0], ATTENTION_RELOAD, "The last reload failed", "a.ini:1: error: no");
	assert_string_equal(a.notes[0].now, "5s ago");
	expect_note(&a.notes[1], ATTENTION_LISTENER_FULL, "Listener l is full",
		    "new clients wait until a session ends (max_sessions)");
	assert_string_equal(a.notes[1].now, "2 of 2 sessions");
	expect_note(&a.notes[2], ATTENTION_PAUSED, "Listener l is paused",
		    "by the operator: new clients wait");
	assert_int_equal(a.notes[3].kind, ATTENTION_BACKENDS);
	attention_finish(&a);
}

static void lost_lines_are_told_for_some_minutes(void **state)
{
	struct bed *st = bed_of_four(state);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct attention_about about = { .runtime = st->runtime };
	struct attention a;

	assert_true(full >= 0);
	log_configure(LOG_INFO, LOG_LOGFMT, full);
	log_say(LOG_INFO, "lost");
	log_configure(LOG_INFO, LOG_LOGFMT, st->log_fd);
	close(full);
	about.now_ms = clock_now_ms();
	attention_take(&a, &about);
	assert_int_equal(a.n, 1);
	expect_note(&a.notes[0], ATTENTION_LOG, "Lines of the log were dropped",
		    "its reader is too slow or gone, the disk is full, or the directory is gone");
	attention_finish(&a);
	about.now_ms += 6ull * 60 * 1000;
	attention_take(&a, &about);
	assert_int_equal(a.n, 0);
	attention_finish(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_is_well_needs_none),
		bed_test(one_backend_is_named),
		bed_test(several_of_a_pool_are_one_note),
		bed_test(a_pool_without_backend_is_one_note),
		bed_test(the_gravest_is_first),
		bed_test(lost_lines_are_told_for_some_minutes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
