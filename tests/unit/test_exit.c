/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "session/admission.h"
#include "session/exit.h"
#include "worker/session_life.h"

static void bytes_and_ends_go_both_ways(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "ping", 4);
	bed_run(st);
	expect_text(c.backend, "ping");
	peer_send(c.backend, "pong", 4);
	bed_run(st);
	expect_text(c.client, "pong");
	shutdown(c.client, SHUT_WR);
	bed_run(st);
	expect_end(c.backend);
	expect_nothing(c.client);
	shutdown(c.backend, SHUT_WR);
	bed_run(st);
	expect_end(c.client);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
}

static void sessions_have_numbers_of_their_own(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair a = bed_relaying(st), b = bed_relaying(st);

	assert_int_not_equal(a.s->id, b.s->id);
	assert_int_equal(bed_engine(st)->host.counters->listeners[0].begun, 2);
}

static void without_a_slot_the_socket_is_closed(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .sessions_max = 1 });
	struct pair c = bed_relaying(st);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	bed_keep(st, pair[1]);
	/* As if other workers' sessions had ended since it was admitted. */
	atomic_fetch_add(&bed_engine(st)->host.runtime->sessions, 1);
	atomic_fetch_add(&c.s->listener->sessions, 1);
	generation_pin(c.s->generation, 0, 1);
	assert_false(session_begin(&bed_engine(st)->host,
				   &(struct accepted){ .listener = c.s->listener,
						       .generation = c.s->generation,
						       .fd = pair[0],
						       .source = ADMISSION_NO_SOURCE }));
	expect_end(pair[1]);
}

/* ---- the end waits for the kernel ---------------------------------------- */

struct holdings {
	unsigned fds, buffers, slots;
};

static struct holdings holdings(struct bed *st)
{
	return (struct holdings){
		.fds = bed_fds(st),
		.buffers = bed_engine(st)->host.loop.bufs.free_n,
		.slots = bed_sessions(st),
	};
}

static void expect_holdings(struct bed *st, struct holdings want)
{
	struct holdings have = holdings(st);

	assert_int_equal(have.fds, want.fds);
	assert_int_equal(have.buffers, want.buffers);
	assert_int_equal(have.slots, want.slots);
}

/* A session with all that it can have in the kernel: a receive and a send on each side. */
static struct pair busy(struct bed *st)
{
	struct pair c = bed_relaying(st);

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
	struct bed *st = bed_of(state, "relay = copy");
	struct holdings empty = holdings(st), full;
	struct pair c = busy(st);

	full = holdings(st);
	assert_int_equal(full.fds, empty.fds + 2);
	assert_int_equal(full.buffers, empty.buffers - 2);
	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_turn(st);
	expect_holdings(st, full);

	fake_complete(&client_of(c.s)->recv, -ECANCELED, 0);
	fake_complete(&client_of(c.s)->send, -ECANCELED, 0);
	fake_complete(&client_of(c.s)->cancel_send, 0, 0);
	fake_complete(&backend_of(c.s)->cancel_recv, 0, 0);
	fake_complete(&backend_of(c.s)->recv, -ECANCELED, 0);
	fake_complete(&backend_of(c.s)->cancel_send, 0, 0);
	fake_complete(&backend_of(c.s)->send, -ECANCELED, 0);
	bed_turn(st);
	expect_holdings(st, full);
	expect_nothing(c.client);
	fake_complete(&client_of(c.s)->cancel_recv, 0, 0);
	expect_holdings(st, full);
	bed_turn(st);
	expect_holdings(st, empty);
	expect_reset(c.client);
	expect_reset(c.backend);
}

static void every_op_keeps_the_session(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
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
		bed_turn(st);
		assert_int_equal(bed_sessions(st), 1);
		fake_complete(ops[last], -ECANCELED, 0);
		bed_turn(st);
		expect_holdings(st, empty);
	}
}

static void a_cancel_may_come_too_late(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
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
	bed_turn(st);
	expect_holdings(st, empty);
	assert_int_equal(bed_ended(st, CLOSE_IDLE), 1);
}

static void data_after_the_close_gives_its_buffers_back(void **state)
{
	struct bed *st = bed_of(state, "relay = copy");
	struct pair c = bed_relaying(st);
	unsigned buffers = bed_engine(st)->host.loop.bufs.free_n;

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	for (int n = 0; n < 100; n++) {
		fake_receive(&client_of(c.s)->recv, "late", 4, IO_MORE);
		assert_int_equal(bed_engine(st)->host.loop.bufs.free_n, buffers);
	}
	expect_request(&backend_of(c.s)->send, FAKE_NOTHING);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
}

static void the_first_reason_counts(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	session_close(c.s, CLOSE_CLIENT_RESET, BY_CLIENT);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_IDLE), 1);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 0);
}

static void the_sockets_number_is_not_used_again_before_it_is_free(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct pair c = bed_relaying(st);
	int fds[] = { client_of(c.s)->fd, backend_of(c.s)->fd };
	struct pair other;

	session_close(c.s, CLOSE_IDLE, BY_RINGMAIN);
	bed_turn(st);
	other = bed_relaying(st);
	for (int n = 0; n < SIDES; n++) {
		assert_int_not_equal(other.s->sides[n].fd, fds[0]);
		assert_int_not_equal(other.s->sides[n].fd, fds[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(bytes_and_ends_go_both_ways),
		bed_test(sessions_have_numbers_of_their_own),
		bed_test(without_a_slot_the_socket_is_closed),
		bed_test(nothing_comes_back_before_the_last_completion),
		bed_test(every_op_keeps_the_session),
		bed_test(a_cancel_may_come_too_late),
		bed_test(data_after_the_close_gives_its_buffers_back),
		bed_test(the_first_reason_counts),
		bed_test(the_sockets_number_is_not_used_again_before_it_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
