/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process may open no more files: those who were accepted wait, nobody is rejected. */
#include "unit/runtime_bed.h"

#include "session/fd_reserve.h"
#include "relay/lane.h"

#include <sys/resource.h>

#define CLIENTS 6
#define RETRY_MS 20 /* as in fd_reserve.c */

static struct rlimit before;

/* So many more descriptors can be had from now on. */
static void leave_files(unsigned more)
{
	int next = dup(STDERR_FILENO);
	struct rlimit now = { .rlim_cur = (rlim_t)next + more, .rlim_max = before.rlim_max };

	close(next);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static int set_up(void **state)
{
	(void)state;
	return getrlimit(RLIMIT_NOFILE, &before);
}

static int tear_down(void **state)
{
	if (setrlimit(RLIMIT_NOFILE, &before) < 0)
		return -1;
	return bed_teardown(state);
}

static struct acceptor *acceptor_of(struct bed *st)
{
	return &bed_engine(st)->acceptors[0];
}

/* All knock, and for those who were accepted there are @more files. */
static void knock(struct bed *st, int *ret_clients, unsigned more)
{
	for (int n = 0; n < CLIENTS; n++)
		ret_clients[n] = bed_client(st);
	leave_files(more);
	bed_run(st);
}

static void expect_nobody_was_blamed(struct bed *st)
{
	assert_int_equal(atomic_load(&bed_backend(st, 0)->connect_failures), 0);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->local_failures), 0);
	assert_int_equal(bed_ended(st, CLOSE_NO_RESOURCES), 0);
}

/* The test's own end of the connection needs a file, too. */
static int answer(struct bed *st)
{
	struct rlimit now;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fd = bed_accept_at(st, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return fd;
}

/* One file: it is accepted with it, and dials with the spare one. */
static void the_last_one_has_the_spare_file(void **state)
{
	struct bed *st = bed_of(state, "");
	int clients[CLIENTS];

	*state = st;
	knock(st, clients, 1);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(bed_engine(st)->host.fds.spare_fd, -1);
	assert_true(fds_are_short(st->runtime));
	bed_close(st, answer(st));
	expect_nobody_was_blamed(st);
}

static void nobody_is_accepted_while_files_are_short(void **state)
{
	struct bed *st = bed_of(state, "");
	int clients[CLIENTS];

	knock(st, clients, 1);
	for (int n = 0; n < 50; n++)
		bed_pass(st, 100);
	assert_int_equal(bed_sessions(st), 1);
	expect_request(&acceptor_of(st)->accept, FAKE_NOTHING);
	for (int n = 1; n < CLIENTS; n++)
		expect_nothing(clients[n]);
	expect_nobody_was_blamed(st);
}

/* Three are accepted at once, each with the last file there is, as when the limit is lowered. */
static void those_who_were_accepted_are_served_in_turn(void **state)
{
	struct bed *st = bed_of(state, "proxy_protocol = accept\nproxy_protocol_from = 127.0.0.1");
	int clients[3], backend;

	for (int n = 0; n < 3; n++)
		clients[n] = bed_client(st);
	bed_run(st);
	assert_int_equal(bed_sessions(st), 3);
	leave_files(0);
	for (int n = 0; n < 3; n++) {
		peer_send(clients[n], "PROXY UNKNOWN\r\n", 15);
		bed_run(st);
	}
	assert_true(fds_are_short(st->runtime));
	for (int n = 0; n < 3; n++) {
		assert_int_equal(bed_sessions(st), 3 - n);
		backend = answer(st);
		bed_reset(st, clients[n]);
		bed_run(st);
		bed_close(st, backend);
		bed_pass(st, RETRY_MS);
		bed_run(st);
	}
	assert_int_equal(bed_sessions(st), 0);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 3);
	expect_nobody_was_blamed(st);
}

static void all_goes_on_when_there_are_files_again(void **state)
{
	struct bed *st = bed_of(state, "");
	int clients[CLIENTS];

	knock(st, clients, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	bed_pass(st, RETRY_MS);
	bed_run(st);
	assert_false(fds_are_short(st->runtime));
	assert_true(bed_engine(st)->host.fds.spare_fd >= 0);
	for (int n = 0; n < 10 && bed_sessions(st) < CLIENTS; n++) {
		bed_pass(st, 100);
		bed_run(st);
	}
	assert_int_equal(bed_sessions(st), CLIENTS);
	expect_nobody_was_blamed(st);
}

/* It waits for a file, and leaves nothing behind. */
static void who_waits_may_leave(void **state)
{
	struct bed *st = bed_of(state, "proxy_protocol = accept\nproxy_protocol_from = 127.0.0.1\n"
				       "idle_timeout = 1d");
	int one = bed_client(st), two = bed_client(st);

	bed_run(st);
	leave_files(0);
	peer_send(one, "PROXY UNKNOWN\r\n", 15);
	bed_run(st);
	peer_send(two, "PROXY UNKNOWN\r\n", 15);
	bed_run(st);
	assert_false(list_is_empty(&bed_engine(st)->host.fds.waiting));
	bed_pass(st, 3600000); /* it has all the time that it wants */
	assert_int_equal(bed_sessions(st), 2);
	bed_reset(st, two);
	bed_pass(st, 500); /* it is looked at now and then */
	bed_run(st);
	assert_int_equal(bed_sessions(st), 1);
	assert_true(list_is_empty(&bed_engine(st)->host.fds.waiting));
	expect_nobody_was_blamed(st);
}

static void pipes_that_nobody_uses_go_first(void **state)
{
	struct bed *st = bed_of(state, "");
	struct pipe *pipe = pipe_get(&bed_engine(st)->host.pipes);
	int client;

	assert_non_null(pipe);
	pipe_put(&bed_engine(st)->host.pipes, pipe);
	client = bed_client(st);
	leave_files(1);
	bed_run(st);
	assert_int_equal(bed_engine(st)->host.pipes.open_n, 0);
	assert_true(bed_engine(st)->host.fds.spare_fd >= 0);
	assert_int_equal(bed_sessions(st), 1);
	bed_reset(st, client);
	bed_run(st);
	expect_nobody_was_blamed(st);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(the_last_one_has_the_spare_file),
		test(nobody_is_accepted_while_files_are_short),
		test(those_who_were_accepted_are_served_in_turn),
		test(all_goes_on_when_there_are_files_again),
		test(who_waits_may_leave),
		test(pipes_that_nobody_uses_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
