/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "balance/limits.h"

#include <poll.h>
#include <sys/resource.h>

#define ROOM_FOR_MANY 1024 /* as in acceptor.c */

static struct acceptor *acceptor_of(struct bed *st)
{
	return &bed_engine(st)->acceptors[0];
}

static struct io_op *accept_of(struct bed *st)
{
	return &acceptor_of(st)->accept;
}

static unsigned pauses(struct bed *st)
{
	return (unsigned)bed_engine(st)->host.counters->accept_pauses;
}

static bool is_waiting_in_backlog(struct bed *st)
{
	struct pollfd p = { .fd = acceptor_of(st)->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* ---- limits -------------------------------------------------------------- */

static void expect_served(struct bed *st, int client, int backend_peer)
{
	peer_send(client, "ping", 4);
	bed_run(st);
	expect_text(backend_peer, "ping");
}

static void the_listeners_limit_is_exact_and_nobody_is_lost(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 2");
	int clients[6];

	for (int n = 0; n < 6; n++)
		clients[n] = bed_client(st);
	for (int n = 0; n < 6; n++) {
		int peer;

		bed_run(st);
		assert_int_equal(bed_sessions(st), n < 5 ? 2 : 1);
		peer = bed_accept_at(st, 0);
		assert_true(n > 0 || peer >= 0);
		if (n == 0) { /* two are served at first, then one after the other */
			expect_served(st, clients[0], peer);
			peer = bed_accept_at(st, 0);
			expect_served(st, clients[1], peer);
		} else if (n < 5) {
			expect_served(st, clients[n + 1], peer);
		}
		bed_reset(st, clients[n]);
	}
	bed_run_until(st, bed_sessions(st) == 0);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 6);
}

static void one_is_accepted_beyond_the_limit_and_the_rest_wait(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 1");
	int clients[3];

	for (int n = 0; n < 3; n++)
		clients[n] = bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	assert_true(acceptor_of(st)->held_fd >= 0);
	expect_request(accept_of(st), FAKE_NOTHING);
	assert_true(is_waiting_in_backlog(st));
	for (int n = 0; n < 3; n++)
		expect_nothing(clients[n]);
	assert_non_null(strstr(bed_log(st), "max_sessions reached"));
	bed_pass(st, 100);
	bed_run(st);
	assert_string_equal(bed_log(st), ""); /* told once */
	assert_int_equal(bed_sessions(st), 1);
}

static void the_limit_of_the_process_is_as_exact(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .sessions_max = 3 });

	for (int n = 0; n < 10; n++)
		bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 3);
	assert_int_equal(atomic_load(&st->runtime->sessions), 3);
}

/* It is asked again and again whether there is room: another worker may have made it. */
static void who_is_parked_is_served_when_others_make_room(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 1");
	struct listener *l = &st->runtime->listeners[0];

	assert_true(runtime_acquire_slot(st->runtime, l)); /* by another worker */
	bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	runtime_release_slot(st->runtime, l);
	bed_pass(st, 100);
	assert_int_equal(bed_sessions(st), 1);
}

/* Who is over the limit of its source is nobody whom the others would have to wait for. */
static void who_is_rejected_takes_no_slot_of_the_listener(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 3\nsession_rate = 2/s\n"
				       "max_sessions_per_source = 1");
	int clients[5];

	for (int n = 0; n < 5; n++)
		clients[n] = bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	for (int n = 1; n < 5; n++)
		expect_reset(clients[n]);
	bed_reset(st, clients[0]);
	bed_run_until(st, bed_ended(st, CLOSE_CLIENT_RESET) == 1);
	bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
}

/* While there is no room, asking for it again and again takes nothing from the rate. */
static void who_waits_for_room_uses_up_no_rate(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 1\nsession_rate = 2/s");
	int client = bed_client(st);

	bed_client(st);
	bed_run(st);
	for (int n = 0; n < 5; n++)
		bed_pass(st, 100);
	assert_true(acceptor_of(st)->held_fd >= 0);
	bed_reset(st, client);
	bed_run_until(st, bed_ended(st, CLOSE_CLIENT_RESET) == 1);
	assert_int_equal(bed_sessions(st), 1);
}

/* It counted as one of its source's while it waited. */
static void a_parked_one_that_is_sent_away_leaves_its_source(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 1\nmax_sessions_per_source = 2");
	struct listener *l = &st->runtime->listeners[0];
	struct addr client = st->addr;
	uint32_t source;

	bed_client(st);
	bed_client(st);
	bed_run(st);
	assert_int_equal(limits_enter(l->limits, &client, 0, &source), LIMITS_SESSIONS);
	engine_drain(bed_engine(st));
	bed_run(st);
	assert_int_equal(limits_enter(l->limits, &client, 0, &source), LIMITS_FINE);
	limits_leave(l->limits, source);
}

/* ---- many at once -------------------------------------------------------- */

#define BACKLOG 100

static struct bed *bed_with_room(void **state, unsigned sessions_max)
{
	return bed_with(state, &(struct bed_options){ .listener_keys = "backlog = 100",
						      .sessions_max = sessions_max });
}

static void with_room_for_many_one_request_accepts_them_all(void **state)
{
	struct bed *st = bed_with_room(state, 5000);

	assert_true(fake_request_of(accept_of(st)).many);
	for (int n = 0; n < 10; n++)
		bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 10);
	assert_true(fake_request_of(accept_of(st)).many);
}

static void with_little_room_they_are_accepted_one_by_one(void **state)
{
	struct bed *st = bed_with_room(state, ROOM_FOR_MANY + BACKLOG - 1);

	assert_false(fake_request_of(accept_of(st)).many);
}

/* A request for many does not know of the limit: it is taken back while there is room. */
static void a_request_for_many_ends_before_the_limit(void **state)
{
	struct bed *st = bed_with_room(state, ROOM_FOR_MANY + BACKLOG + 3);
	struct listener *l = &st->runtime->listeners[0];
	int clients[10];

	for (int n = 0; n < 5; n++)
		clients[n] = bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 5);
	expect_request(accept_of(st), FAKE_ACCEPT);
	assert_false(fake_request_of(accept_of(st)).many);
	assert_int_equal(pauses(st), 0);

	/* Others take all but two of the slots that are left. */
	atomic_fetch_add(&st->runtime->sessions, ROOM_FOR_MANY + BACKLOG - 4);
	atomic_fetch_add(&l->sessions, ROOM_FOR_MANY + BACKLOG - 4);
	for (int n = 5; n < 10; n++)
		clients[n] = bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 7);
	for (int n = 0; n < 10; n++)
		expect_nothing(clients[n]);
	atomic_fetch_sub(&st->runtime->sessions, ROOM_FOR_MANY + BACKLOG - 4);
	atomic_fetch_sub(&l->sessions, ROOM_FOR_MANY + BACKLOG - 4);
}

/* ---- trouble ------------------------------------------------------------- */

static void who_left_before_he_was_accepted_is_no_trouble(void **state)
{
	const int errors[] = { -ECONNABORTED, -EPROTO, -EINTR };
	struct bed *st = bed_of(state, NULL);

	for (size_t n = 0; n < ARRAY_LEN(errors); n++) {
		fake_complete(accept_of(st), errors[n], 0);
		expect_request(accept_of(st), FAKE_ACCEPT);
	}
	assert_int_equal(pauses(st), 0);
	assert_string_equal(bed_log(st), "");
}

/* Workers share a unix listener; the first that drains makes it one that does not wait. */
static void a_socket_that_does_not_wait_any_more_is_asked_now_and_then(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2, .is_unix = true });
	struct acceptor *other = &st->engines[1].acceptors[0];

	engine_drain(&st->engines[0]);
	bed_run(st);
	expect_request(&other->accept, FAKE_NOTHING);
	bed_client(st);
	bed_pass(st, 10);
	bed_run(st);
	assert_int_equal(st->engines[1].host.sessions.used, 1);
	assert_null(strstr(bed_log(st), "cannot accept"));
}

static void trouble_is_met_with_longer_and_longer_pauses(void **state)
{
	const unsigned pauses_ms[] = { 10, 20, 40, 80, 100, 100, 100 };
	struct bed *st = bed_of(state, NULL);

	for (size_t n = 0; n < ARRAY_LEN(pauses_ms); n++) {
		fake_complete(accept_of(st), n % 2 ? -EMFILE : -ENFILE, 0);
		expect_request(accept_of(st), FAKE_NOTHING);
		bed_pass(st, pauses_ms[n] - 1);
		expect_request(accept_of(st), FAKE_NOTHING);
		bed_pass(st, 1);
		expect_request(accept_of(st), FAKE_ACCEPT);
	}
	assert_int_equal(pauses(st), ARRAY_LEN(pauses_ms));
	bed_client(st);
	bed_run(st);
	fake_complete(accept_of(st), -EMFILE, 0); /* after a success from the beginning */
	bed_pass(st, 10);
	expect_request(accept_of(st), FAKE_ACCEPT);
}

static void trouble_is_told_once_a_second(void **state)
{
	struct bed *st = bed_of(state, NULL);
	unsigned lines = 0;

	for (unsigned ms = 0; ms < 3000; ms += 100) {
		const char *log;

		fake_complete(accept_of(st), -EMFILE, 0);
		bed_pass(st, 100);
		log = bed_log(st);
		lines += strstr(log, "cannot accept") != NULL;
		if (lines == 2 && *log)
			assert_non_null(strstr(log, "error=EMFILE suppressed=9"));
	}
	assert_int_equal(lines, 3);
}

static void after_want_of_descriptors_all_are_served(void **state)
{
	struct bed *st = bed_of(state, NULL);
	struct rlimit before, none;
	int clients[5];

	for (int n = 0; n < 5; n++)
		clients[n] = bed_client(st);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 3, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int n = 0; n < 20; n++) {
		fake_run();
		bed_pass(st, 100);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(pauses(st), 20);
	bed_pass(st, 100);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 5);
	for (int n = 0; n < 5; n++)
		expect_nothing(clients[n]);
}

/* ---- several workers ----------------------------------------------------- */

/* Worker 0's socket gets them all, as the kernel's hash may have it. */
static void connect_to_first(struct bed *st, unsigned clients)
{
	for (unsigned n = 0; n < clients; n++) {
		bed_client(st);
		assert_true(fake_perform(accept_of(st)));
	}
	bed_run(st);
}

static void few_sessions_are_spread_evenly(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 4 });

	connect_to_first(st, 32);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(st->engines[n].host.sessions.used, 8);
	assert_int_equal(bed_engine(st)->host.counters->handed_over, 24);
}

static void a_session_that_was_handed_over_works(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });
	int client, peer;

	connect_to_first(st, 1);
	client = bed_client(st);
	assert_true(fake_perform(accept_of(st)));
	bed_run(st);
	assert_int_equal(st->engines[1].host.sessions.used, 1);
	(void)bed_accept_at(st, 0);
	peer = bed_accept_at(st, 0);
	expect_served(st, client, peer);
}

static void a_worker_whose_inbox_is_full_is_left_alone(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });
	const struct message message = { .kind = MESSAGE_SERVED };

	while (inbox_send(st->inbox_fds[1], &message) == 0)
		continue;
	for (unsigned n = 0; n < 4; n++) {
		bed_client(st);
		assert_true(fake_perform(accept_of(st)));
	}
	assert_int_equal(st->engines[0].host.sessions.used, 4);
	assert_int_equal(atomic_load(&st->runtime->peers[0].sessions), 4);
	assert_int_equal(atomic_load(&st->runtime->peers[1].sessions), 0);
	assert_int_equal(bed_engine(st)->host.counters->handed_over, 0);
}

/* ---- the end ------------------------------------------------------------- */

static void a_drain_serves_who_waits_and_then_refuses(void **state)
{
	struct bed *st = bed_of(state, NULL);
	int clients[5], late;

	for (int n = 0; n < 5; n++)
		clients[n] = bed_client(st);
	engine_drain(bed_engine(st));
	bed_run(st);
	assert_int_equal(bed_sessions(st), 5);
	assert_true(acceptor_is_closed(acceptor_of(st)));
	for (int n = 0; n < 5; n++)
		expect_nothing(clients[n]);
	late = bed_keep(st, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(connect(late, &st->addr.sa, st->addr.len), -1);
	assert_int_equal(errno, ECONNREFUSED);
}

static void the_socket_is_not_closed_before_the_last_completion(void **state)
{
	struct bed *st = bed_of(state, NULL);
	int client;

	engine_drain(bed_engine(st));
	assert_false(acceptor_is_closed(acceptor_of(st)));
	client = bed_client(st);
	assert_true(fake_perform(accept_of(st))); /* the cancel comes too late */
	assert_int_equal(bed_sessions(st), 1);
	assert_false(acceptor_is_closed(acceptor_of(st)));
	fake_complete(&acceptor_of(st)->cancel, -ENOENT, 0);
	assert_true(acceptor_is_closed(acceptor_of(st)));
	expect_nothing(client);
}

/* One that was meant for the request before this one. */
static void a_cancel_that_found_nothing_is_repeated_to_close(void **state)
{
	struct bed *st = bed_with_room(state, ROOM_FOR_MANY + BACKLOG);
	struct acceptor *a = acceptor_of(st);

	bed_client(st);
	assert_true(fake_perform(&a->accept));
	expect_request(&a->cancel, FAKE_CANCEL); /* no room for many any more */
	fake_complete(&a->accept, -ECONNABORTED, 0);
	expect_request(&a->accept, FAKE_ACCEPT);
	engine_drain(bed_engine(st));
	fake_complete(&a->cancel, -ENOENT, 0);
	bed_run(st);
	assert_true(acceptor_is_closed(a));
}

static void a_drain_while_pausing_closes_too(void **state)
{
	struct bed *st = bed_of(state, NULL);

	fake_complete(accept_of(st), -EMFILE, 0);
	bed_client(st);
	engine_drain(bed_engine(st));
	assert_true(acceptor_is_closed(acceptor_of(st)));
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
}

static void a_drain_with_no_room_sends_the_parked_one_away(void **state)
{
	struct bed *st = bed_of(state, "max_sessions = 1");
	int clients[2];

	clients[0] = bed_client(st);
	clients[1] = bed_client(st);
	bed_run(st);
	assert_true(acceptor_of(st)->held_fd >= 0);
	engine_drain(bed_engine(st));
	bed_run(st);
	assert_true(acceptor_is_closed(acceptor_of(st)));
	expect_nothing(clients[0]);
	expect_reset(clients[1]);
}

/* Whoever is accepted after the order to stop must not keep the worker from ending. */
static void nobody_begins_after_a_stop(void **state)
{
	struct bed *st = bed_of(state, NULL);
	int client = bed_client(st);

	engine_stop(bed_engine(st), CLOSE_SHUTDOWN);
	assert_true(fake_perform(accept_of(st)));
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	expect_reset(client);
	assert_true(engine_is_over(bed_engine(st)));
}

static void nobody_is_adopted_after_a_stop(void **state)
{
	struct bed *st = bed_with(state, &(struct bed_options){ .workers = 2 });
	int client;

	connect_to_first(st, 1);
	client = bed_client(st);
	assert_true(fake_perform(accept_of(st))); /* a message to worker 1 is on its way */
	engine_stop(&st->engines[1], CLOSE_SHUTDOWN);
	bed_run(st);
	assert_int_equal(st->engines[1].host.sessions.used, 0);
	assert_int_equal(atomic_load(&st->runtime->peers[1].sessions), 0);
	expect_reset(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(the_listeners_limit_is_exact_and_nobody_is_lost),
		bed_test(one_is_accepted_beyond_the_limit_and_the_rest_wait),
		bed_test(the_limit_of_the_process_is_as_exact),
		bed_test(who_is_parked_is_served_when_others_make_room),
		bed_test(who_is_rejected_takes_no_slot_of_the_listener),
		bed_test(who_waits_for_room_uses_up_no_rate),
		bed_test(a_parked_one_that_is_sent_away_leaves_its_source),
		bed_test(with_room_for_many_one_request_accepts_them_all),
		bed_test(with_little_room_they_are_accepted_one_by_one),
		bed_test(a_request_for_many_ends_before_the_limit),
		bed_test(who_left_before_he_was_accepted_is_no_trouble),
		bed_test(a_socket_that_does_not_wait_any_more_is_asked_now_and_then),
		bed_test(trouble_is_met_with_longer_and_longer_pauses),
		bed_test(trouble_is_told_once_a_second),
		bed_test(after_want_of_descriptors_all_are_served),
		bed_test(few_sessions_are_spread_evenly),
		bed_test(a_session_that_was_handed_over_works),
		bed_test(a_worker_whose_inbox_is_full_is_left_alone),
		bed_test(a_drain_serves_who_waits_and_then_refuses),
		bed_test(the_socket_is_not_closed_before_the_last_completion),
		bed_test(a_cancel_that_found_nothing_is_repeated_to_close),
		bed_test(a_drain_while_pausing_closes_too),
		bed_test(a_drain_with_no_room_sends_the_parked_one_away),
		bed_test(nobody_begins_after_a_stop),
		bed_test(nobody_is_adopted_after_a_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
