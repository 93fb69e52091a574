/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

/* A session has left its pool's queue with a slot: it goes on though no message told its worker. */

static struct bed *full_at_one(void **state)
{
	return bed_with(state, &(struct bed_options){ .backends = 2,
						      .pool_keys = "queue = 10\nqueue_timeout = 5s",
						      .backend_keys = "max_sessions=1" });
}

static unsigned slots(struct bed *st)
{
	return atomic_load(&bed_backend(st, 0)->sessions) +
	       atomic_load(&bed_backend(st, 1)->sessions);
}

/* Messages of an order that was followed already: they wake and do nothing else. */
static void fill_inbox(struct bed *st)
{
	const struct message nothing = { .kind = MESSAGE_ORDER };

	while (inbox_send(st->inbox_fds[0], &nothing) == 0)
		continue;
}

/* Another session's end gives its slot to the one that waits; nobody has read of it yet. */
static struct session *served(struct bed *st, const struct pair *ending)
{
	struct session *waiting = bed_newest(st);

	bed_reset(st, ending->client);
	fake_perform(&client_of(ending->s)->recv);
	for (int n = 0; n < 100 && !atomic_load(&st->runtime->peers[0].served); n++) {
		fake_run_cancels();
		bed_turn(st);
	}
	assert_ptr_equal(atomic_load(&st->runtime->peers[0].served), &waiting->waiter);
	return waiting;
}

static void a_served_session_goes_on_though_the_inbox_was_full(void **state)
{
	struct bed *st = full_at_one(state);
	struct pair a, b;
	int third;

	a = bed_relaying(st);
	b = bed_relaying(st);
	third = bed_client(st);
	peer_send(third, "patient", 7);
	bed_run(st);
	fill_inbox(st);
	served(st, &b);
	bed_run(st);
	expect_text(bed_accept_at(st, (unsigned)!a.s->backend->index), "patient");
}

/* The kernel may have no memory for a message, and the inbox is empty. */
static void a_served_session_goes_on_though_there_was_no_message(void **state)
{
	struct bed *st = full_at_one(state);
	int unread[2], box = st->runtime->peers[0].inbox_fd;
	struct pair a, b;
	int third;

	a = bed_relaying(st);
	b = bed_relaying(st);
	third = bed_client(st);
	peer_send(third, "patient", 7);
	bed_run(st);
	assert_int_equal(inbox_open(&unread[0], &unread[1]), 0);
	close(unread[0]);
	st->runtime->peers[0].inbox_fd = unread[1];
	served(st, &b);
	assert_int_equal(loop_turn(&bed_engine(st)->host.loop), 0);
	assert_int_equal(fake_waited_ns(), 0);
	st->runtime->peers[0].inbox_fd = box;
	close(unread[1]);
	bed_run(st);
	expect_text(bed_accept_at(st, (unsigned)!a.s->backend->index), "patient");
}

/* It closes meanwhile, and holds nothing back: neither the slot nor the end of the worker. */
static void a_served_session_that_closes_is_gone_though_the_inbox_was_full(void **state)
{
	struct bed *st = full_at_one(state);
	struct session *waiting;
	struct pair b;

	bed_relaying(st);
	b = bed_relaying(st);
	bed_client(st);
	bed_run(st);
	fill_inbox(st);
	waiting = served(st, &b);
	st->now_ms += 5000;
	session_close(waiting, CLOSE_QUEUE_TIMEOUT, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(slots(st), 1);
	engine_stop(bed_engine(st), CLOSE_SHUTDOWN);
	bed_run(st);
	assert_true(engine_is_over(bed_engine(st)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_served_session_goes_on_though_the_inbox_was_full),
		bed_test(a_served_session_goes_on_though_there_was_no_message),
		bed_test(a_served_session_that_closes_is_gone_though_the_inbox_was_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
