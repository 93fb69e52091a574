/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include <sys/ioctl.h>

/* As in deadline.c. */
#define PROBE_MS 250
#define PROBE_MAX_MS 10000

/* ---- quiet sessions ------------------------------------------------------ */

static void a_session_without_bytes_ends(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 10s");
	struct pair c = bed_relaying(st);

	bed_pass(st, 9999);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, 1);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_IDLE), 1);
	expect_reset(c.client);
	expect_reset(c.backend);
}

static void bytes_in_either_direction_keep_it(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 10s");
	struct pair c = bed_relaying(st);
	int from[] = { c.client, c.backend };

	for (int n = 0; n < 20; n++) {
		bed_pass(st, 9000);
		peer_send(from[n % 2], "x", 1);
		bed_run(st);
	}
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, 9999);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, 1);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_IDLE), 1);
}

/* Turns as the loop would take them, each when the one before said, for @ms; gives how many. */
static unsigned turns_in(struct bed *st, uint64_t ms)
{
	uint64_t until_ms = st->now_ms + ms;
	unsigned turns = 0;

	while (st->now_ms < until_ms) {
		uint64_t next_ms = timers_next_ms(&bed_engine(st)->host.loop.timers);

		if (next_ms > st->now_ms)
			st->now_ms = MIN(next_ms, until_ms);
		bed_run(st);
		if (++turns > 100000)
			fail_msg("it spins");
	}
	return turns;
}

static void idle_timeout_zero_is_never(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 0");

	bed_relaying(st);
	turns_in(st, 400ull * 24 * 3600 * 1000);
	assert_int_equal(bed_sessions(st), 1);
}

static void short_timeouts_are_kept_and_do_not_spin(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 40ms");
	struct pair c = bed_relaying(st), silent = bed_relaying(st);
	unsigned turns;

	turns = turns_in(st, 39);
	expect_nothing(silent.client);
	peer_send(c.client, "x", 1);
	bed_run(st);
	turns += turns_in(st, 1);
	expect_reset(silent.client);
	turns += turns_in(st, 38);
	assert_int_equal(bed_sessions(st), 1);
	turns += turns_in(st, 1);
	assert_int_equal(bed_sessions(st), 0);
	assert_true(turns < 20);
}

static void a_half_closed_session_has_a_timeout_of_its_own(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 1h\nhalf_close_timeout = 20s");
	struct pair c = bed_relaying(st);

	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	for (int n = 0; n < 10; n++) {
		turns_in(st, 15000);
		peer_send(c.client, "x", 1);
		bed_run(st);
	}
	assert_int_equal(bed_sessions(st), 1);
	turns_in(st, 19500);
	assert_int_equal(bed_sessions(st), 1);
	turns_in(st, 500 + PROBE_MS);
	assert_int_equal(bed_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
	expect_end(c.client); /* which it had already: no reset */
}

static void an_end_after_a_long_silence_begins_that_time(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 1h\nhalf_close_timeout = 20s");
	struct pair c = bed_relaying(st);

	turns_in(st, 1800 * 1000);
	shutdown(c.client, SHUT_WR);
	bed_run(st);
	turns_in(st, 19000);
	peer_send(c.backend, "x", 1);
	bed_run(st);
	expect_text(c.client, "x");
}

static void half_close_timeout_zero_leaves_the_idle_timeout(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 60s\nhalf_close_timeout = 0");
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	turns_in(st, 59000);
	assert_int_equal(bed_sessions(st), 1);
	turns_in(st, 1000 + PROBE_MS);
	assert_int_equal(bed_ended(st, CLOSE_IDLE) + bed_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
}

/* ---- probes ------------------------------------------------------------- */

/* The kernel does not tell a multishot receive of a reset that came together with bytes. */
static void a_death_that_no_op_was_told_of_is_found(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_relaying(st);

	peer_send(c.backend, "last words", 10);
	assert_true(fake_perform(&backend_of(c.s)->recv));
	assert_true(fake_perform(&client_of(c.s)->send));
	expect_text(c.client, "last words");
	bed_reset(st, c.backend);
	bed_pass(st, PROBE_MS - 1);
	expect_request(&backend_of(c.s)->cancel_recv, FAKE_NOTHING);
	bed_pass(st, 1);
	expect_request(&backend_of(c.s)->cancel_recv, FAKE_CANCEL);
	bed_run_until(st, bed_sessions(st) == 0);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
	expect_reset(c.client);
}

static void bytes_before_an_untold_death_are_delivered(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_relaying(st);

	peer_send(c.client, "first", 5);
	assert_true(fake_perform(&client_of(c.s)->recv));
	peer_send(c.client, " second", 7);
	bed_reset(st, c.client);
	fake_perform(&backend_of(c.s)->send);
	bed_pass(st, PROBE_MS);
	bed_run_until(st, bed_sessions(st) == 0);
	expect_text(c.backend, "first second");
	expect_reset(c.backend);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void a_side_that_ended_its_stream_may_still_die(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	bed_reset(st, c.client);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	bed_pass(st, PROBE_MS);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
	expect_end(c.backend); /* the client's stream had ended cleanly */
}

/* Ever more seldom, for it may stay so for long; never so seldom that it is forgotten. */
static void a_half_closed_session_is_probed_seldom(void **state)
{
	struct bed *st = bed_of(state, "half_close_timeout = 0\nidle_timeout = 0");
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	assert_in_range(turns_in(st, 60 * 1000), 6, 50);
	assert_in_range(turns_in(st, 600 * 1000), 60, 300);
	bed_reset(st, c.client);
	turns_in(st, PROBE_MAX_MS);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void its_timeouts_are_kept_to_the_moment(void **state)
{
	struct bed *st = bed_of(state, "half_close_timeout = 33s");
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	turns_in(st, 32999);
	assert_int_equal(bed_sessions(st), 1);
	turns_in(st, 1);
	assert_int_equal(bed_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
}

/* Bytes after a long silence: it is looked at soon again. */
static void who_moves_again_is_probed_soon(void **state)
{
	struct bed *st = bed_of(state, "half_close_timeout = 0\nidle_timeout = 0");
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	turns_in(st, 600 * 1000);
	peer_send(c.backend, "x", 1);
	bed_run(st);
	expect_text(c.client, "x");
	bed_reset(st, c.client);
	turns_in(st, 2 * PROBE_MS);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void idle_sessions_are_not_probed(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 1h");
	struct pair c = bed_relaying(st);

	peer_send(c.client, "x", 1);
	bed_run(st);
	assert_true(turns_in(st, 1800 * 1000) < 20);
	assert_int_equal(bed_sessions(st), 1);
}

/* ---- a reset that has to wait -------------------------------------------- */

#define MUCH (160 * 1024) /* more than a lane holds */

/* A backend has sent much; the client takes none of it, because its send is not performed. */
static struct pair with_a_slow_client(struct bed *st)
{
	struct pair c = bed_relaying(st);

	assert_int_equal(stream_send(c.backend, 1, 0, MUCH), MUCH);
	while (backend_of(c.s)->recv.in_kernel)
		assert_true(fake_perform(&backend_of(c.s)->recv));
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
	expect_request(&client_of(c.s)->send, FAKE_SEND);
	assert_true(client_of(c.s)->out.bytes < MUCH / 2);
	return c;
}

static void what_came_before_a_reset_is_delivered_first(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = with_a_slow_client(st);
	uint64_t came = 0, arrived = client_of(c.s)->out.bytes;
	int waiting;
	long end;

	assert_int_equal(ioctl(backend_of(c.s)->fd, FIONREAD, &waiting), 0);
	assert_true(waiting > 0);
	arrived += (uint64_t)waiting;
	bed_reset(st, c.backend);
	bed_pass(st, PROBE_MS);
	assert_true(session_is_ending(c.s));
	bed_run_until(st, bed_sessions(st) == 0);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
	assert_true(stream_recv(c.client, 1, &came, SIZE_MAX, &end));
	assert_int_equal(came, arrived);
	assert_int_equal(end, -ECONNRESET);
}

static void who_does_not_read_has_some_time_and_no_more(void **state)
{
	struct bed *st = bed_of(state, "relay = copy\nclose_timeout = 3s");
	struct pair c = with_a_slow_client(st);

	bed_reset(st, c.backend);
	bed_pass(st, PROBE_MS);
	for (int n = 0; n < 299; n++)
		bed_pass(st, 10);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	bed_pass(st, 10);
	assert_int_equal(c.s->phase, SESSION_CLOSING);
	fake_run_cancels();
	bed_turn(st);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
	expect_reset(c.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_session_without_bytes_ends),
		bed_test(bytes_in_either_direction_keep_it),
		bed_test(idle_timeout_zero_is_never),
		bed_test(short_timeouts_are_kept_and_do_not_spin),
		bed_test(a_half_closed_session_has_a_timeout_of_its_own),
		bed_test(an_end_after_a_long_silence_begins_that_time),
		bed_test(half_close_timeout_zero_leaves_the_idle_timeout),
		bed_test(a_death_that_no_op_was_told_of_is_found),
		bed_test(bytes_before_an_untold_death_are_delivered),
		bed_test(a_side_that_ended_its_stream_may_still_die),
		bed_test(a_half_closed_session_is_probed_seldom),
		bed_test(its_timeouts_are_kept_to_the_moment),
		bed_test(who_moves_again_is_probed_soon),
		bed_test(idle_sessions_are_not_probed),
		bed_test(what_came_before_a_reset_is_delivered_first),
		bed_test(who_does_not_read_has_some_time_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
