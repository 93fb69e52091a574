/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user_timeout: who is looked at, when, and what becomes of a session whose
 * peer answers no more. What the kernel would say of its sockets, the test
 * says here: ack_facts_read() is this file's.
 */
#include "unit/runtime_bed.h"

#include "net/ack_watch.h"
#include "session/liveness.h"
#include "relay/lane.h"

#define PATIENCE_MS 4000
#define LOOK_MS 1000
#define SOME (50 * 1000)  /* that a socket holds */
#define MUCH (160 * 1024) /* more than a lane holds */

static const char *const transports[] = { "relay = copy\nuser_timeout = 4s\n",
					  "relay = splice\nuser_timeout = 4s\n" };

/* ---- the kernel's words -------------------------------------------------- */

/* Of the sockets that a test names: whose peer owes something, and whether it is gone. */
static struct kernel {
	struct bed *st;
	int owes_fd, gone_fd; /* 0: none */
	uint64_t gone_ms;
	unsigned looks;
} kernel;

int ack_facts_read(int fd, struct ack_facts *ret_facts)
{
	struct ack_facts facts = { .read_ms = kernel.st->now_ms };

	kernel.looks++;
	facts.has_unsent = fd == kernel.owes_fd || fd == kernel.gone_fd;
	if (fd == kernel.gone_fd) {
		facts.has_probed = true;
		facts.since_ack_ms = (uint32_t)(kernel.st->now_ms - kernel.gone_ms + 100);
	}
	*ret_facts = facts;
	return 0;
}

static struct bed *bed_with_kernel(void **state, const char *listener_keys)
{
	struct bed *st = bed_of(state, listener_keys);

	kernel = (struct kernel){ .st = st };
	return st;
}

static void peer_is_gone(const struct side *side)
{
	kernel.gone_fd = side->fd;
	kernel.gone_ms = kernel.st->now_ms;
}

/* Turns as the loop would take them, for @ms; gives how many. */
static unsigned turns_in(struct bed *st, uint64_t ms)
{
	uint64_t until_ms = st->now_ms + ms;
	unsigned turns = 0;

	while (st->now_ms < until_ms) {
		uint64_t next_ms = timers_next_ms(&bed_engine(st)->host.loop.timers);

		if (next_ms > st->now_ms)
			st->now_ms = MIN(next_ms, until_ms);
		bed_run(st);
		if (++turns > 10000)
			fail_msg("it spins");
	}
	return turns;
}

static void say(struct bed *st, int from, int to)
{
	peer_send(from, "x", 1);
	bed_run(st);
	expect_text(to, "x");
}

/* ---- who is looked at ---------------------------------------------------- */

static void who_has_acknowledged_everything_is_looked_at_once(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	turns_in(st, 60000);
	assert_int_equal(kernel.looks, 0); /* nothing was sent to anybody */
	say(st, c.client, c.backend);
	turns_in(st, LOOK_MS - 1);
	assert_int_equal(kernel.looks, 0);
	turns_in(st, 1);
	assert_int_equal(kernel.looks, 1);
	assert_true(turns_in(st, 1800 * 1000) < 20);
	assert_int_equal(kernel.looks, 1);
}

static void talk_is_looked_at_seldom(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	for (int n = 0; n < 1000; n++) {
		say(st, c.client, c.backend);
		say(st, c.backend, c.client);
		turns_in(st, 10);
	}
	assert_in_range(kernel.looks, 2, 2 * 10);
	turns_in(st, 2 * LOOK_MS);
	kernel.looks = 0;
	turns_in(st, 100000);
	assert_int_equal(kernel.looks, 0);
}

static void whose_bytes_are_under_way_is_looked_at_until_they_are_there(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	say(st, c.client, c.backend);
	kernel.owes_fd = backend_of(c.s)->fd;
	turns_in(st, 100 * LOOK_MS);
	assert_in_range(kernel.looks, 90, 100);
	assert_int_equal(bed_sessions(st), 1); /* it answers all the time */
	kernel.owes_fd = 0;
	kernel.looks = 0;
	turns_in(st, 100 * LOOK_MS);
	assert_int_equal(kernel.looks, 1);
}

static void user_timeout_zero_looks_at_nobody(void **state)
{
	struct bed *st = bed_with_kernel(state, "user_timeout = 0");
	struct pair c = bed_relaying(st);

	say(st, c.client, c.backend);
	peer_is_gone(backend_of(c.s));
	turns_in(st, 3000 * 1000);
	assert_int_equal(kernel.looks, 0);
	assert_int_equal(bed_sessions(st), 1);
}

static void unix_sockets_have_no_acks(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .listener_keys = transports[0],
								.is_unix = true });
	struct pair c;

	kernel = (struct kernel){ .st = st };
	c = bed_relaying(st);
	say(st, c.client, c.backend);
	turns_in(st, 100 * LOOK_MS);
	assert_int_equal(kernel.looks, 0);
}

/* A long user_timeout does not mean to look once a day. */
static void looks_are_never_far_apart(void **state)
{
	struct bed *st = bed_with_kernel(state, "user_timeout = 1d\nidle_timeout = 0");
	struct pair c = bed_relaying(st);

	say(st, c.client, c.backend);
	kernel.owes_fd = backend_of(c.s)->fd;
	turns_in(st, 3600 * 1000);
	assert_in_range(kernel.looks, 350, 360);
}

/* ---- who is dead --------------------------------------------------------- */

static void expect_death(struct bed *st, struct pair c, bool is_client)
{
	struct side *side = is_client ? client_of(c.s) : backend_of(c.s);

	say(st, is_client ? c.backend : c.client, is_client ? c.client : c.backend);
	peer_is_gone(side);
	turns_in(st, PATIENCE_MS);
	assert_int_equal(bed_sessions(st), 1);
	turns_in(st, 2 * LOOK_MS);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, is_client ? CLOSE_CLIENT_LOST : CLOSE_BACKEND_LOST), 1);
	expect_reset(is_client ? c.backend : c.client);
}

static void who_answers_nothing_is_lost(void **state)
{
	for (size_t n = 0; n < 2 * ARRAY_LEN(transports); n++) {
		struct bed *st = bed_with_kernel(state, transports[n / 2]);

		expect_death(st, bed_relaying(st), n % 2);
		assert_null(bed_destroy(st));
		*state = NULL;
	}
}

/* The other side may send on: its bytes fill the kernel's buffers, and nothing is quiet. */
static void who_is_talked_to_all_the_time_is_lost_too(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	say(st, c.client, c.backend);
	peer_is_gone(backend_of(c.s));
	for (int n = 0; n < (PATIENCE_MS + 2 * LOOK_MS) / 50 && bed_sessions(st) > 0; n++) {
		peer_send(c.client, "x", 1);
		turns_in(st, 50);
	}
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_LOST), 1);
}

static void a_side_that_was_sent_only_its_end_may_be_lost(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	shutdown(c.client, SHUT_WR);
	bed_run(st);
	expect_end(c.backend);
	peer_is_gone(backend_of(c.s));
	turns_in(st, PATIENCE_MS + 2 * LOOK_MS);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_LOST), 1);
	expect_reset(c.client);
}

/* What had come from it arrives all the same; only then the other side sees a reset. */
static void what_came_from_the_dead_is_delivered(void **state)
{
	for (size_t n = 0; n < ARRAY_LEN(transports); n++) {
		struct bed *st = bed_with_kernel(state, transports[n]);
		struct pair c = bed_relaying(st);
		uint64_t came = 0;
		long end = -EAGAIN;

		say(st, c.client, c.backend);
		peer_is_gone(backend_of(c.s));
		turns_in(st, PATIENCE_MS);
		assert_int_equal(stream_send(c.backend, 1, 0, SOME), SOME);
		st->now_ms += 2 * LOOK_MS;
		bed_turn(st); /* before anything of it was received */
		assert_true(session_is_ending(c.s));
		for (int tries = 0; end == -EAGAIN && tries < 1000; tries++) {
			bed_run_for_a_moment(st);
			assert_true(stream_recv(c.client, 1, &came, SIZE_MAX, &end));
		}
		assert_int_equal(came, SOME);
		assert_int_equal(end, -ECONNRESET);
		assert_int_equal(bed_ended(st, CLOSE_BACKEND_LOST), 1);
		assert_null(bed_destroy(st));
		*state = NULL;
	}
}

/* A reset waits for a reader that is dead itself: not for the whole close_timeout. */
static void the_other_side_may_die_meanwhile(void **state)
{
	struct bed *st =
		bed_with_kernel(state, "relay = copy\nuser_timeout = 4s\nclose_timeout = 1h\n");
	struct pair c = bed_relaying(st);

	assert_int_equal(stream_send(c.backend, 1, 0, MUCH), MUCH);
	while (backend_of(c.s)->recv.in_kernel)
		assert_true(fake_perform(&backend_of(c.s)->recv));
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
	expect_request(&client_of(c.s)->send, FAKE_SEND);
	bed_reset(st, c.backend);
	peer_is_gone(client_of(c.s));
	for (int n = 0; n < PATIENCE_MS + 2 * LOOK_MS && c.s->phase == SESSION_RELAYING; n += 10)
		bed_pass(st, 10);
	assert_int_equal(c.s->phase, SESSION_CLOSING);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_RESET), 1);
}

/* The kernel has room again and takes what waits, without asking anybody. */
static void a_send_that_waits_is_watched(void **state)
{
	struct bed *st = bed_with_kernel(state, transports[0]);
	struct pair c = bed_relaying(st);

	peer_send(c.client, "x", 1);
	assert_true(fake_perform(&client_of(c.s)->recv));
	loop_work(&bed_engine(st)->host.loop, st->now_ms);
	expect_request(&backend_of(c.s)->send, FAKE_SEND);
	for (int n = 0; n < 10; n++)
		bed_pass(st, LOOK_MS); /* nothing is in the kernel yet */
	peer_is_gone(backend_of(c.s));
	for (int n = 0; n < 6; n++)
		bed_pass(st, LOOK_MS);
	assert_true(session_is_ending(c.s));
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_BACKEND_LOST), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(who_has_acknowledged_everything_is_looked_at_once),
		bed_test(talk_is_looked_at_seldom),
		bed_test(whose_bytes_are_under_way_is_looked_at_until_they_are_there),
		bed_test(user_timeout_zero_looks_at_nobody),
		bed_test(unix_sockets_have_no_acks),
		bed_test(looks_are_never_far_apart),
		bed_test(who_answers_nothing_is_lost),
		bed_test(who_is_talked_to_all_the_time_is_lost_too),
		bed_test(a_side_that_was_sent_only_its_end_may_be_lost),
		bed_test(what_came_from_the_dead_is_delivered),
		bed_test(the_other_side_may_die_meanwhile),
		bed_test(a_send_that_waits_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
