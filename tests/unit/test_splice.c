/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "relay/splice.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>

#define MUCH (8 << 20) /* more than pipe and sockets hold */

/* As in splice.c. */
#define QUIET_PUMPS 8
#define TURN_BYTES (2u << 20)

static bool is_blocking(int fd)
{
	return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static unsigned pipes_lent(struct bed *st)
{
	return bed_engine(st)->host.pipes.open_n - bed_engine(st)->host.pipes.free_n;
}

/* Sends @n bytes of stream @seed, from @at, through the session and checks them at the end. */
static void stream_through(struct bed *st, int from, int to, uint64_t at, size_t n)
{
	uint64_t sent = at, came = at;
	long end;

	for (int rounds = 0; came < at + n && rounds < 100000; rounds++) {
		sent += stream_send(from, 5, sent, at + n - sent);
		bed_run(st);
		assert_true(stream_recv(to, 5, &came, SIZE_MAX, &end));
	}
	assert_int_equal(came, at + n);
}

/* ---- who splices --------------------------------------------------------- */

static void auto_splices_what_streams(void **state)
{
	struct bed *st = bed_of(state, "relay = auto");
	struct pair c = bed_relaying(st);

	stream_through(st, c.backend, c.client, 0, 100000);
	assert_false(down_of(c.s)->is_spliced);
	stream_through(st, c.backend, c.client, 100000, MUCH);
	assert_true(down_of(c.s)->is_spliced);
	assert_false(up_of(c.s)->is_spliced);
	assert_int_equal(bed_engine(st)->host.counters->splices_started, 1);
	assert_true(bed_engine(st)->host.counters->bytes_spliced > MUCH / 2);
	assert_int_equal(down_of(c.s)->bytes, 100000 + MUCH);
}

static void auto_does_not_splice_what_trickles(void **state)
{
	struct bed *st = bed_of(state, "relay = auto");
	struct pair c = bed_relaying(st);

	for (uint64_t at = 0; at < SPLICE_STREAM_BYTES * 4; at += 4000)
		stream_through(st, c.client, c.backend, at, 4000);
	assert_int_equal(bed_engine(st)->host.counters->splices_started, 0);
}

static void copy_never_splices(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_relaying(st);

	stream_through(st, c.client, c.backend, 0, MUCH);
	assert_int_equal(bed_engine(st)->host.counters->splices_started, 0);
	assert_int_equal(bed_engine(st)->host.counters->bytes_copied, MUCH);
}

static void splice_splices_at_once(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);

	assert_true(down_of(c.s)->is_spliced);
	stream_through(st, c.backend, c.client, 0, 10);
	stream_through(st, c.client, c.backend, 0, 10);
	assert_true(up_of(c.s)->is_spliced);
	stream_through(st, c.client, c.backend, 10, MUCH);
	assert_int_equal(up_of(c.s)->bytes, 10 + MUCH);
}

static void unix_sockets_are_not_spliced(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .listener_keys = "relay = splice",
								.is_unix = true });
	struct pair c = bed_relaying(st);

	stream_through(st, c.client, c.backend, 0, MUCH);
	assert_int_equal(bed_engine(st)->host.counters->splices_started, 0);
}

static void what_waits_is_sent_before_the_first_spliced_byte(void **state)
{
	const char early[] = "PROXY UNKNOWN\r\nearly ";
	struct bed *st = bed_of(state,
				"relay = splice\n"
				"proxy_protocol = accept\nproxy_protocol_from = 127.0.0.0/8");
	struct pair c = bed_dialing(st);

	peer_send(c.client, early, sizeof(early) - 1);
	fake_perform(&client_of(c.s)->recv);
	fake_perform(&backend_of(c.s)->send); /* the connect */
	c.backend = bed_accept_at(st, 0);
	peer_send(c.client, "late", 4);
	assert_false(up_of(c.s)->is_spliced);
	bed_run(st);
	assert_true(up_of(c.s)->is_spliced);
	expect_text(c.backend, "early late");
}

/* ---- what is noted of bytes, however they move ---------------------------- */

static const char *const transports[] = { "relay = copy", "relay = splice", "relay = auto" };

static struct bed *bed_by(void **state, size_t n, const char *more)
{
	char keys[128];

	snprintf(keys, sizeof(keys), "%s\n%s", transports[n], more);
	return bed_of(state, keys);
}

static void who_speaks_has_spoken(void **state)
{
	for (size_t n = 0; n < ARRAY_LEN(transports); n++) {
		struct bed *st = bed_by(state, n, "first_byte_timeout = 2s");
		struct pair c = bed_relaying(st), silent = bed_relaying(st);

		stream_through(st, silent.backend, silent.client, 0, 10);
		stream_through(st, c.client, c.backend, 0, 1);
		bed_pass(st, 2000);
		bed_run(st);
		assert_int_equal(bed_sessions(st), 1);
		assert_int_equal(bed_ended(st, CLOSE_FIRST_BYTE_TIMEOUT), 1);
		expect_reset(silent.client);
		stream_through(st, c.client, c.backend, 1, 10);
		assert_null(bed_destroy(st));
		*state = NULL;
	}
}

/* They move although the other side's socket has no room for them yet. */
static void bytes_that_come_move(void **state)
{
	static const char block[65536];

	for (size_t n = 0; n < ARRAY_LEN(transports); n++) {
		struct bed *st = bed_by(state, n, "idle_timeout = 10s");
		struct pair c = bed_relaying(st);

		stream_through(st, c.backend, c.client, 0, 1);
		while (send(client_of(c.s)->fd, block, sizeof(block), MSG_DONTWAIT) > 0)
			;
		bed_pass(st, 9000);
		bed_run(st);
		peer_send(c.backend, "x", 1);
		bed_run(st);
		assert_int_equal(c.s->active_ms, st->now_ms);
		assert_null(bed_destroy(st));
		*state = NULL;
	}
}

/* ---- back to copying ----------------------------------------------------- */

static void auto_copies_again_what_has_become_quiet(void **state)
{
	struct bed *st = bed_of(state, "relay = auto");
	struct pair c = bed_relaying(st);
	uint64_t at = MUCH;

	stream_through(st, c.backend, c.client, 0, MUCH);
	assert_true(down_of(c.s)->is_spliced);
	assert_false(is_blocking(client_of(c.s)->fd));
	for (int n = 0; n < QUIET_PUMPS; n++, at += 100)
		stream_through(st, c.backend, c.client, at, 100);
	assert_false(down_of(c.s)->is_spliced);
	assert_true(is_blocking(client_of(c.s)->fd));
	assert_true(is_blocking(backend_of(c.s)->fd));
	stream_through(st, c.backend, c.client, at, MUCH);
	assert_true(down_of(c.s)->is_spliced);
}

static void the_other_lanes_sockets_stay_as_it_needs_them(void **state)
{
	struct bed *st = bed_of(state, "relay = auto");
	struct pair c = bed_relaying(st);
	uint64_t at = MUCH;

	stream_through(st, c.backend, c.client, 0, MUCH);
	stream_through(st, c.client, c.backend, 0, MUCH);
	assert_true(up_of(c.s)->is_spliced);
	for (int n = 0; n < QUIET_PUMPS; n++, at += 100)
		stream_through(st, c.backend, c.client, at, 100);
	assert_false(down_of(c.s)->is_spliced);
	assert_false(is_blocking(client_of(c.s)->fd));
	stream_through(st, c.backend, c.client, at,
		       5000); /* copied, from a socket that does not wait */
	expect_request(&backend_of(c.s)->recv, FAKE_POLL);
	stream_through(st, c.client, c.backend, MUCH, MUCH);
}

/* ---- pipes --------------------------------------------------------------- */

static void a_pipe_is_borrowed_only_while_bytes_are_in_it(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);

	assert_int_equal(pipes_lent(st), 0);
	stream_through(st, c.backend, c.client, 0, MUCH);
	assert_int_equal(pipes_lent(st), 0);
	assert_int_equal(bed_engine(st)->host.pipes.open_n, 1);
}

static void a_stream_that_has_ended_borrows_none(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);

	stream_through(st, c.backend, c.client, 0, 1000);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	expect_end(c.client);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(pipes_lent(st), 0);
}

static void many_streams_share_few_pipes(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair pairs[20];

	for (int n = 0; n < 20; n++)
		pairs[n] = bed_relaying(st);
	for (int n = 0; n < 20; n++)
		stream_through(st, pairs[n].client, pairs[n].backend, 0, 100000);
	assert_int_equal(bed_engine(st)->host.pipes.open_n, 1);
}

/* The client takes nothing until sockets and pipe are full. */
static uint64_t fill(struct bed *st, struct pair c)
{
	uint64_t sent = 0;
	size_t n;

	do {
		n = stream_send(c.backend, 5, sent, MUCH);
		sent += n;
		bed_run(st);
	} while (n > 0);
	return sent;
}

static void a_slow_reader_keeps_one_pipe_and_gets_all(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);
	uint64_t sent = fill(st, c), came = 0;
	long end;

	assert_int_equal(pipes_lent(st), 1);
	expect_request(&client_of(c.s)->send, FAKE_POLL);
	assert_int_equal(fake_request_of(&client_of(c.s)->send).events, POLLOUT);
	expect_request(&backend_of(c.s)->recv, FAKE_NOTHING);
	shutdown(c.backend, SHUT_WR);
	for (int n = 0; n < 1000 && down_of(c.s)->state != LANE_DONE; n++) {
		assert_true(stream_recv(c.client, 5, &came, SIZE_MAX, &end));
		bed_run_for_a_moment(st);
	}
	assert_true(stream_recv(c.client, 5, &came, SIZE_MAX, &end));
	assert_int_equal(came, sent);
	assert_int_equal(end, 0);
	assert_int_equal(pipes_lent(st), 0);
}

static void a_pipe_with_leftovers_is_not_used_again(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st), other = bed_relaying(st);

	fill(st, c);
	assert_true(splice_holds_bytes(down_of(c.s)));
	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(pipes_lent(st), 0);
	stream_through(st, other.client, other.backend, 0, 100000);
}

/* No descriptor can be had from now on. */
static struct rlimit no_more_descriptors(void)
{
	struct rlimit before, now;
	int next = dup(0);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

static void without_a_pipe_the_lane_copies(void **state)
{
	struct bed *st = bed_of(state, "relay = auto");
	struct pair c = bed_relaying(st);
	struct rlimit before = no_more_descriptors();

	stream_through(st, c.backend, c.client, 0, MUCH);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(down_of(c.s)->is_spliced);
	assert_true(is_blocking(client_of(c.s)->fd));
	assert_int_equal(bed_engine(st)->host.counters->bytes_copied, MUCH);
	stream_through(st, c.backend, c.client, MUCH, MUCH); /* and tries again */
	assert_true(bed_engine(st)->host.counters->bytes_spliced > MUCH / 2);
}

/* Its own limit is as good as the process's: a lane copies until a pipe is free. */
static void over_the_budget_a_lane_copies(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair slow = bed_relaying(st), c;
	uint64_t copied;

	bed_engine(st)->host.pipes.max = 1;
	fill(st, slow);
	assert_int_equal(pipes_lent(st), 1);
	c = bed_relaying(st);
	copied = bed_engine(st)->host.counters->bytes_copied;
	stream_through(st, c.backend, c.client, 0, MUCH);
	assert_int_equal(bed_engine(st)->host.counters->bytes_copied - copied, MUCH);
	assert_true(is_blocking(client_of(c.s)->fd));
	assert_int_equal(bed_engine(st)->host.pipes.open_n, 1);
	session_close(slow.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_run(st);
	stream_through(st, c.backend, c.client, MUCH, MUCH);
	assert_true(down_of(c.s)->is_spliced);
	assert_int_equal(bed_engine(st)->host.pipes.open_n, 1);
}

static void without_a_budget_all_is_copied(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .listener_keys = "relay = splice",
								.without_pipes = true });
	struct pair c = bed_relaying(st);

	stream_through(st, c.backend, c.client, 0, MUCH);
	assert_int_equal(bed_engine(st)->host.counters->bytes_copied, MUCH);
}

/* ---- ends ---------------------------------------------------------------- */

static void ends_go_both_ways(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);

	stream_through(st, c.client, c.backend, 0, 300000);
	shutdown(c.client, SHUT_WR);
	bed_run(st);
	expect_end(c.backend);
	stream_through(st, c.backend, c.client, 0, MUCH);
	expect_nothing(c.client);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	expect_end(c.client);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
}

static void closing_waits_for_its_polls(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);

	fill(st, c);
	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_turn(st);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(pipes_lent(st), 1);
	fake_complete(&client_of(c.s)->send, POLLOUT, 0); /* the cancel comes too late */
	assert_int_equal(pipes_lent(st), 1);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(pipes_lent(st), 0);
}

static void one_stream_does_not_take_the_whole_turn(void **state)
{
	struct bed *st = bed_of(state, "relay = splice");
	struct pair c = bed_relaying(st);
	uint64_t before;

	assert_true(stream_send(c.backend, 5, 0, MUCH) > 0);
	before = bed_engine(st)->host.counters->bytes_spliced;
	fake_perform(&backend_of(c.s)->recv);
	assert_true(bed_engine(st)->host.counters->bytes_spliced - before < 2 * TURN_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(auto_splices_what_streams),
		bed_test(auto_does_not_splice_what_trickles),
		bed_test(copy_never_splices),
		bed_test(splice_splices_at_once),
		bed_test(unix_sockets_are_not_spliced),
		bed_test(what_waits_is_sent_before_the_first_spliced_byte),
		bed_test(who_speaks_has_spoken),
		bed_test(bytes_that_come_move),
		bed_test(auto_copies_again_what_has_become_quiet),
		bed_test(the_other_lanes_sockets_stay_as_it_needs_them),
		bed_test(a_pipe_is_borrowed_only_while_bytes_are_in_it),
		bed_test(a_stream_that_has_ended_borrows_none),
		bed_test(many_streams_share_few_pipes),
		bed_test(a_slow_reader_keeps_one_pipe_and_gets_all),
		bed_test(a_pipe_with_leftovers_is_not_used_again),
		bed_test(without_a_pipe_the_lane_copies),
		bed_test(over_the_budget_a_lane_copies),
		bed_test(without_a_budget_all_is_copied),
		bed_test(ends_go_both_ways),
		bed_test(closing_waits_for_its_polls),
		bed_test(one_stream_does_not_take_the_whole_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
