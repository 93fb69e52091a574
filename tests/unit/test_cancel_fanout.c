/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

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
static struct bed *passing_through(void **state, unsigned backends, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\n%s", pool_keys);
	return bed_with(state, &(struct bed_options){ .backends = backends,
						      .listener_keys = "protocol = postgres\n"
								       "tls = passthrough",
						      .pool_keys = keys,
						      .backend_keys = "max_sessions=1" });
}

/* A session whose bytes nobody can read, on this backend. */
static struct pair secret(struct bed *st, unsigned backend)
{
	struct pair c = { .client = bed_client(st) };

	peer_send(c.client, SSL_REQUEST, SSL_REQUEST_BYTES);
	bed_run(st);
	expect_text(c.client, "S");
	peer_send(c.client, hello, HELLO_BYTES);
	bed_run(st);
	c.backend = bed_accept_at(st, backend);
	assert_true(c.backend >= 0);
	expect_bytes(c.backend, SSL_REQUEST, SSL_REQUEST_BYTES);
	peer_send(c.backend, "S", 1);
	bed_run(st);
	expect_bytes(c.backend, hello, HELLO_BYTES);
	c.s = bed_newest(st);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	return c;
}

/* A client that sends a request to cancel. */
static int ask(struct bed *st)
{
	int client = bed_client(st);

	peer_send(client, REQUEST, REQUEST_BYTES);
	bed_run(st);
	return client;
}

/* This backend gets the request, and has done with it. */
static void take_request(struct bed *st, unsigned backend)
{
	int fd = bed_accept_at(st, backend);

	assert_true(fd >= 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	bed_close(st, fd);
	bed_run(st);
}

static void expect_nobody(struct bed *st, unsigned backend)
{
	assert_int_equal(bed_accept_at(st, backend), -1);
}

static void end_session(struct bed *st, struct pair *c)
{
	unsigned before = bed_sessions(st);

	bed_reset(st, c->client);
	bed_run_until(st, bed_sessions(st) < before);
}

/* In the order of the table, which is that of the memory they lie in. */
static void all_backends_of_the_source_are_asked_one_after_the_other(void **state)
{
	struct bed *st = passing_through(state, 4, "");
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
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
}

static void a_backend_with_many_sessions_is_asked_once(void **state)
{
	struct bed *st = bed_of(state, "protocol = postgres\ntls = passthrough");
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
	struct bed *st = passing_through(state, 2, "send_proxy = v1");
	char said[256];
	int client;

	for (unsigned n = 0; n < 2; n++) {
		struct pair c = { .client = bed_client(st) };

		peer_send(c.client, SSL_REQUEST, SSL_REQUEST_BYTES);
		bed_run(st);
		peer_send(c.client, hello, HELLO_BYTES);
		bed_run(st);
		c.backend = bed_accept_at(st, n);
		assert_true(peer_recv(c.backend, said, sizeof(said)) > 0);
		peer_send(c.backend, "S", 1);
		bed_run(st);
	}
	client = ask(st);
	for (unsigned n = 0; n < 2; n++) {
		int fd = bed_accept_at(st, n);
		long said_n = peer_recv(fd, said, sizeof(said));

		assert_true(said_n > REQUEST_BYTES);
		assert_memory_equal(said, "PROXY TCP4 127.0.0.1 ", 21);
		assert_memory_equal(said + said_n - REQUEST_BYTES, REQUEST, REQUEST_BYTES);
		bed_close(st, fd);
		bed_run(st);
	}
	expect_end(client);
}

/* Then its key is one that nobody here knows. */
static void who_has_no_sessions_any_more_asks_all(void **state)
{
	struct bed *st = passing_through(state, 2, "");
	struct pair a = secret(st, 0), b;
	int client, fd;

	b = secret(st, 1);
	end_session(st, &a);
	client = ask(st);
	take_request(st, 1);
	expect_end(client);
	expect_nobody(st, 0);
	end_session(st, &b);
	client = ask(st);
	fd = bed_accept_at(st, 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	assert_int_equal(bed_newest(st)->phase, SESSION_CANCELLING);
	bed_close(st, fd);
	bed_run(st);
	expect_nothing(client);
	take_request(st, 1);
	expect_end(client);
}

/* ---- where the key is known ---------------------------------------------- */

#define STARTUP "\0\0\0\20\0\3\0\0user\0x\0\0"
#define STARTUP_BYTES 16
#define KEY "K\0\0\0\14\0\0\0\7abcdZ\0\0\0\5I"
#define KEY_BYTES 19

static struct bed *in_clear(void **state, unsigned backends, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\n%s", pool_keys);
	return bed_with(state, &(struct bed_options){ .backends = backends,
						      .listener_keys = "protocol = postgres",
						      .pool_keys = keys,
						      .backend_keys = "max_sessions=1" });
}

/* A session on this backend, which gave it the key that requests name. */
static struct pair logged_in(struct bed *st, unsigned backend)
{
	struct pair c = { .client = bed_client(st) };

	peer_send(c.client, STARTUP, STARTUP_BYTES);
	bed_run(st);
	c.s = bed_newest(st);
	c.backend = bed_accept_at(st, backend);
	assert_true(c.backend >= 0);
	expect_bytes(c.backend, STARTUP, STARTUP_BYTES);
	peer_send(c.backend, KEY, KEY_BYTES);
	bed_run(st);
	expect_bytes(c.client, KEY, KEY_BYTES);
	return c;
}

static void a_known_key_leads_to_its_backend_alone(void **state)
{
	struct bed *st = in_clear(state, 3, "");
	int client, fd;

	logged_in(st, 0);
	client = ask(st);
	fd = bed_accept_at(st, 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	expect_nothing(client);
	peer_send(fd, "nobody hears it", 15);
	bed_run(st);
	expect_nothing(client);
	bed_close(st, fd);
	bed_run(st);
	expect_end(client);
	assert_int_equal(bed_sessions(st), 1);
	assert_int_equal(bed_ended(st, CLOSE_DONE), 1);
	assert_non_null(strstr(bed_log(st), "bytes_up=16 bytes_down=0"));
	expect_nobody(st, 1);
}

static void its_backend_may_refuse(void **state)
{
	struct bed *st = in_clear(state, 2, "");
	int client;

	logged_in(st, 0);
	bed_stop_server(st, 0);
	client = ask(st);
	expect_reset(client);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_REFUSED), 1);
	expect_nobody(st, 1);
}

/* A busy one may be slow with it, and has more time than one of several. */
static void a_backend_that_never_hangs_up_is_left_in_time(void **state)
{
	struct bed *st = in_clear(state, 1, "connect_timeout = 100ms\nconnect_total = 2s");
	int client, fd;

	logged_in(st, 0);
	client = ask(st);
	fd = bed_accept_at(st, 0);
	expect_bytes(fd, REQUEST, REQUEST_BYTES);
	bed_pass(st, 1999);
	bed_run(st);
	expect_nothing(client);
	bed_pass(st, 1);
	bed_run(st);
	expect_reset(client);
	assert_int_equal(bed_ended(st, CLOSE_CONNECT_TIMEOUT), 1);
	assert_int_equal(atomic_load(&bed_backend(st, 0)->sessions), 1);
}

/* ---- many at once -------------------------------------------------------- */

#define MANY 10

static struct bed *with_session(void **state, bool is_secret, const char *pool_keys)
{
	struct bed *st = is_secret ? passing_through(state, 1, pool_keys)
				   : in_clear(state, 1, pool_keys);

	if (is_secret)
		secret(st, 0);
	else
		logged_in(st, 0);
	return st;
}

static unsigned accept_all(struct bed *st, int ret_fds[MANY + 1])
{
	unsigned n = 0;

	while (n <= MANY && (ret_fds[n] = bed_accept_at(st, 0)) >= 0)
		n++;
	return n;
}

/* Its max_sessions does not count for them; so they are few, and the others have their turn. */
static void a_backend_gets_a_few_requests_at_a_time(void **state)
{
	for (int is_secret = 0; is_secret < 2; is_secret++) {
		struct bed *st = with_session(state, is_secret, "");
		int clients[MANY], open[MANY + 1];
		unsigned told = 0;

		for (int n = 0; n < MANY; n++)
			clients[n] = ask(st);
		while (told < MANY) {
			unsigned n = accept_all(st, open);

			assert_in_range(n, 1, POOL_BEYOND_MAX);
			assert_int_equal(atomic_load(&bed_backend(st, 0)->sessions), 1 + n);
			told += n;
			while (n-- > 0) {
				expect_bytes(open[n], REQUEST, REQUEST_BYTES);
				bed_close(st, open[n]);
			}
			bed_run(st);
			bed_pass(st, 10);
			bed_run(st);
		}
		for (int n = 0; n < MANY; n++)
			expect_end(clients[n]);
		assert_int_equal(bed_ended(st, CLOSE_DONE), MANY);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void who_has_no_turn_in_time_is_told_so(void **state)
{
	for (int is_secret = 0; is_secret < 2; is_secret++) {
		struct bed *st =
			with_session(state, is_secret, "connect_timeout = 1s\nconnect_total = 1s");
		int client;

		for (int n = 0; n < POOL_BEYOND_MAX; n++)
			ask(st);
		client = ask(st);
		for (int ms = 0; ms < 499; ms++)
			bed_pass(st, 1);
		expect_nothing(client);
		bed_pass(st, 1);
		bed_run(st);
		expect_reset(client);
		assert_int_equal(bed_ended(st, CLOSE_BACKENDS_FULL), 1);
		assert_non_null(strstr(bed_log(st), "\"too many cancel requests at once\""));
		for (int ms = 0; ms < 500; ms++) /* the others' time is over, too */
			bed_pass(st, 1);
		bed_run(st);
		assert_int_equal(atomic_load(&bed_backend(st, 0)->sessions), 1);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void the_turn_of_a_client_that_leaves_is_anothers(void **state)
{
	struct bed *st = with_session(state, false, "");
	int first = ask(st), last;

	for (int n = 1; n < POOL_BEYOND_MAX; n++)
		ask(st);
	last = ask(st);
	for (int n = 0; n < POOL_BEYOND_MAX; n++)
		assert_true(bed_accept_at(st, 0) >= 0);
	bed_reset(st, first);
	bed_pass(st, 500); /* it is looked at now and then */
	bed_run(st);
	for (int ms = 0; ms < 1000; ms++)
		bed_pass(st, 1);
	bed_run(st);
	take_request(st, 0);
	expect_end(last);
}

static void one_that_drains_or_is_full_is_asked(void **state)
{
	struct bed *st = passing_through(state, 2, "");
	int client;

	secret(st, 0);
	secret(st, 1);
	pool_set_state(st->runtime->pools[0], bed_backend(st, 1), BACKEND_DRAIN, 0);
	client = ask(st);
	take_request(st, 0);
	take_request(st, 1);
	expect_end(client);
}

static void one_that_refuses_or_is_silent_does_not_keep_the_others_from_it(void **state)
{
	struct bed *st = passing_through(state, 3, "connect_timeout = 1s");
	int client, silent;

	for (unsigned n = 0; n < 3; n++)
		secret(st, n);
	bed_stop_server(st, 0);
	client = ask(st);
	silent = bed_accept_at(st, 1);
	expect_bytes(silent, REQUEST, REQUEST_BYTES);
	bed_pass(st, 1000);
	bed_run(st);
	expect_reset(silent);
	take_request(st, 2);
	expect_end(client);
}

static void all_of_it_has_a_limit(void **state)
{
	struct bed *st = passing_through(state, 3, "connect_timeout = 1s\nconnect_total = 1500ms");
	int client;

	for (unsigned n = 0; n < 3; n++)
		secret(st, n);
	client = ask(st);
	assert_true(bed_accept_at(st, 0) >= 0);
	bed_pass(st, 1000);
	bed_run(st);
	assert_true(bed_accept_at(st, 1) >= 0);
	bed_pass(st, 500);
	bed_run(st);
	expect_nobody(st, 2);
	expect_end(client);
}

/* At any point of it. */
static void a_client_that_leaves_ends_it(void **state)
{
	for (int later = 0; later < 2; later++) {
		struct bed *st = passing_through(state, 2, "");
		int client;

		secret(st, 0);
		secret(st, 1);
		client = ask(st);
		if (later)
			take_request(st, 0);
		bed_reset(st, client);
		bed_pass(st, 500); /* it is looked at now and then */
		bed_run(st);
		assert_int_equal(bed_sessions(st), 2);
		assert_int_equal(bed_teardown(state), 0);
	}
}

static void a_client_may_end_its_stream_behind_the_request(void **state)
{
	struct bed *st = passing_through(state, 2, "");
	int client;

	secret(st, 0);
	secret(st, 1);
	client = bed_client(st);
	peer_send(client, REQUEST, REQUEST_BYTES);
	shutdown(client, SHUT_WR);
	bed_run(st);
	take_request(st, 0);
	take_request(st, 1);
	expect_end(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(all_backends_of_the_source_are_asked_one_after_the_other),
		bed_test(a_backend_with_many_sessions_is_asked_once),
		bed_test(each_hears_whose_request_it_is),
		bed_test(who_has_no_sessions_any_more_asks_all),
		bed_test(one_that_drains_or_is_full_is_asked),
		bed_test(one_that_refuses_or_is_silent_does_not_keep_the_others_from_it),
		bed_test(all_of_it_has_a_limit),
		bed_test(a_client_that_leaves_ends_it),
		bed_test(a_client_may_end_its_stream_behind_the_request),
		bed_test(a_known_key_leads_to_its_backend_alone),
		bed_test(its_backend_may_refuse),
		bed_test(a_backend_that_never_hangs_up_is_left_in_time),
		bed_test(a_backend_gets_a_few_requests_at_a_time),
		bed_test(who_has_no_turn_in_time_is_told_so),
		bed_test(the_turn_of_a_client_that_leaves_is_anothers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
