/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "state/peers.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>

#define MS 1000000ull

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void send_message(struct bed *st, unsigned worker, enum message_kind kind)
{
	assert_int_equal(inbox_send(st->inbox_fds[worker], &(struct message){ .kind = kind }), 0);
}

/* ---- creation ------------------------------------------------------------ */

static void what_it_took_is_given_back_when_it_cannot_begin(void **state)
{
	struct bed *st = bed_of(state, NULL);
	const struct generation_socket sockets[2] = { { .fd = dup(0) }, { .fd = dup(0) } };
	struct engine_options options = {
		.runtime = st->runtime,
		.buffers = 8,
		.sockets = sockets,
		.sockets_n = 2,
		.inbox_fd = dup(0),
	};
	const char *step = NULL;
	struct engine e;

	fake_fail_create(-EPERM);
	assert_int_equal(engine_init(&e, &options, &step), -EPERM);
	assert_string_equal(step, "fake");
	assert_false(is_open(options.inbox_fd));
	assert_false(is_open(sockets[0].fd));
	assert_false(is_open(sockets[1].fd));
}

/* ---- the loop ------------------------------------------------------------ */

static uint64_t waited_ms(struct bed *st)
{
	assert_int_equal(loop_turn(&bed_engine(st)->host.loop), 0);
	return (fake_waited_ns() + MS - 1) / MS;
}

static void a_turn_waits_until_the_next_timer_and_no_longer(void **state)
{
	struct bed *st = bed_of(state, "idle_timeout = 10m");
	struct pair c;

	assert_in_range(waited_ms(st), 1000, 60000); /* nothing to wait for */
	c = bed_relaying(st);
	timer_set(&bed_engine(st)->host.loop.timers, &c.s->timer,
		  bed_engine(st)->host.loop.now_ms + 70);
	assert_in_range(waited_ms(st), 1, 70);
	timer_set(&bed_engine(st)->host.loop.timers, &c.s->timer, bed_engine(st)->host.loop.now_ms);
	assert_int_equal(waited_ms(st), 0);
}

/* The end of one session leaves the buffer that another one waits for, and nothing else happens. */
static void a_turn_does_not_wait_while_buffers_can_be_handed_out(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .buffers = 4 });
	struct pair a = bed_relaying(st), b = bed_relaying(st);
	struct buf *taken[4];

	bed_run(st);
	fake_receive(&client_of(a.s)->recv, "a", 1, 0);
	for (int n = 1; n < 4; n++)
		taken[n] = buf_get(&bed_engine(st)->host.loop.bufs);
	fake_complete(&client_of(b.s)->recv, -ENOBUFS, 0);
	bed_turn(st);
	session_close(a.s, CLOSE_IDLE, BY_RINGMAIN);
	fake_run_cancels();
	assert_true(waited_ms(st) > 0); /* a is reaped at the end of this turn */
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(waited_ms(st), 0);
	assert_true(list_is_empty(&bed_engine(st)->host.waiting_for_buffer));
	for (int n = 1; n < 4; n++)
		buf_put(&bed_engine(st)->host.loop.bufs, taken[n]);
}

static void the_time_of_a_turn_is_taken_after_the_wait(void **state)
{
	struct bed *st = bed_of(state, NULL);
	uint64_t before_ms = clock_now_ms();

	assert_int_equal(loop_turn(&bed_engine(st)->host.loop), 0);
	assert_in_range(bed_engine(st)->host.loop.now_ms, before_ms, clock_now_ms());
}

static void a_broken_ring_ends_the_loop(void **state)
{
	struct bed *st = bed_of(state, NULL);

	fake_fail_wait(-EBADF);
	assert_int_equal(loop_turn(&bed_engine(st)->host.loop), -EBADF);
	assert_int_equal(engine_run(bed_engine(st)), -EBADF);
	fake_fail_wait(0);
}

static void a_session_without_a_future_is_over_in_its_first_turn(void **state)
{
	struct bed *st = bed_of(state, NULL);
	int client = bed_client(st);

	pool_set_state(st->runtime->pools[0], bed_backend(st, 0), BACKEND_DOWN, 0);
	assert_true(fake_perform(&bed_engine(st)->acceptors[0].accept));
	fake_run_cancels();
	bed_turn(st);
	assert_int_equal(bed_sessions(st), 0);
	expect_reset(client);
}

static void the_loop_ends_with_the_order_to_stop(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peers_order(st->runtime, ORDER_STOP);
	assert_int_equal(engine_run(bed_engine(st)), 0);
	expect_reset(c.client);
	assert_false(bed_engine(st)->inbox.read.in_kernel);
}

static void the_loop_ends_with_the_last_session_of_a_drain(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peers_order(st->runtime, ORDER_DRAIN);
	peer_send(c.client, "last", 4);
	shutdown(c.client, SHUT_WR);
	shutdown(c.backend, SHUT_WR);
	assert_int_equal(engine_run(bed_engine(st)), 0);
	expect_text(c.backend, "last");
	expect_end(c.backend);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
}

/* ---- messages ------------------------------------------------------------- */

static void an_order_is_carried_out_once_and_includes_those_before_it(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peers_order(st->runtime, ORDER_DRAIN);
	peers_order(st->runtime, ORDER_DRAIN_TIMEOUT);
	assert_true(fake_perform(&bed_engine(st)->inbox.read));
	assert_true(bed_engine(st)->host.is_draining);
	assert_true(bed_engine(st)->host.is_stopping);
	peers_order(st->runtime, ORDER_STOP);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_DRAIN_TIMEOUT), 1);
	expect_reset(c.client);
}

/* Who gives it does not wait, whatever the worker does. */
static void an_order_that_finds_the_inbox_full_is_carried_out(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });
	const struct message message = { .kind = MESSAGE_SERVED };
	struct pair c = bed_relaying(st);

	for (unsigned n = 0; n < 2; n++)
		while (inbox_send(st->inbox_fds[n], &message) == 0)
			continue;
	peers_order(st->runtime, ORDER_STOP);
	bed_run(st);
	expect_reset(c.client);
	assert_true(engine_is_over(&st->engines[0]));
	assert_true(engine_is_over(&st->engines[1]));
}

static void more_messages_than_are_read_at_once_are_all_read(void **state)
{
	struct bed *st = bed_of(state, NULL);

	for (int n = 0; n < 10 * ENGINE_MESSAGES_MAX; n++)
		send_message(st, 0, MESSAGE_SERVED);
	peers_order(st->runtime, ORDER_DRAIN);
	bed_run(st);
	assert_true(bed_engine(st)->host.is_draining);
	assert_false(fake_perform(&bed_engine(st)->inbox.read)); /* it waits for the next */
}

/* ---- draining ------------------------------------------------------------ */

static void a_drain_lets_sessions_go_on(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	engine_drain(bed_engine(st));
	bed_run(st);
	assert_false(engine_is_over(bed_engine(st)));
	peer_send(c.client, "ping", 4);
	bed_run(st);
	expect_text(c.backend, "ping");
	shutdown(c.client, SHUT_WR);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	assert_true(engine_is_over(bed_engine(st)));
}

/* As long as one accepts, it may hand over to the others. */
static void no_worker_ends_before_all_drain(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });

	engine_drain(&st->engines[0]);
	bed_run(st);
	assert_false(engine_is_over(&st->engines[0]));
	engine_drain(&st->engines[1]);
	assert_true(
		fake_perform(&st->engines[0].inbox.read)); /* and the last one wakes the others */
	bed_run(st);
	assert_true(engine_is_over(&st->engines[0]));
	assert_true(engine_is_over(&st->engines[1]));
}

static void a_socket_on_its_way_is_waited_for(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });
	int clients[2];

	for (int n = 0; n < 2; n++) {
		clients[n] = bed_client(st);
		assert_true(fake_perform(&st->engines[0].acceptors[0].accept));
	}
	engine_drain(&st->engines[0]);
	engine_drain(&st->engines[1]);
	fake_run_cancels();
	bed_turn(st);
	assert_int_equal(st->engines[1].host.sessions.used, 0);
	assert_false(engine_is_over(&st->engines[1])); /* its message is not opened yet */
	bed_run(st);
	assert_int_equal(st->engines[1].host.sessions.used, 1);
	for (int n = 0; n < 2; n++)
		expect_nothing(clients[n]);
}

/* ---- a stop in every phase ----------------------------------------------- */

static struct pair in_dialing(struct bed *st)
{
	return bed_dialing(st);
}

static struct pair between_two_tries(struct bed *st)
{
	struct pair c = bed_dialing(st);

	bed_pass(st, 1000);
	expect_request(&backend_of(c.s)->cancel_send, FAKE_CANCEL);
	return c;
}

static struct pair in_relaying(struct bed *st)
{
	return bed_relaying(st);
}

static struct pair with_bytes_on_their_way(struct bed *st)
{
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "up", 2, IO_MORE);
	fake_receive(&backend_of(c.s)->recv, "down", 4, 0);
	return c;
}

static struct pair half_closed(struct bed *st)
{
	struct pair c = bed_relaying(st);

	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	assert_int_equal(down_of(c.s)->state, LANE_DONE);
	return c;
}

static struct pair flushing(struct bed *st)
{
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "up", 2, IO_MORE);
	fake_complete(&client_of(c.s)->recv, 0, 0);
	assert_int_equal(up_of(c.s)->state, LANE_FLUSHING);
	return c;
}

static struct pair with_end_noted(struct bed *st)
{
	struct pair c = bed_relaying(st);

	fake_receive(&client_of(c.s)->recv, "up", 2, IO_MORE);
	fake_complete(&client_of(c.s)->recv, -ECONNRESET, 0);
	assert_true(session_is_ending(c.s));
	return c;
}

static struct pair splicing(struct bed *st)
{
	struct pair c = bed_relaying(st);
	uint64_t at = 0;
	size_t n;

	do {
		n = stream_send(c.backend, 1, at, 1 << 20);
		at += n;
		bed_run(st);
	} while (n > 0);
	assert_non_null(down_of(c.s)->pipe);
	return c;
}

static struct pair waiting_for_a_buffer(struct bed *st)
{
	struct pair c = bed_relaying(st);

	fake_complete(&client_of(c.s)->recv, -ENOBUFS, 0);
	assert_false(list_is_empty(&bed_engine(st)->host.waiting_for_buffer));
	return c;
}

static struct pair waiting_in_the_queue(struct bed *st)
{
	struct pair c = bed_relaying(st);

	c.client = bed_client(st);
	bed_run(st);
	c.s = bed_newest(st);
	assert_true(c.s->is_queued);
	return c;
}

static struct pair closing_already(struct bed *st)
{
	struct pair c = bed_relaying(st);

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	return c;
}

/* The kernel answers at once, or the cancels come after a turn. */
static void a_stop_ends_every_session_whatever_it_does(void **state)
{
	struct pair (*const acts[])(struct bed *) = {
		in_dialing,           between_two_tries,
		in_relaying,          with_bytes_on_their_way,
		half_closed,          flushing,
		with_end_noted,       splicing,
		waiting_for_a_buffer, waiting_in_the_queue,
		closing_already,
	};

	for (size_t n = 0; n < 2 * ARRAY_LEN(acts); n++) {
		struct bed *st =
			bed_with(state, &(struct bed_options){ .listener_keys = "relay = auto",
							       .pool_keys = "queue = 4",
							       .backend_keys = "max_sessions=1" });
		struct pair c = acts[n / 2](st);
		enum close_reason why = c.s->why ? c.s->why : CLOSE_DRAIN_TIMEOUT;

		engine_stop(bed_engine(st), CLOSE_DRAIN_TIMEOUT);
		if (n % 2)
			bed_turn(st);
		bed_run(st);
		assert_int_equal(bed_sessions(st), 0);
		assert_true(engine_is_over(bed_engine(st)));
		assert_true(bed_ended(st, why) > 0);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_stop_leaves_alone_what_is_over(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair a = bed_relaying(st), b = bed_relaying(st);

	session_close(a.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_run(st);
	engine_stop(bed_engine(st), CLOSE_SHUTDOWN); /* a's slot is free */
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_IDLE), 1);
	assert_int_equal(bed_ended(st, CLOSE_SHUTDOWN), 1);
	expect_reset(b.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(what_it_took_is_given_back_when_it_cannot_begin),
		bed_test(a_turn_waits_until_the_next_timer_and_no_longer),
		bed_test(a_turn_does_not_wait_while_buffers_can_be_handed_out),
		bed_test(the_time_of_a_turn_is_taken_after_the_wait),
		bed_test(a_broken_ring_ends_the_loop),
		bed_test(a_session_without_a_future_is_over_in_its_first_turn),
		bed_test(the_loop_ends_with_the_order_to_stop),
		bed_test(the_loop_ends_with_the_last_session_of_a_drain),
		bed_test(an_order_is_carried_out_once_and_includes_those_before_it),
		bed_test(an_order_that_finds_the_inbox_full_is_carried_out),
		bed_test(more_messages_than_are_read_at_once_are_all_read),
		bed_test(a_drain_lets_sessions_go_on),
		bed_test(no_worker_ends_before_all_drain),
		bed_test(a_socket_on_its_way_is_waited_for),
		bed_test(a_stop_ends_every_session_whatever_it_does),
		bed_test(a_stop_leaves_alone_what_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
