/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/proxy_stage.h"

#include <stdio.h>

#define SSL_REQUEST "\0\0\0\010\004\322\026\057"
#define SSL_REQUEST_BYTES 8
#define REQUEST "\0\0\0\020\004\322\026\056\0\0\0\7abcd"
#define REQUEST_BYTES 16

/* A ClientHello without extensions. */
static const char hello[] = "\26\3\1\0\55"
			    "\1\0\0\51\3\3"
			    "01234567890123456789012345678901"
			    "\0\0\2\23\1\1";
#define HELLO_BYTES (sizeof(hello)) /* with the NUL that is its compression method */

/* Backends that have room for one session each, and are filled in the order b0, b1, b2 ... */
static struct stage *passing_through(void **state, unsigned backends, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\n%s", pool_keys);
	return stage_with(state, &(struct stage_options){ .backends = backends,
							  .listener_keys = "protocol = postgres\n"
									   "tls = passthrough",
							  .pool_keys = keys,
							  .backend_keys = "max_sessions=1" });
}

/* A session whose bytes nobody can read, on this backend. */
static struct cast secret(struct stage *st, unsigned backend)
{
	struct cast c = { .client = stage_client(st) };

	peer_send(c.client, SSL_REQUEST, SSL_REQUEST_BYTES);
	stage_run(st);
	expect_text(c.client, "S");
	peer_send(c.client, hello, HELLO_BYTES);
	stage_run(st);
	c.backend = stage_accept_at(st, backend);
	assert_true(c.backend >= 0);
	expect_bytes(c.backend, SSL_REQUEST, SSL_REQUEST_BYTES);
	peer_send(c.backend, "S", 1);
	stage_run(st);
	expect_bytes(c.backend, hello, HELLO_BYTES);
	c.s = stage_newest(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	return c;
}

/* A client that sends a request to cancel. */
static int ask(struct stage *st)
{
	int client = stage_client(st);

	peer_send(client, REQUEST, REQUEST_BYTES);
	stage_run(st);
	return client;
}

/* This backend gets the request, and has done with it. */
static void take_request(struct stage *st, unsigned backend)
{
	int fd = stage_accept_at(st, backend);

	assert_true(fd >= 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	stage_close(st, fd);
	stage_run(st);
}

static void expect_nobody(struct stage *st, unsigned backend)
{
	assert_int_equal(stage_accept_at(st, backend), -1);
}

static void end_session(struct stage *st, struct cast *c)
{
	unsigned before = stage_sessions(st);

	stage_reset(st, c->client);
	stage_run_until(st, stage_sessions(st) < before);
}

/* In the order of the table, which is that of the memory they lie in. */
static void all_backends_of_the_source_are_asked_one_after_the_other(void **state)
{
	struct stage *st = passing_through(state, 4, "");
	int client;

	secret(st, 0);
	secret(st, 1);
	secret(st, 2);
	client = ask(st);
	for (unsigned n = 0; n < 3; n++) {
		for (unsigned later = n + 1; later < 4; later++)
			expect_nobody(st, later);
		expect_nothing(client);
		take_request(st, n);
	}
	expect_nobody(st, 3);
	expect_end(client);
	assert_int_equal(stage_ended(st, CLOSE_DONE), 1);
}

static void a_backend_with_many_sessions_is_asked_once(void **state)
{
	struct stage *st = stage_of(state, "protocol = postgres\ntls = passthrough");
	int client;

	for (int n = 0; n < 3; n++)
		secret(st, 0);
	client = ask(st);
	take_request(st, 0);
	expect_nobody(st, 0);
	expect_end(client);
}

static void each_hears_whose_request_it_is(void **state)
{
	struct stage *st = passing_through(state, 2, "send_proxy = v1");
	char said[256];
	int client;

	for (unsigned n = 0; n < 2; n++) {
		struct cast c = { .client = stage_client(st) };

		peer_send(c.client, SSL_REQUEST, SSL_REQUEST_BYTES);
		stage_run(st);
		peer_send(c.client, hello, HELLO_BYTES);
		stage_run(st);
		c.backend = stage_accept_at(st, n);
		assert_true(peer_recv(c.backend, said, sizeof(said)) > 0);
		peer_send(c.backend, "S", 1);
		stage_run(st);
	}
	client = ask(st);
	for (unsigned n = 0; n < 2; n++) {
		int fd = stage_accept_at(st, n);
		long said_n = peer_recv(fd, said, sizeof(said));

		assert_true(said_n > REQUEST_BYTES);
		assert_memory_equal(said, "PROXY TCP4 127.0.0.1 ", 21);
		assert_memory_equal(said + said_n - REQUEST_BYTES, REQUEST, REQUEST_BYTES);
		stage_close(st, fd);
		stage_run(st);
	}
	expect_end(client);
}

/* Then any will do, as for every request whose key is not known. */
static void who_has_no_sessions_any_more_asks_one(void **state)
{
	struct stage *st = passing_through(state, 2, "");
	struct cast a = secret(st, 0), b;
	int client, fd;

	b = secret(st, 1);
	end_session(st, &a);
	client = ask(st);
	take_request(st, 1);
	expect_end(client);
	expect_nobody(st, 0);
	end_session(st, &b);
	client = ask(st);
	fd = stage_accept_at(st, 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	assert_int_equal(stage_newest(st)->phase, SESSION_RELAYING);
	stage_close(st, fd);
	stage_run(st);
	expect_end(client);
	expect_nobody(st, 1);
}

static void one_that_drains_or_is_full_is_asked(void **state)
{
	struct stage *st = passing_through(state, 2, "");
	int client;

	secret(st, 0);
	secret(st, 1);
	pool_set_state(st->proxy->pools[0], stage_backend(st, 1), BACKEND_DRAIN);
	client = ask(st);
	take_request(st, 0);
	take_request(st, 1);
	expect_end(client);
}

static void one_that_refuses_or_is_silent_does_not_keep_the_others_from_it(void **state)
{
	struct stage *st = passing_through(state, 3, "connect_timeout = 1s");
	int client, silent;

	for (unsigned n = 0; n < 3; n++)
		secret(st, n);
	stage_stop_server(st, 0);
	client = ask(st);
	silent = stage_accept_at(st, 1);
	expect_bytes(silent, REQUEST, REQUEST_BYTES);
	stage_pass(st, 1000);
	stage_run(st);
	expect_reset(silent);
	take_request(st, 2);
	expect_end(client);
}

static void all_of_it_has_a_limit(void **state)
{
	struct stage *st =
		passing_through(state, 3, "connect_timeout = 1s\nconnect_total = 1500ms");
	int client;

	for (unsigned n = 0; n < 3; n++)
		secret(st, n);
	client = ask(st);
	assert_true(stage_accept_at(st, 0) >= 0);
	stage_pass(st, 1000);
	stage_run(st);
	assert_true(stage_accept_at(st, 1) >= 0);
	stage_pass(st, 500);
	stage_run(st);
	expect_nobody(st, 2);
	expect_end(client);
}

/* At any point of it. */
static void a_client_that_leaves_ends_it(void **state)
{
	for (int later = 0; later < 2; later++) {
		struct stage *st = passing_through(state, 2, "");
		int client;

		secret(st, 0);
		secret(st, 1);
		client = ask(st);
		if (later)
			take_request(st, 0);
		stage_reset(st, client);
		stage_run(st);
		assert_int_equal(stage_sessions(st), 2);
		assert_int_equal(stage_teardown(state), 0);
	}
}

static void a_client_may_end_its_stream_behind_the_request(void **state)
{
	struct stage *st = passing_through(state, 2, "");
	int client;

	secret(st, 0);
	secret(st, 1);
	client = stage_client(st);
	peer_send(client, REQUEST, REQUEST_BYTES);
	shutdown(client, SHUT_WR);
	stage_run(st);
	take_request(st, 0);
	take_request(st, 1);
	expect_end(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(all_backends_of_the_source_are_asked_one_after_the_other),
		stage_test(a_backend_with_many_sessions_is_asked_once),
		stage_test(each_hears_whose_request_it_is),
		stage_test(who_has_no_sessions_any_more_asks_one),
		stage_test(one_that_drains_or_is_full_is_asked),
		stage_test(one_that_refuses_or_is_silent_does_not_keep_the_others_from_it),
		stage_test(all_of_it_has_a_limit),
		stage_test(a_client_that_leaves_ends_it),
		stage_test(a_client_may_end_its_stream_behind_the_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
