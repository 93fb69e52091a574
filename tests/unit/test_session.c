/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_stage.h"

#include "session/admission.h"
#include "session/exit.h"
#include "worker/session_life.h"

#include <sys/ioctl.h>

/* As in deadline.c. */
#define PROBE_MS 250
#define PROBE_MAX_MS 10000

static void bytes_and_ends_go_both_ways(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);

	peer_send(c.client, "ping", 4);
	stage_run(st);
	expect_text(c.backend, "ping");
	peer_send(c.backend, "pong", 4);
	stage_run(st);
	expect_text(c.client, "pong");
	shutdown(c.client, SHUT_WR);
	stage_run(st);
	expect_end(c.backend);
	expect_nothing(c.client);
	shutdown(c.backend, SHUT_WR);
	stage_run(st);
	expect_end(c.client);
	assert_int_equal(stage_sessions(st), 0);
	assert_int_equal(stage_ended(st, CLOSE_DONE), 1);
}

static void sessions_have_numbers_of_their_own(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair a = stage_relaying(st), b = stage_relaying(st);

	assert_int_not_equal(a.s->id, b.s->id);
	assert_int_equal(stage_engine(st)->host.counters->listeners[0].begun, 2);
}

static void without_a_slot_the_socket_is_closed(void **state)
{
	struct stage *st = stage_with(state, &(struct stage_options){ .sessions_max = 1 });
	struct pair c = stage_relaying(st);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	stage_keep(st, pair[1]);
	/* As if other workers' sessions had ended since it was admitted. */
	atomic_fetch_add(&stage_engine(st)->host.runtime->sessions, 1);
	atomic_fetch_add(&c.s->listener->sessions, 1);
	assert_false(session_begin(&stage_engine(st)->host,
				   &(struct accepted){ .listener = c.s->listener,
						       .fd = pair[0],
						       .source = ADMISSION_NO_SOURCE }));
	expect_end(pair[1]);
}

/* ---- the end waits for the kernel ---------------------------------------- */

struct holdings {
	unsigned fds, buffers, slots;
};

static struct holdings holdings(struct stage *st)
{
	return (struct holdings){
		.fds = stage_fds(st),
		.buffers = stage_engine(st)->host.loop.bufs.free_n,
		.slots = stage_sessions(st),
	};
}

static void expect_holdings(struct stage *st, struct holdings want)
{
	struct holdings have = holdings(st);

	assert_int_equal(have.fds, want.fds);
	assert_int_equal(have.buffers, want.buffers);
	assert_int_equal(have.slots, want.slots);
}

/* A session with all that it can have in the kernel: a receive and a send on each side. */
static struct pair busy(struct stage *st)
{
	struct pair c = stage_relaying(st);

	fake_receive(&client_of(c.s)->recv, "up", 2, IO_MORE);
	fake_receive(&backend_of(c.s)->recv, "down", 4, IO_MORE);
	expect_request(&client_of(c.s)->recv, FAKE_RECV);
	expect_request(&client_of(c.s)->send, FAKE_SEND);
	expect_request(&backend_of(c.s)->recv, FAKE_RECV);
	expect_request(&backend_of(c.s)->send, FAKE_SEND);
	return c;
}

static void nothing_comes_back_before_the_last_completion(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct holdings empty = holdings(st), full;
	struct pair c = busy(st);

	full = holdings(st);
	assert_int_equal(full.fds, empty.fds + 2);
	assert_int_equal(full.buffers, empty.buffers - 2);
	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	stage_turn(st);
	expect_holdings(st, full);

	fake_complete(&client_of(c.s)->recv, -ECANCELED, 0);
	fake_complete(&client_of(c.s)->send, -ECANCELED, 0);
	fake_complete(&client_of(c.s)->cancel_send, 0, 0);
	fake_complete(&backend_of(c.s)->cancel_recv, 0, 0);
	fake_complete(&backend_of(c.s)->recv, -ECANCELED, 0);
	fake_complete(&backend_of(c.s)->cancel_send, 0, 0);
	fake_complete(&backend_of(c.s)->send, -ECANCELED, 0);
	stage_turn(st);
	expect_holdings(st, full);
	expect_nothing(c.client);
	fake_complete(&client_of(c.s)->cancel_recv, 0, 0);
	expect_holdings(st, full);
	stage_turn(st);
	expect_holdings(st, empty);
	expect_reset(c.client);
	expect_reset(c.backend);
}

static void every_op_keeps_the_session(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct holdings empty = holdings(st);

	for (unsigned last = 0; last < 8; last++) {
		struct pair c = busy(st);
		struct io_op *ops[] = {
			&client_of(c.s)->recv,         &client_of(c.s)->send,
			&client_of(c.s)->cancel_recv,  &client_of(c.s)->cancel_send,
			&backend_of(c.s)->recv,        &backend_of(c.s)->send,
			&backend_of(c.s)->cancel_recv, &backend_of(c.s)->cancel_send,
		};

		session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
		for (unsigned n = 0; n < ARRAY_LEN(ops); n++)
			if (n != last)
				fake_complete(ops[n], -ECANCELED, 0);
		stage_turn(st);
		assert_int_equal(stage_sessions(st), 1);
		fake_complete(ops[last], -ECANCELED, 0);
		stage_turn(st);
		expect_holdings(st, empty);
	}
}

static void a_cancel_may_come_too_late(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct holdings empty = holdings(st);
	struct pair c = busy(st);

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	fake_receive(&client_of(c.s)->recv, "late", 4, 0);
	fake_complete(&client_of(c.s)->cancel_recv, -ENOENT, 0);
	fake_complete(&client_of(c.s)->send, 4, 0);
	fake_complete(&client_of(c.s)->cancel_send, -ENOENT, 0);
	fake_complete(&backend_of(c.s)->cancel_recv, -EALREADY, 0);
	fake_complete(&backend_of(c.s)->recv, 0, 0);
	fake_complete(&backend_of(c.s)->cancel_send, -EALREADY, 0);
	fake_complete(&backend_of(c.s)->send, -EPIPE, 0);
	stage_turn(st);
	expect_holdings(st, empty);
	assert_int_equal(stage_ended(st, CLOSE_IDLE), 1);
}

static void data_after_the_close_gives_its_buffers_back(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct pair c = stage_relaying(st);
	unsigned buffers = stage_engine(st)->host.loop.bufs.free_n;

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	for (int n = 0; n < 100; n++) {
		fake_receive(&client_of(c.s)->recv, "late", 4, IO_MORE);
		assert_int_equal(stage_engine(st)->host.loop.bufs.free_n, buffers);
	}
	expect_request(&backend_of(c.s)->send, FAKE_NOTHING);
	stage_run(st);
	assert_int_equal(stage_sessions(st), 0);
}

static void the_first_reason_counts(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	session_close(c.s, CLOSE_CLIENT_RESET, BY_CLIENT);
	stage_run(st);
	assert_int_equal(stage_ended(st, CLOSE_IDLE), 1);
	assert_int_equal(stage_ended(st, CLOSE_CLIENT_RESET), 0);
}

static void the_sockets_number_is_not_used_again_before_it_is_free(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);
	int fds[] = { client_of(c.s)->fd, backend_of(c.s)->fd };
	struct pair other;

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	stage_turn(st);
	other = stage_relaying(st);
	for (int n = 0; n < SIDES; n++) {
		assert_int_not_equal(other.s->sides[n].fd, fds[0]);
		assert_int_not_equal(other.s->sides[n].fd, fds[1]);
	}
}

/* ---- quiet sessions ------------------------------------------------------ */

static void a_session_without_bytes_ends(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 10s");
	struct pair c = stage_relaying(st);

	stage_pass(st, 9999);
	stage_run(st);
	assert_int_equal(stage_sessions(st), 1);
	stage_pass(st, 1);
	stage_run(st);
	assert_int_equal(stage_ended(st, CLOSE_IDLE), 1);
	expect_reset(c.client);
	expect_reset(c.backend);
}

static void bytes_in_either_direction_keep_it(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 10s");
	struct pair c = stage_relaying(st);
	int from[] = { c.client, c.backend };

	for (int n = 0; n < 20; n++) {
		stage_pass(st, 9000);
		peer_send(from[n % 2], "x", 1);
		stage_run(st);
	}
	assert_int_equal(stage_sessions(st), 1);
	stage_pass(st, 9999);
	stage_run(st);
	assert_int_equal(stage_sessions(st), 1);
	stage_pass(st, 1);
	stage_run(st);
	assert_int_equal(stage_ended(st, CLOSE_IDLE), 1);
}

/* Turns as the loop would take them, each when the one before said, for @ms; gives how many. */
static unsigned turns_in(struct stage *st, uint64_t ms)
{
	uint64_t until_ms = st->now_ms + ms;
	unsigned turns = 0;

	while (st->now_ms < until_ms) {
		uint64_t next_ms = timers_next_ms(&stage_engine(st)->host.loop.timers);

		if (next_ms > st->now_ms)
			st->now_ms = MIN(next_ms, until_ms);
		stage_run(st);
		if (++turns > 100000)
			fail_msg("it spins");
	}
	return turns;
}

static void idle_timeout_zero_is_never(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 0");

	stage_relaying(st);
	turns_in(st, 400ull * 24 * 3600 * 1000);
	assert_int_equal(stage_sessions(st), 1);
}

static void short_timeouts_are_kept_and_do_not_spin(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 40ms");
	struct pair c = stage_relaying(st), silent = stage_relaying(st);
	unsigned turns;

	turns = turns_in(st, 39);
	expect_nothing(silent.client);
	peer_send(c.client, "x", 1);
	stage_run(st);
	turns += turns_in(st, 1);
	expect_reset(silent.client);
	turns += turns_in(st, 38);
	assert_int_equal(stage_sessions(st), 1);
	turns += turns_in(st, 1);
	assert_int_equal(stage_sessions(st), 0);
	assert_true(turns < 20);
}

static void a_half_closed_session_has_a_timeout_of_its_own(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 1h\nhalf_close_timeout = 20s");
	struct pair c = stage_relaying(st);

	shutdown(c.backend, SHUT_WR);
	stage_run(st);
	for (int n = 0; n < 10; n++) {
		turns_in(st, 15000);
		peer_send(c.client, "x", 1);
		stage_run(st);
	}
	assert_int_equal(stage_sessions(st), 1);
	turns_in(st, 19500);
	assert_int_equal(stage_sessions(st), 1);
	turns_in(st, 500 + PROBE_MS);
	assert_int_equal(stage_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
	expect_end(c.client); /* which it had already: no reset */
}

static void an_end_after_a_long_silence_begins_that_time(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 1h\nhalf_close_timeout = 20s");
	struct pair c = stage_relaying(st);

	turns_in(st, 1800 * 1000);
	shutdown(c.client, SHUT_WR);
	stage_run(st);
	turns_in(st, 19000);
	peer_send(c.backend, "x", 1);
	stage_run(st);
	expect_text(c.client, "x");
}

static void half_close_timeout_zero_leaves_the_idle_timeout(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 60s\nhalf_close_timeout = 0");
	struct pair c = stage_relaying(st);

	shutdown(c.client, SHUT_WR);
	stage_run(st);
	turns_in(st, 59000);
	assert_int_equal(stage_sessions(st), 1);
	turns_in(st, 1000 + PROBE_MS);
	assert_int_equal(stage_ended(st, CLOSE_IDLE) + stage_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
}

/* ---- the quiet look ------------------------------------------------------ */

/* The kernel does not tell a multishot receive of a reset that came together with bytes. */
static void a_death_that_no_op_was_told_of_is_found(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct pair c = stage_relaying(st);

	peer_send(c.backend, "last words", 10);
	assert_true(fake_perform(&backend_of(c.s)->recv));
	assert_true(fake_perform(&client_of(c.s)->send));
	expect_text(c.client, "last words");
	stage_reset(st, c.backend);
	stage_pass(st, PROBE_MS - 1);
	expect_request(&backend_of(c.s)->cancel_recv, FAKE_NOTHING);
	stage_pass(st, 1);
	expect_request(&backend_of(c.s)->cancel_recv, FAKE_CANCEL);
	stage_run_until(st, stage_sessions(st) == 0);
	assert_int_equal(stage_ended(st, CLOSE_BACKEND_RESET), 1);
	expect_reset(c.client);
}

static void bytes_before_an_untold_death_are_delivered(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct pair c = stage_relaying(st);

	peer_send(c.client, "first", 5);
	assert_true(fake_perform(&client_of(c.s)->recv));
	peer_send(c.client, " second", 7);
	stage_reset(st, c.client);
	fake_perform(&backend_of(c.s)->send);
	stage_pass(st, PROBE_MS);
	stage_run_until(st, stage_sessions(st) == 0);
	expect_text(c.backend, "first second");
	expect_reset(c.backend);
	assert_int_equal(stage_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void a_side_that_ended_its_stream_may_still_die(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);

	shutdown(c.client, SHUT_WR);
	stage_run(st);
	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	stage_reset(st, c.client);
	stage_run(st);
	assert_int_equal(stage_sessions(st), 1);
	stage_pass(st, PROBE_MS);
	stage_run(st);
	assert_int_equal(stage_ended(st, CLOSE_CLIENT_RESET), 1);
	expect_end(c.backend); /* the client's stream had ended cleanly */
}

/* Ever more seldom, for it may stay so for long; never so seldom that it is forgotten. */
static void a_half_closed_session_is_looked_at_seldom(void **state)
{
	struct stage *st = stage_of(state, "half_close_timeout = 0\nidle_timeout = 0");
	struct pair c = stage_relaying(st);

	shutdown(c.client, SHUT_WR);
	stage_run(st);
	assert_in_range(turns_in(st, 60 * 1000), 6, 50);
	assert_in_range(turns_in(st, 600 * 1000), 60, 300);
	stage_reset(st, c.client);
	turns_in(st, PROBE_MAX_MS);
	assert_int_equal(stage_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void its_timeouts_are_kept_to_the_moment(void **state)
{
	struct stage *st = stage_of(state, "half_close_timeout = 33s");
	struct pair c = stage_relaying(st);

	shutdown(c.client, SHUT_WR);
	stage_run(st);
	turns_in(st, 32999);
	assert_int_equal(stage_sessions(st), 1);
	turns_in(st, 1);
	assert_int_equal(stage_ended(st, CLOSE_HALF_CLOSED_IDLE), 1);
}

/* Bytes after a long silence: it is looked at soon again. */
static void who_moves_again_is_looked_at_soon(void **state)
{
	struct stage *st = stage_of(state, "half_close_timeout = 0\nidle_timeout = 0");
	struct pair c = stage_relaying(st);

	shutdown(c.client, SHUT_WR);
	stage_run(st);
	turns_in(st, 600 * 1000);
	peer_send(c.backend, "x", 1);
	stage_run(st);
	expect_text(c.client, "x");
	stage_reset(st, c.client);
	turns_in(st, 2 * PROBE_MS);
	assert_int_equal(stage_ended(st, CLOSE_CLIENT_RESET), 1);
}

static void idle_sessions_are_not_looked_at(void **state)
{
	struct stage *st = stage_of(state, "idle_timeout = 1h");
	struct pair c = stage_relaying(st);

	peer_send(c.client, "x", 1);
	stage_run(st);
	assert_true(turns_in(st, 1800 * 1000) < 20);
	assert_int_equal(stage_sessions(st), 1);
}

/* ---- a reset that has to wait -------------------------------------------- */

#define MUCH (160 * 1024) /* more than a lane holds */

/* A backend has sent much; the client takes none of it, because its send is not performed. */
static struct pair with_a_slow_client(struct stage *st)
{
	struct pair c = stage_relaying(st);

	assert_int_equal(stream_send(c.backend, 1, 0, MUCH), MUCH);
	while (backend_of(c.s)->recv.in_kernel)
		assert_true(fake_perform(&backend_of(c.s)->recv));
	loop_work(&stage_engine(st)->host.loop, st->now_ms);
	expect_request(&client_of(c.s)->send, FAKE_SEND);
	assert_true(client_of(c.s)->out.bytes < MUCH / 2);
	return c;
}

static void what_came_before_a_reset_is_delivered_first(void **state)
{
	struct stage *st = stage_of(state, "relay = copy");
	struct pair c = with_a_slow_client(st);
	uint64_t came = 0, arrived = client_of(c.s)->out.bytes;
	int waiting;
	long end;

	assert_int_equal(ioctl(backend_of(c.s)->fd, FIONREAD, &waiting), 0);
	assert_true(waiting > 0);
	arrived += (uint64_t)waiting;
	stage_reset(st, c.backend);
	stage_pass(st, PROBE_MS);
	assert_true(session_is_ending(c.s));
	stage_run_until(st, stage_sessions(st) == 0);
	assert_int_equal(stage_ended(st, CLOSE_BACKEND_RESET), 1);
	assert_true(stream_recv(c.client, 1, &came, SIZE_MAX, &end));
	assert_int_equal(came, arrived);
	assert_int_equal(end, -ECONNRESET);
}

static void who_does_not_read_has_some_time_and_no_more(void **state)
{
	struct stage *st = stage_of(state, "relay = copy\nclose_timeout = 3s");
	struct pair c = with_a_slow_client(st);

	stage_reset(st, c.backend);
	stage_pass(st, PROBE_MS);
	for (int n = 0; n < 299; n++)
		stage_pass(st, 10);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	stage_pass(st, 10);
	assert_int_equal(c.s->phase, SESSION_CLOSING);
	fake_run_cancels();
	stage_turn(st);
	assert_int_equal(stage_ended(st, CLOSE_BACKEND_RESET), 1);
	expect_reset(c.client);
}

/* ---- what is told -------------------------------------------------------- */

static void every_reason_and_phase_has_a_name(void **state)
{
	(void)state;
	for (int a = 0; a < CLOSE_REASONS; a++) {
		assert_non_null(close_reason_names[a]);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(close_reason_names[a], close_reason_names[b]);
	}
}

static void one_line_tells_of_each_session(void **state)
{
	struct stage *st = stage_of(state, NULL);
	struct pair c = stage_relaying(st);
	const char *log;

	peer_send(c.client, "ping", 4);
	stage_run(st);
	peer_send(c.backend, "answer", 6);
	stage_run(st);
	stage_pass(st, 1234);
	shutdown(c.backend, SHUT_WR);
	stage_run(st);
	shutdown(c.client, SHUT_WR);
	stage_run(st);
	log = stage_log(st);
	assert_non_null(strstr(log, "msg=session"));
	assert_non_null(strstr(log, " listener=l client=127.0.0.1:"));
	assert_non_null(strstr(log, " backend=b0 bytes_up=4 bytes_down=6 "));
	assert_non_null(strstr(log, " duration_ms=1234 "));
	assert_non_null(strstr(log, " reason=done by=backend"));
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(bytes_and_ends_go_both_ways),
		stage_test(sessions_have_numbers_of_their_own),
		stage_test(without_a_slot_the_socket_is_closed),
		stage_test(nothing_comes_back_before_the_last_completion),
		stage_test(every_op_keeps_the_session),
		stage_test(a_cancel_may_come_too_late),
		stage_test(data_after_the_close_gives_its_buffers_back),
		stage_test(the_first_reason_counts),
		stage_test(the_sockets_number_is_not_used_again_before_it_is_free),
		stage_test(a_session_without_bytes_ends),
		stage_test(bytes_in_either_direction_keep_it),
		stage_test(idle_timeout_zero_is_never),
		stage_test(short_timeouts_are_kept_and_do_not_spin),
		stage_test(a_half_closed_session_has_a_timeout_of_its_own),
		stage_test(an_end_after_a_long_silence_begins_that_time),
		stage_test(half_close_timeout_zero_leaves_the_idle_timeout),
		stage_test(a_death_that_no_op_was_told_of_is_found),
		stage_test(bytes_before_an_untold_death_are_delivered),
		stage_test(a_side_that_ended_its_stream_may_still_die),
		stage_test(a_half_closed_session_is_looked_at_seldom),
		stage_test(its_timeouts_are_kept_to_the_moment),
		stage_test(who_moves_again_is_looked_at_soon),
		stage_test(idle_sessions_are_not_looked_at),
		stage_test(what_came_before_a_reset_is_delivered_first),
		stage_test(who_does_not_read_has_some_time_and_no_more),
		stage_test(every_reason_and_phase_has_a_name),
		stage_test(one_line_tells_of_each_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
