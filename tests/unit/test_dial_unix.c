/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include <stdio.h>

/* Backends on unix sockets, tried in the order b0, b1. */
static struct bed *on_unix(void **state, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\nconnect_timeout = 300ms\n%s", pool_keys);
	return bed_with(state,
			&(struct bed_options){ .backends = 2, .is_unix = true, .pool_keys = keys });
}

static struct io_op *connect_of(struct session *s)
{
	return &backend_of(s)->send;
}

/* The backlog has no room, however often it is asked until so much time has passed. */
static unsigned stay_full(struct bed *st, struct session *s, uint64_t ms)
{
	unsigned asked = 0;

	for (; ms > 0; ms--) {
		if (s->backend->index == 0 && fake_request_of(connect_of(s)).kind != FAKE_NOTHING) {
			fake_complete(connect_of(s), -EAGAIN, 0);
			asked++;
		}
		bed_pass(st, 1);
	}
	return asked;
}

static void a_full_backlog_is_asked_again_until_it_has_room(void **state)
{
	struct bed *st = on_unix(state, "");
	struct pair c = bed_dialing(st);

	assert_in_range(stay_full(st, c.s, 200), 3, 50);
	assert_int_equal(c.s->phase, SESSION_DIALING);
	for (int n = 0; n < 60 && fake_request_of(connect_of(c.s)).kind == FAKE_NOTHING; n++)
		bed_pass(st, 1);
	expect_request(connect_of(c.s), FAKE_CONNECT);
	peer_send(c.client, "patient", 7);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	expect_text(bed_accept_at(st, 0), "patient");
	assert_null(c.s->detail);
}

static void a_backlog_that_stays_full_is_no_answer_in_time(void **state)
{
	struct bed *st = on_unix(state, "");
	struct pair c = bed_dialing(st);

	stay_full(st, c.s, 299);
	assert_int_equal(c.s->backend->index, 0);
	stay_full(st, c.s, 1);
	assert_int_equal(c.s->backend->index, 1);
	bed_run(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(session_pool_counters(c.s)->failed[CLOSE_CONNECT_TIMEOUT], 1);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->connect_failures), 1);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->sessions), 0);
}

static void the_log_says_that_it_was_full(void **state)
{
	struct bed *st = on_unix(state, "connect_tries = 1");
	struct pair c = bed_dialing(st);

	stay_full(st, c.s, 300);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_TIMEOUT), 1);
	assert_non_null(strstr(bed_log(st), "detail=\"the backlog is full\""));
}

static void who_leaves_meanwhile_is_gone_at_once(void **state)
{
	struct bed *st = on_unix(state, "");
	struct pair c = bed_dialing(st);

	stay_full(st, c.s, 100);
	session_close(c.s, CLOSE_SHUTDOWN, BY_RINGMAIN);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_accept_at(st, 0), -1);
}

/* As it would be for TCP, where it means something else. */
static void other_refusals_are_not_asked_again(void **state)
{
	struct bed *st = on_unix(state, "");
	struct pair c;

	bed_stop_server(st, 0);
	c = bed_dialing(st);
	bed_run(st);
	assert_int_equal(c.s->backend->index, 1);
	assert_int_equal(session_pool_counters(c.s)->failed[CLOSE_CONNECT_REFUSED], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_full_backlog_is_asked_again_until_it_has_room),
		bed_test(a_backlog_that_stays_full_is_no_answer_in_time),
		bed_test(the_log_says_that_it_was_full),
		bed_test(who_leaves_meanwhile_is_gone_at_once),
		bed_test(other_refusals_are_not_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
