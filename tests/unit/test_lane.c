/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "relay/lane.h"

#include <poll.h>

static struct bed *copying(void **state)
{
	return bed_of(state, "relay = copy");
}

/* A pool so large that no lane has to be careful. */
static struct bed *copying_with(void **state, unsigned buffers)
{
	return bed_with(state, &(struct bed_options){ .listener_keys = "relay = copy",
						      .buffers = buffers });
}

/* ---- what is sent -------------------------------------------------------- */

static void a_short_send_goes_on_where_it_stopped(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "0123456789", 10);
	fake_perform(&client_of(c.s)->recv);
	assert_int_equal(fake_send_part(&backend_of(c.s)->send, 1), 1);
	assert_int_equal(fake_send_part(&backend_of(c.s)->send, 4), 4);
	assert_int_equal(fake_request_of(&backend_of(c.s)->send).n, 5);
	bed_run(st);
	expect_text(c.backend, "0123456789");
	assert_int_equal(up_of(c.s)->bytes, 10);
}

static void one_send_at_a_time_in_the_order_of_arrival(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);
	struct io_op *send = &backend_of(c.s)->send;

	fake_receive(&client_of(c.s)->recv, "one ", 4, IO_MORE);
	fake_receive(&client_of(c.s)->recv, "two ", 4, IO_MORE);
	assert_int_equal(fake_request_of(send).n, 4);
	fake_perform(send);
	fake_receive(&client_of(c.s)->recv, "three", 5, IO_MORE);
	bed_run(st);
	expect_text(c.backend, "one two three");
}

static void an_interrupted_send_is_sent_again(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "again", 5, 0);
	fake_complete(&backend_of(c.s)->send, -EINTR, 0);
	bed_run(st);
	expect_text(c.backend, "again");
}

static void a_send_that_had_to_wait_is_sent_again(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "patience", 8, 0);
	fake_complete(&backend_of(c.s)->send, 0, 0);
	assert_int_equal(fake_request_of(&backend_of(c.s)->send).n, 8);
	bed_run(st);
	expect_text(c.backend, "patience");
}

/* ---- what is received ---------------------------------------------------- */

static void an_interrupted_receive_is_asked_for_again(void **state)
{
	const int errors[] = { -EINTR, -EAGAIN, -ECANCELED };
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	for (size_t n = 0; n < ARRAY_LEN(errors); n++) {
		fake_complete(&client_of(c.s)->recv, errors[n], 0);
		expect_request(&client_of(c.s)->recv, FAKE_RECV);
	}
	peer_send(c.client, "x", 1);
	bed_run(st);
	expect_text(c.backend, "x");
}

static void a_receive_looks_at_once_only_when_more_is_known_to_be_there(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);
	struct io_op *recv = &client_of(c.s)->recv;

	assert_true(fake_request_of(recv).wait);
	fake_receive(recv, "x", 1, IO_NONEMPTY);
	assert_false(fake_request_of(recv).wait);
	fake_receive(recv, "x", 1, 0);
	assert_true(fake_request_of(recv).wait);
}

/* Kernels before 6.19 may lose the end of stream of a unix socket in a multishot receive. */
static void a_unix_socket_gets_no_credit(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .is_unix = true });
	struct pair c = bed_relaying(st);

	assert_int_equal(fake_request_of(&backend_of(c.s)->recv).credit, 0);
	peer_send(c.backend, "hello", 5);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	expect_text(c.client, "hello");
	expect_end(c.client);
}

static void without_credit_it_is_one_receive_at_a_time(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .without_credit = true });
	struct pair c = bed_relaying(st);
	uint64_t at = 0;
	long end;

	assert_int_equal(stream_send(c.client, 7, 0, 500000), 500000);
	bed_run(st);
	assert_true(stream_recv(c.backend, 7, &at, SIZE_MAX, &end));
	assert_int_equal(at, 500000);
}

/* ---- back-pressure ------------------------------------------------------- */

static unsigned held(struct bed *st)
{
	return bed_engine(st)->host.loop.bufs.count - bed_engine(st)->host.loop.bufs.free_n;
}

/* Receives in pieces of @n bytes, while nothing can be sent, as long as the lane wants more. */
/* Of a lane that begins. */
#define HIGH_WATER (LANE_DEPTH_MIN * BUF_RECEIVE_BYTES)

static void fill_lane(struct pair c, size_t n)
{
	struct io_op *recv = &client_of(c.s)->recv;
	char bytes[BUF_RECEIVE_BYTES] = { 0 };
	uint32_t credit = fake_request_of(recv).credit;

	while (recv->in_kernel) {
		bool goes_on = credit > n;

		fake_receive(recv, bytes, n, goes_on ? IO_MORE : 0);
		credit = goes_on ? credit - (uint32_t)n : fake_request_of(recv).credit;
	}
}

static void a_slow_reader_stops_its_lane(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);

	fill_lane(c, BUF_RECEIVE_BYTES);
	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	assert_in_range(backend_of(c.s)->out.bytes, HIGH_WATER, HIGH_WATER + BUF_RECEIVE_BYTES);
	assert_true(held(st) <= 3);
	bed_run(st);
	expect_request(&client_of(c.s)->recv, FAKE_RECV);
	assert_int_equal(held(st), 0);
}

static void the_credit_is_what_the_lane_may_still_hold(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);
	struct io_op *recv = &client_of(c.s)->recv;
	char bytes[BUF_RECEIVE_BYTES] = { 0 };

	assert_int_equal(fake_request_of(recv).credit, HIGH_WATER);
	fake_receive(recv, bytes, 10000, 0);
	assert_int_equal(fake_request_of(recv).credit, HIGH_WATER - 10000);
	fake_receive(recv, bytes, BUF_RECEIVE_BYTES, 0);
	assert_int_equal(fake_request_of(recv).credit, HIGH_WATER - 10000 - BUF_RECEIVE_BYTES);
	fake_perform(&backend_of(c.s)->send);
	fake_receive(recv, bytes, 1, 0);
	assert_int_equal(fake_request_of(recv).credit, HIGH_WATER - BUF_RECEIVE_BYTES - 1);
}

/* Whatever the size of the pieces in which bytes come. */
static void a_slow_reader_holds_few_buffers(void **state)
{
	struct bed *st = copying_with(state, 1000);

	for (size_t n = 1; n <= BUF_RECEIVE_BYTES; n += n < 200 ? 1 : 97) {
		struct pair c = bed_relaying(st);

		fill_lane(c, n);
		if (held(st) > LANE_BUFFERS_MAX(LANE_DEPTH_MIN))
			fail_msg("%u buffers with pieces of %zu bytes", held(st), n);
		session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
		bed_close(st, c.client);
		bed_close(st, c.backend);
		bed_run(st);
	}
}

static void small_receives_share_a_buffer_and_keep_their_order(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);
	uint64_t at = 0;
	long end;

	for (uint64_t sent = 0; sent < 30000; sent += 100) {
		char bytes[100];

		stream_fill(bytes, sizeof(bytes), 9, sent);
		fake_receive(&client_of(c.s)->recv, bytes, sizeof(bytes), IO_MORE);
	}
	assert_true(held(st) <= 3);
	bed_run(st);
	assert_true(stream_recv(c.backend, 9, &at, SIZE_MAX, &end));
	assert_int_equal(at, 30000);
}

/* The kernel reads it meanwhile. */
static void nothing_is_added_to_a_buffer_that_is_being_sent(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);
	struct fake_request send;

	fake_receive(&client_of(c.s)->recv, "first", 5, IO_MORE);
	send = fake_request_of(&backend_of(c.s)->send);
	fake_receive(&client_of(c.s)->recv, "second", 6, IO_MORE);
	assert_int_equal(backend_of(c.s)->out.head->end, 5);
	assert_ptr_equal(send.parts[0].iov_base, backend_of(c.s)->out.head->bytes);
	bed_run(st);
	expect_text(c.backend, "firstsecond");
}

/* ---- streams ------------------------------------------------------------- */

static void receive_full(struct bed *st, struct pair c, int n)
{
	static const char bytes[BUF_RECEIVE_BYTES];

	while (n-- > 0)
		fake_receive(&client_of(c.s)->recv, bytes, sizeof(bytes), n > 0 ? IO_MORE : 0);
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
}

/* Gives how much is being sent. */
static int send_all(struct pair c)
{
	struct io_op *send = &backend_of(c.s)->send;
	int n = (int)fake_request_of(send).n;

	fake_complete(send, n, 0);
	return n;
}

static void what_comes_of_a_stream_in_one_turn_is_sent_at_once(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);

	receive_full(st, c, 3);
	assert_int_equal(fake_request_of(&backend_of(c.s)->send).parts_n, 3);
	assert_int_equal(send_all(c), 3 * BUF_RECEIVE_BYTES);
	assert_int_equal(held(st), 0);
}

static void a_lane_is_as_deep_as_its_reader_is_fast(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);
	struct io_op *recv = &client_of(c.s)->recv;

	for (int depth = LANE_DEPTH_MIN; depth < LANE_DEPTH_MAX; depth *= 2) {
		assert_int_equal(fake_request_of(recv).credit, depth * BUF_RECEIVE_BYTES);
		receive_full(st, c, depth);
		send_all(c);
		bed_turn(st);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(up_of(c.s)->depth, LANE_DEPTH_MAX);
		receive_full(st, c, LANE_DEPTH_MAX);
		send_all(c);
		bed_turn(st);
	}

	receive_full(st, c, LANE_DEPTH_MAX);
	fake_complete(&backend_of(c.s)->send, 3 * BUF_RECEIVE_BYTES + 1, 0);
	assert_int_equal(up_of(c.s)->depth, LANE_DEPTH_MIN);
	expect_request(recv, FAKE_NOTHING);
	send_all(c);
	expect_request(recv, FAKE_RECV);
}

static void one_buffer_at_a_time_makes_no_lane_deeper(void **state)
{
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);

	for (int i = 0; i < 10; i++) {
		receive_full(st, c, 1);
		send_all(c);
		bed_turn(st);
	}
	assert_int_equal(up_of(c.s)->depth, LANE_DEPTH_MIN);
}

static void any_number_of_streams_is_sent_in_one_turn(void **state)
{
	static const char bytes[BUF_RECEIVE_BYTES];
	struct pair pairs[HOST_PUSHES_MAX + 8];
	struct bed *st = bed_with(state, &(struct bed_options){ .listener_keys = "relay = copy",
								.buffers = 1000,
								.sessions_max = ARRAY_LEN(pairs) });

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		pairs[i] = bed_relaying(st);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		fake_receive(&client_of(pairs[i].s)->recv, bytes, sizeof(bytes), 0);
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		assert_int_equal(send_all(pairs[i]), sizeof(bytes));
}

static void a_session_that_ends_in_the_same_turn_sends_nothing_more(void **state)
{
	static const char bytes[BUF_RECEIVE_BYTES];
	struct bed *st = copying_with(state, 1000);
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, bytes, sizeof(bytes), 0);
	session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	fake_run_cancels();
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(held(st), 0);
}

/* ---- no buffers ---------------------------------------------------------- */

static void who_finds_no_buffer_is_fed_later(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "hungry", 6);
	fake_complete(&client_of(c.s)->recv, -ENOBUFS, 0);
	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	bed_turn(st);
	expect_request(&client_of(c.s)->recv, FAKE_RECV);
	bed_run(st);
	expect_text(c.backend, "hungry");
}

/* As many as there are buffers, those that have waited longest. */
static void buffers_are_handed_out_in_the_order_of_waiting(void **state)
{
	struct bed *st = copying_with(state, 40);
	struct buf *taken[40];
	struct pair pairs[6];

	for (int n = 0; n < 6; n++)
		pairs[n] = bed_relaying(st);
	for (int n = 0; n < 40; n++)
		taken[n] = buf_get(&bed_engine(st)->host.loop.bufs);
	for (int n = 0; n < 6; n++)
		fake_complete(&client_of(pairs[n].s)->recv, -ENOBUFS, 0);
	bed_turn(st);
	for (int n = 0; n < 6; n++)
		assert_false(list_is_empty(&client_of(pairs[n].s)->waiting));

	buf_put(&bed_engine(st)->host.loop.bufs, taken[0]);
	buf_put(&bed_engine(st)->host.loop.bufs, taken[1]);
	bed_turn(st);
	for (int n = 0; n < 6; n++)
		assert_int_equal(list_is_empty(&client_of(pairs[n].s)->waiting), n < 2);
	for (int n = 2; n < 40; n++)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[n]);
	bed_turn(st);
	assert_true(list_is_empty(&bed_engine(st)->host.waiting_for_buffer));
}

static void who_is_closed_while_waiting_for_a_buffer_leaves_the_line(void **state)
{
	struct bed *st = copying(state);
	struct pair a = bed_relaying(st), b = bed_relaying(st);

	fake_complete(&client_of(a.s)->recv, -ENOBUFS, 0);
	fake_complete(&client_of(b.s)->recv, -ENOBUFS, 0);
	session_close(a.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	peer_send(b.client, "x", 1);
	bed_run(st);
	expect_text(b.backend, "x");
}

/* ---- few buffers --------------------------------------------------------- */

static void with_few_buffers_a_lane_looks_for_room_before_it_receives(void **state)
{
	struct bed *st = copying_with(state, 4);
	struct pair c = bed_relaying(st);

	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	expect_request(&backend_of(c.s)->send, FAKE_POLL);
	assert_int_equal(fake_request_of(&backend_of(c.s)->send).events, POLLOUT);
	fake_perform(&backend_of(c.s)->send);
	expect_request(&client_of(c.s)->recv, FAKE_RECV);
	assert_int_equal(fake_request_of(&client_of(c.s)->recv).credit, 0);
	peer_send(c.client, "x", 1);
	bed_run(st);
	expect_text(c.backend, "x");
}

/* Nobody reads at the other end of @fd, and its buffers are full. */
static void fill_socket(struct bed *st, struct pair c)
{
	uint64_t at = 0;
	size_t n;

	do {
		n = stream_send(c.client, 3, at, 1 << 20);
		at += n;
		bed_run(st);
	} while (n > 0);
}

static void four_buffers_serve_all_whatever_slow_readers_do(void **state)
{
	struct bed *st = copying_with(state, 4);
	struct pair slow[6], quick = bed_relaying(st);

	for (int n = 0; n < 6; n++) {
		slow[n] = bed_relaying(st);
		fill_socket(st, slow[n]);
	}
	for (int n = 0; n < 100; n++) {
		peer_send(quick.client, "ping", 4);
		bed_run(st);
		expect_text(quick.backend, "ping");
		peer_send(quick.backend, "pong", 4);
		bed_run(st);
		expect_text(quick.client, "pong");
	}
}

/* ---- ends ---------------------------------------------------------------- */

static void one_direction_may_end_and_the_other_go_on(void **state)
{
	struct bed *st = copying(state);

	for (int n = 0; n < 2; n++) {
		struct pair c = bed_relaying(st);
		int first = n ? c.backend : c.client, second = n ? c.client : c.backend;

		peer_send(first, "bye", 3);
		shutdown(first, SHUT_WR);
		bed_run(st);
		expect_text(second, "bye");
		expect_end(second);
		for (int i = 0; i < 50; i++) {
			peer_send(second, "still here", 10);
			bed_run(st);
			expect_text(first, "still here");
		}
		expect_nothing(first);
		shutdown(second, SHUT_WR);
		bed_run(st);
		expect_end(first);
		assert_int_equal(bed_sessions(st), 0);
	}
	assert_int_equal(bed_ended(st, CLOSE_DONE), 2);
}

static void an_end_waits_for_the_bytes_before_it(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "last words", 10, IO_MORE);
	fake_complete(&client_of(c.s)->recv, 0, 0);
	assert_int_equal(up_of(c.s)->state, LANE_FLUSHING);
	expect_nothing(c.backend);
	fake_send_part(&backend_of(c.s)->send, 4);
	expect_text(c.backend, "last");
	fake_perform(&backend_of(c.s)->send);
	assert_int_equal(up_of(c.s)->state, LANE_DONE);
	expect_text(c.backend, " words");
	expect_end(c.backend);
}

static void an_end_while_dialing_follows_the_bytes(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_dialing(st);

	peer_send(c.client, "early", 5);
	shutdown(c.client, SHUT_WR);
	expect_request(&client_of(c.s)->recv, FAKE_NOTHING);
	bed_run(st);
	c.backend = bed_accept_at(st, 0);
	expect_text(c.backend, "early");
	expect_end(c.backend);
	peer_send(c.backend, "answer", 6);
	bed_run(st);
	expect_text(c.client, "answer");
	expect_nothing(c.client);
}

static void both_may_end_at_once(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "up", 2);
	peer_send(c.backend, "down", 4);
	shutdown(c.client, SHUT_WR);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	expect_text(c.backend, "up");
	expect_end(c.backend);
	expect_text(c.client, "down");
	expect_end(c.client);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
}

static void closing_without_reading_all_is_a_reset_and_passed_on(void **state)
{
	struct bed *st = copying(state);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "never read", 10);
	bed_run(st);
	bed_close(st, c.backend);
	bed_run_until(st, bed_sessions(st) == 0);
	expect_reset(c.client);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_short_send_goes_on_where_it_stopped),
		bed_test(one_send_at_a_time_in_the_order_of_arrival),
		bed_test(an_interrupted_send_is_sent_again),
		bed_test(a_send_that_had_to_wait_is_sent_again),
		bed_test(what_comes_of_a_stream_in_one_turn_is_sent_at_once),
		bed_test(a_lane_is_as_deep_as_its_reader_is_fast),
		bed_test(one_buffer_at_a_time_makes_no_lane_deeper),
		bed_test(any_number_of_streams_is_sent_in_one_turn),
		bed_test(a_session_that_ends_in_the_same_turn_sends_nothing_more),
		bed_test(an_interrupted_receive_is_asked_for_again),
		bed_test(a_receive_looks_at_once_only_when_more_is_known_to_be_there),
		bed_test(a_unix_socket_gets_no_credit),
		bed_test(without_credit_it_is_one_receive_at_a_time),
		bed_test(a_slow_reader_stops_its_lane),
		bed_test(the_credit_is_what_the_lane_may_still_hold),
		bed_test(a_slow_reader_holds_few_buffers),
		bed_test(small_receives_share_a_buffer_and_keep_their_order),
		bed_test(nothing_is_added_to_a_buffer_that_is_being_sent),
		bed_test(who_finds_no_buffer_is_fed_later),
		bed_test(buffers_are_handed_out_in_the_order_of_waiting),
		bed_test(who_is_closed_while_waiting_for_a_buffer_leaves_the_line),
		bed_test(with_few_buffers_a_lane_looks_for_room_before_it_receives),
		bed_test(four_buffers_serve_all_whatever_slow_readers_do),
		bed_test(one_direction_may_end_and_the_other_go_on),
		bed_test(an_end_waits_for_the_bytes_before_it),
		bed_test(an_end_while_dialing_follows_the_bytes),
		bed_test(both_may_end_at_once),
		bed_test(closing_without_reading_all_is_a_reset_and_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
