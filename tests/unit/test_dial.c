/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include "net/sock.h"

#include <stdio.h>

/* Backends that are tried in the order b0, b1, b2 ... */
static struct bed *in_order(void **state, unsigned backends, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\n%s", pool_keys);
	return bed_with(state, &(struct bed_options){ .backends = backends, .pool_keys = keys });
}

static struct io_op *connect_of(struct session *s)
{
	return &backend_of(s)->send;
}

static void expect_dialing(struct session *s, unsigned backend)
{
	assert_int_equal(s->phase, SESSION_DIALING);
	expect_request(connect_of(s), FAKE_CONNECT);
	assert_non_null(s->backend);
	assert_int_equal(s->backend->index, backend);
}

static unsigned slots(struct bed *st, unsigned backend)
{
	return atomic_load(&bed_backend(st, backend)->sessions);
}

static unsigned long failures(struct bed *st, unsigned backend)
{
	return atomic_load(&bed_backend(st, backend)->connect_failures);
}

/* The connect takes longer than it may: the try is over, with its cancel performed. */
static void let_time_out(struct bed *st, uint64_t ms)
{
	bed_pass(st, ms);
	fake_run_cancels();
	bed_turn(st);
}

/* ---- one after the other ------------------------------------------------- */

static void a_backend_that_refuses_is_followed_by_another(void **state)
{
	struct bed *st = in_order(state, 3, "");
	struct pair c;

	bed_stop_server(st, 0);
	bed_stop_server(st, 1);
	c = bed_dialing(st);
	expect_dialing(c.s, 0);
	peer_send(c.client, "early", 5);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(c.s->backend->index, 2);
	c.backend = bed_accept_at(st, 2);
	expect_text(c.backend, "early");
	assert_int_equal(slots(st, 0), 0);
	assert_int_equal(slots(st, 1), 0);
	assert_int_equal(slots(st, 2), 1);
	assert_int_equal(failures(st, 0), 1);
	assert_int_equal(failures(st, 1), 1);
	assert_int_equal(failures(st, 2), 0);
}

static void each_backend_is_tried_once(void **state)
{
	struct bed *st = in_order(state, 3, "");
	struct pair c;

	for (unsigned n = 0; n < 3; n++)
		bed_stop_server(st, n);
	c = bed_dialing(st);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_REFUSED), 1);
	for (unsigned n = 0; n < 3; n++) {
		assert_int_equal(failures(st, n), 1);
		assert_int_equal(slots(st, n), 0);
	}
	expect_reset(c.client);
}

static void no_more_are_tried_than_may_be(void **state)
{
	struct bed *st = in_order(state, 4, "connect_tries = 2");

	for (unsigned n = 0; n < 3; n++)
		bed_stop_server(st, n);
	bed_dialing(st);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_REFUSED), 1);
	assert_int_equal(failures(st, 1), 1);
	assert_int_equal(failures(st, 2), 0);
}

static void a_success_ends_a_row_of_failures(void **state)
{
	struct bed *st = in_order(state, 2, "");
	struct backend *b0 = bed_backend(st, 0);

	for (unsigned n = 1; n <= 3; n++) {
		struct pair c = bed_dialing(st);

		fake_complete(connect_of(c.s), -ECONNREFUSED, 0);
		assert_int_equal(atomic_load(&b0->failures_in_row), n);
	}
	bed_relaying(st);
	assert_int_equal(atomic_load(&b0->failures_in_row), 0);
	assert_int_equal(failures(st, 0), 3);
}

/* ---- time ---------------------------------------------------------------- */

static void a_silent_backend_is_given_up_in_time(void **state)
{
	struct bed *st = in_order(state, 2, "connect_timeout = 300ms");
	struct pair c = bed_dialing(st);

	bed_pass(st, 299);
	expect_request(&backend_of(c.s)->cancel_send, FAKE_NOTHING);
	bed_pass(st, 1);
	expect_request(&backend_of(c.s)->cancel_send, FAKE_CANCEL);
	assert_int_equal(c.s->backend->index, 0);
	fake_run_cancels();
	expect_dialing(c.s, 1);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(failures(st, 0), 1);
	assert_int_equal(slots(st, 0), 0);
}

static void the_next_waits_for_the_last_completion_of_the_one_before(void **state)
{
	struct bed *st = in_order(state, 2, "connect_timeout = 300ms");
	struct pair c = bed_dialing(st);
	int fd = backend_of(c.s)->fd;

	bed_pass(st, 300);
	fake_complete(connect_of(c.s), -ECANCELED, 0);
	assert_int_equal(backend_of(c.s)->fd, fd);
	assert_int_equal(c.s->backend->index, 0);
	fake_complete(&backend_of(c.s)->cancel_send, 0, 0);
	expect_dialing(c.s, 1);
}

/* No byte went there; that it is connected says nothing about how well it is. */
static void a_connect_that_succeeds_too_late_is_dropped(void **state)
{
	struct bed *st = in_order(state, 2, "connect_timeout = 300ms");
	struct pair c = bed_dialing(st);

	peer_send(c.client, "early", 5);
	bed_pass(st, 300);
	assert_true(fake_perform(connect_of(c.s)));
	fake_complete(&backend_of(c.s)->cancel_send, -ENOENT, 0);
	expect_dialing(c.s, 1);
	expect_reset(bed_accept_at(st, 0));
	bed_run(st);
	expect_text(bed_accept_at(st, 1), "early");
}

static void all_tries_together_have_a_limit(void **state)
{
	struct bed *st = in_order(state, 4, "connect_timeout = 1s\nconnect_total = 2500ms");
	struct pair c = bed_dialing(st);

	let_time_out(st, 1000);
	expect_dialing(c.s, 1);
	let_time_out(st, 1000);
	expect_dialing(c.s, 2);
	let_time_out(st, 499);
	expect_dialing(c.s, 2);
	let_time_out(st, 1);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_TIMEOUT), 1);
	assert_int_equal(failures(st, 3), 0);
	expect_reset(c.client);
}

/* ---- whose fault it is --------------------------------------------------- */

static void what_we_lack_is_not_held_against_the_backend(void **state)
{
	const int errors[] = { -EADDRNOTAVAIL, -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS };

	for (size_t n = 0; n < ARRAY_LEN(errors); n++) {
		struct bed *st = in_order(state, 2, "");
		struct pair c = bed_dialing(st);

		fake_complete(connect_of(c.s), errors[n], 0);
		expect_dialing(c.s, 1);
		fake_complete(connect_of(c.s), errors[n], 0);
		bed_run(st);
		assert_int_equal(bed_ended(st, CLOSE_NO_RESOURCES), 1);
		assert_int_equal(failures(st, 0), 0);
		assert_int_equal(atomic_load(&bed_backend(st, 0)->failures_in_row), 0);
		assert_int_equal(atomic_load(&bed_backend(st, 0)->local_failures), 1);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* The address that the dialing session's socket is bound to. */
static void expect_origin(struct session *s, const char *host)
{
	char text[ADDR_TEXT_BYTES];
	struct addr addr;

	assert_int_equal(sock_local_addr(backend_of(s)->fd, &addr), 0);
	addr_set_port(&addr, 0);
	(void)addr_format(&addr, text);
	assert_memory_equal(text, host, strlen(host));
}

static void where_one_address_has_no_port_left_another_has(void **state)
{
	struct bed *st = in_order(state, 2, "source = 127.0.0.2 127.0.0.3 ::1 127.0.0.4");
	struct pair c = bed_dialing(st), other = bed_dialing(st);

	expect_origin(c.s, "127.0.0.2:");
	expect_origin(other.s, "127.0.0.3:");
	fake_complete(connect_of(c.s), -EADDRNOTAVAIL, 0);
	expect_origin(c.s, "127.0.0.3:");
	fake_complete(connect_of(c.s), -EADDRNOTAVAIL, 0);
	expect_origin(c.s, "127.0.0.4:");
	expect_dialing(c.s, 0);
	assert_int_equal(slots(st, 0), 2);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(c.s->waiter.ask.tried_n, 0);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->local_failures), 0);
}

static void where_no_address_has_a_port_left_another_backend_is_tried(void **state)
{
	struct bed *st = in_order(state, 2, "source = 127.0.0.2 127.0.0.3");
	struct pair c = bed_dialing(st);

	for (unsigned n = 0; n < 2; n++) {
		expect_dialing(c.s, 0);
		fake_complete(connect_of(c.s), -EADDRNOTAVAIL, 0);
	}
	expect_dialing(c.s, 1);
	fake_complete(connect_of(c.s), -EADDRNOTAVAIL, 0);
	expect_dialing(c.s, 1);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(failures(st, 0), 0);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->local_failures), 1);
}

static void a_refusal_is_no_reason_for_another_address(void **state)
{
	struct bed *st = in_order(state, 2, "source = 127.0.0.2 127.0.0.3");
	struct pair c = bed_dialing(st);

	fake_complete(connect_of(c.s), -ECONNREFUSED, 0);
	expect_dialing(c.s, 1);
	assert_int_equal(failures(st, 0), 1);
}

/* The kernel picks the backend's own port to connect from, and nobody listens there. */
static void a_connection_with_itself_is_a_refusal(void **state)
{
	struct bed *st = in_order(state, 2, "");
	const struct addr *addr;
	struct pair c;

	bed_stop_server(st, 0);
	c = bed_dialing(st);
	expect_dialing(c.s, 0);
	peer_send(c.client, "echo?", 5);
	addr = fake_request_of(connect_of(c.s)).addr;
	assert_int_equal(bind(backend_of(c.s)->fd, &addr->sa, addr->len), 0);
	bed_run(st);
	assert_int_equal(c.s->backend->index, 1);
	expect_text(bed_accept_at(st, 1), "echo?");
	expect_nothing(c.client);
	assert_int_equal(failures(st, 0), 1);
	assert_int_equal(session_pool_counters(c.s)->failed[CLOSE_CONNECT_REFUSED], 1);
}

static void the_last_failure_names_the_reason(void **state)
{
	const struct {
		int err;
		enum close_reason why;
	} rows[] = {
		{ -ECONNREFUSED, CLOSE_CONNECT_REFUSED }, { -ETIMEDOUT, CLOSE_CONNECT_TIMEOUT },
		{ -EHOSTUNREACH, CLOSE_CONNECT_FAILED },  { -ENETUNREACH, CLOSE_CONNECT_FAILED },
		{ -ECONNRESET, CLOSE_CONNECT_FAILED },    { -EADDRNOTAVAIL, CLOSE_NO_RESOURCES },
	};

	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		struct bed *st = in_order(state, 1, "");
		struct pair c = bed_dialing(st);

		fake_complete(connect_of(c.s), rows[n].err, 0);
		bed_run(st);
		assert_int_equal(bed_ended(st, rows[n].why), 1);
		assert_int_equal(bed_teardown(state), 0);
	}
}

/* ---- nobody to dial ------------------------------------------------------ */

static void when_none_is_ready_the_client_is_told_at_once(void **state)
{
	struct bed *st = in_order(state, 2, "");
	int client = bed_client(st);

	pool_set_state(st->runtime->pools[0], bed_backend(st, 0), BACKEND_DRAIN, 0);
	pool_set_state(st->runtime->pools[0], bed_backend(st, 1), BACKEND_DOWN, 0);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_NO_BACKEND), 1);
	expect_reset(client);
}

static struct bed *full_at_one(void **state, const char *pool_keys)
{
	return bed_with(state, &(struct bed_options){ .backends = 2,
						      .pool_keys = pool_keys,
						      .backend_keys = "max_sessions=1" });
}

static void when_all_are_full_the_client_is_told_so(void **state)
{
	struct bed *st = full_at_one(state, "");
	struct pair a = bed_relaying(st);
	int third;

	bed_relaying(st);
	third = bed_client(st);
	bed_run(st);
	expect_reset(third);
	assert_int_equal(bed_ended(st, CLOSE_BACKENDS_FULL), 1);
	bed_reset(st, a.client);
	bed_run(st);
	bed_relaying(st);
}

/* ---- the client meanwhile ------------------------------------------------ */

/* With fewer buffers than clients, who all have said something. */
static void what_a_client_says_meanwhile_stays_in_its_socket(void **state)
{
	struct bed *st =
		bed_with(state, &(struct bed_options){ .pool_keys = "connect_timeout = 20s\n"
								    "connect_total = 20s",
						       .listener_keys = "first_byte_timeout = 5s",
						       .buffers = 4 });
	struct pair pairs[10];

	for (size_t n = 0; n < ARRAY_LEN(pairs); n++) {
		pairs[n] = bed_dialing(st);
		peer_send(pairs[n].client, "early", 5);
	}
	bed_pass(st, 10000);
	for (size_t n = 0; n < ARRAY_LEN(pairs); n++)
		expect_request(&client_of(pairs[n].s)->recv, FAKE_NOTHING);
	assert_int_equal(bed_engine(st)->host.loop.bufs.free_n, 4);
	bed_run(st);
	for (size_t n = 0; n < ARRAY_LEN(pairs); n++)
		expect_text(bed_accept_at(st, 0), "early");
	assert_int_equal(bed_ended(st, CLOSE_FIRST_BYTE_TIMEOUT), 0); /* it was no silence */
}

/* ---- the queue ----------------------------------------------------------- */

static void who_waits_gets_the_next_free_place(void **state)
{
	struct bed *st = full_at_one(state, "queue = 10\nqueue_timeout = 5s");
	struct pair a = bed_relaying(st), b = bed_relaying(st);
	int third = bed_client(st);

	peer_send(third, "patient", 7);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 3);
	expect_nothing(third);
	bed_pass(st, 4000);
	bed_reset(st, b.client);
	bed_run(st);
	expect_text(bed_accept_at(st, (unsigned)!a.s->backend->index), "patient");
	assert_int_equal(bed_sessions(st), 2);
}

static void who_waits_too_long_is_sent_away(void **state)
{
	struct bed *st = full_at_one(state, "queue = 10\nqueue_timeout = 5s");
	int third;

	bed_relaying(st);
	bed_relaying(st);
	third = bed_client(st);
	bed_run(st);
	bed_pass(st, 4999);
	expect_nothing(third);
	bed_pass(st, 1);
	bed_run(st);
	expect_reset(third);
	assert_int_equal(bed_ended(st, CLOSE_QUEUE_TIMEOUT), 1);
}

static void who_leaves_is_not_waited_for(void **state)
{
	struct bed *st = full_at_one(state, "queue = 1\nqueue_timeout = 5s");
	int third, fourth;

	bed_relaying(st);
	bed_relaying(st);
	third = bed_client(st);
	bed_run(st);
	bed_close(st, third);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_LEFT), 1);
	fourth = bed_client(st);
	bed_run(st);
	expect_nothing(fourth);
}

/* The slot is given to a session that closes before its message is read. */
/* It has ended its stream, or sent as much as is taken meanwhile: nothing is received from it. */
static void who_waits_and_dies_unheard_is_not_waited_for(void **state)
{
	for (int has_ended = 0; has_ended < 2; has_ended++) {
		struct bed *st = full_at_one(state, "queue = 1\nqueue_timeout = 5s");
		uint64_t at = 0;
		int third;

		bed_relaying(st);
		bed_relaying(st);
		third = bed_client(st);
		for (int n = 0; n < (has_ended ? 1 : 20); n++) {
			at += stream_send(third, 3, at, has_ended ? 9 : 1 << 16);
			bed_run(st);
		}
		if (has_ended)
			shutdown(third, SHUT_WR);
		bed_run(st);
		assert_false(client_of(bed_newest(st))->recv.in_kernel);
		bed_pass(st, 1000);
		assert_int_equal(bed_sessions(st), 3);
		bed_reset(st, third);
		bed_pass(st, 500);
		bed_run(st);
		assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_call_that_comes_too_late_gives_the_place_back(void **state)
{
	struct bed *st = full_at_one(state, "queue = 10\nqueue_timeout = 5s");
	struct session *waiting;
	struct pair b;
	int client;

	bed_relaying(st);
	b = bed_relaying(st);
	client = bed_client(st);
	bed_run(st);
	waiting = bed_newest(st);
	assert_int_equal(waiting->phase, SESSION_DIALING);
	bed_reset(st, b.client);
	fake_perform(&client_of(b.s)->recv);
	while (fake_requests() > 0 &&
	       bed_sessions(st) == 3) { /* b's end calls the one that waits */
		fake_run_cancels();
		bed_turn(st);
	}
	assert_ptr_equal(atomic_load(&st->runtime->peers[0].served), &waiting->waiter);
	session_close(waiting, CLOSE_SHUTDOWN, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	expect_reset(client);
	assert_int_equal(slots(st, 0) + slots(st, 1), 1);
}

/* ---- closing ------------------------------------------------------------- */

static void a_session_that_closes_while_dialing_waits_for_the_connect(void **state)
{
	struct bed *st = in_order(state, 2, "");
	struct pair c = bed_dialing(st);

	session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	bed_turn(st);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(slots(st, 0), 1);
	fake_complete(&backend_of(c.s)->cancel_send, -ENOENT, 0);
	assert_true(fake_perform(connect_of(c.s))); /* it succeeds, too late */
	bed_turn(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(slots(st, 0), 0);
	expect_reset(bed_accept_at(st, 0));
}

static void a_session_that_closes_between_two_tries_dials_no_more(void **state)
{
	struct bed *st = in_order(state, 2, "connect_timeout = 300ms");
	struct pair c = bed_dialing(st);

	bed_pass(st, 300);
	session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_accept_at(st, 1), -1);
	assert_int_equal(bed_ended(st, CLOSE_SHUTDOWN), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_backend_that_refuses_is_followed_by_another),
		bed_test(each_backend_is_tried_once),
		bed_test(no_more_are_tried_than_may_be),
		bed_test(a_success_ends_a_row_of_failures),
		bed_test(a_silent_backend_is_given_up_in_time),
		bed_test(the_next_waits_for_the_last_completion_of_the_one_before),
		bed_test(a_connect_that_succeeds_too_late_is_dropped),
		bed_test(all_tries_together_have_a_limit),
		bed_test(what_we_lack_is_not_held_against_the_backend),
		bed_test(where_one_address_has_no_port_left_another_has),
		bed_test(where_no_address_has_a_port_left_another_backend_is_tried),
		bed_test(a_refusal_is_no_reason_for_another_address),
		bed_test(a_connection_with_itself_is_a_refusal),
		bed_test(the_last_failure_names_the_reason),
		bed_test(when_none_is_ready_the_client_is_told_at_once),
		bed_test(when_all_are_full_the_client_is_told_so),
		bed_test(what_a_client_says_meanwhile_stays_in_its_socket),
		bed_test(who_waits_gets_the_next_free_place),
		bed_test(who_waits_too_long_is_sent_away),
		bed_test(who_leaves_is_not_waited_for),
		bed_test(who_waits_and_dies_unheard_is_not_waited_for),
		bed_test(a_call_that_comes_too_late_gives_the_place_back),
		bed_test(a_session_that_closes_while_dialing_waits_for_the_connect),
		bed_test(a_session_that_closes_between_two_tries_dials_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
