/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/runtime_bed.h"

#include <stdio.h>

#include "proto/pgsql.h"
#include "protocol/protocol.h"

static const char ssl_request[] = "\0\0\0\010\004\322\026\057";
static const char startup[] = "\0\0\0\021\0\003\0\0user\0me\0";
static const char welcome[] = "R\0\0\0\010\0\0\0";

#define REQUEST_BYTES (sizeof(ssl_request) - 1)
#define STARTUP_BYTES sizeof(startup) /* with its last NUL */
#define WELCOME_BYTES sizeof(welcome)

/* Backends that are tried in the order b0, b1, b2 ..., and decide on TLS. */
static struct bed *postgres(void **state, unsigned backends, const char *pool_keys)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "balance = first\n%s", pool_keys);
	return bed_with(state, &(struct bed_options){ .backends = backends,
						      .listener_keys = "protocol = postgres",
						      .pool_keys = keys });
}

static struct pair begun(struct bed *st, const char *first, size_t n)
{
	struct pair c = { .client = bed_client(st) };
	char seen[64];

	peer_send(c.client, first, n);
	bed_run(st);
	c.s = bed_newest(st);
	c.backend = bed_accept_at(st, 0);
	assert_true(c.backend >= 0);
	assert_int_equal(peer_recv(c.backend, seen, sizeof(seen)), (long)n);
	assert_memory_equal(seen, first, n);
	return c;
}

static unsigned long failures(struct bed *st, unsigned backend)
{
	return atomic_load(&bed_backend(st, backend)->connect_failures);
}

static void says_error(struct bed *st, int backend, const char *sqlstate)
{
	uint8_t bytes[PGSQL_ERROR_BYTES_MAX];

	peer_send(backend, bytes, pgsql_write_error(bytes, sqlstate, "no"));
	bed_run(st);
}

/* ---- TLS ----------------------------------------------------------------- */

static void a_yes_goes_to_the_client_and_tls_passes_through(void **state)
{
	struct bed *st = postgres(state, 1, "");
	struct pair c = begun(st, ssl_request, REQUEST_BYTES);

	assert_int_equal(c.s->phase, SESSION_NEGOTIATING);
	expect_nothing(c.client);
	peer_send(c.backend, "S", 1);
	bed_run(st);
	expect_text(c.client, "S");
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	peer_send(c.client, "\26hello", 6);
	bed_run(st);
	expect_text(c.backend, "\26hello");
}

static void behind_a_no_the_client_goes_on_with_the_same_backend(void **state)
{
	struct bed *st = postgres(state, 2, "");
	struct pair c = begun(st, ssl_request, REQUEST_BYTES);

	peer_send(c.backend, "N", 1);
	bed_run(st);
	expect_text(c.client, "N");
	assert_int_equal(c.s->phase, SESSION_PREREAD);
	peer_send(c.client, startup, STARTUP_BYTES);
	bed_run(st);
	expect_bytes(c.backend, startup, STARTUP_BYTES);
	peer_send(c.backend, welcome, WELCOME_BYTES);
	bed_run(st);
	expect_bytes(c.client, welcome, WELCOME_BYTES);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	assert_int_equal(bed_accept_at(st, 1), -1);
	assert_int_equal(failures(st, 0), 0);
}

static void who_gets_no_answer_to_its_request_asks_another(void **state)
{
	struct bed *st = postgres(state, 2, "connect_timeout = 300ms");
	struct pair c = begun(st, ssl_request, REQUEST_BYTES);
	int other;

	bed_pass(st, 300);
	bed_run(st);
	other = bed_accept_at(st, 1);
	expect_bytes(other, ssl_request, REQUEST_BYTES);
	expect_reset(c.backend);
	assert_int_equal(failures(st, 0), 1);
	peer_send(other, "S", 1);
	bed_run(st);
	expect_text(c.client, "S");
}

static void an_error_is_no_answer_to_a_request(void **state)
{
	struct bed *st = postgres(state, 2, "");
	struct pair c = begun(st, ssl_request, REQUEST_BYTES);

	says_error(st, c.backend, "57P03");
	expect_nothing(c.client);
	expect_bytes(bed_accept_at(st, 1), ssl_request, REQUEST_BYTES);
}

/* ---- logging in ---------------------------------------------------------- */

static void an_error_in_pieces_sends_the_log_in_elsewhere(void **state)
{
	struct bed *st = postgres(state, 2, "");
	struct pair c = begun(st, startup, STARTUP_BYTES);
	uint8_t bytes[PGSQL_ERROR_BYTES_MAX];
	size_t size = pgsql_write_error(bytes, "53300", "no");
	int other;

	for (size_t n = 0; n < size; n++) {
		assert_int_equal(bed_accept_at(st, 1), -1);
		peer_send(c.backend, bytes + n, 1);
		bed_run(st);
	}
	expect_nothing(c.client);
	expect_reset(c.backend);
	other = bed_accept_at(st, 1);
	expect_bytes(other, startup, STARTUP_BYTES);
	peer_send(other, welcome, WELCOME_BYTES);
	bed_run(st);
	expect_bytes(c.client, welcome, WELCOME_BYTES);
	assert_int_equal(failures(st, 0), 1);
	assert_int_equal(failures(st, 1), 0);
}

static void no_more_are_asked_than_may_be_tried(void **state)
{
	struct bed *st = postgres(state, 3, "connect_tries = 2");
	struct pair c = begun(st, startup, STARTUP_BYTES);
	int other;

	bed_close(st, c.backend);
	bed_run(st);
	other = bed_accept_at(st, 1);
	says_error(st, other, "57P03");
	assert_int_equal(bed_accept_at(st, 2), -1);
	assert_int_equal(peer_says(c.client), 1); /* the error that the second has said */
	bed_close(st, c.client);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_LOGIN_REFUSED), 1);
}

static void who_answers_late_is_not_given_up(void **state)
{
	struct bed *st = postgres(state, 2, "connect_timeout = 300ms");
	struct pair c = begun(st, startup, STARTUP_BYTES);

	bed_pass(st, 300);
	assert_int_equal(c.s->phase, SESSION_RELAYING);
	says_error(st, c.backend, "57P03");
	assert_int_equal(peer_says(c.client), 1);
	assert_int_equal(bed_accept_at(st, 1), -1);
	assert_int_equal(failures(st, 0), 0);
}

static void a_client_that_dies_meanwhile_is_noticed(void **state)
{
	struct bed *st = postgres(state, 1, "connect_timeout = 5s");
	struct pair c = begun(st, startup, STARTUP_BYTES);

	bed_reset(st, c.client);
	bed_pass(st, 500);
	bed_run(st);
	assert_int_equal(bed_ended(st, CLOSE_CLIENT_RESET), 1);
	expect_reset(c.backend);
}

static void what_the_first_words_say_counts_as_payload(void **state)
{
	struct bed *st = postgres(state, 1, "");
	struct pair c = begun(st, startup, STARTUP_BYTES);

	peer_send(c.backend, welcome, WELCOME_BYTES);
	bed_run(st);
	assert_int_equal(up_of(c.s)->bytes, STARTUP_BYTES);
	assert_int_equal(down_of(c.s)->bytes, WELCOME_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bed_test(a_yes_goes_to_the_client_and_tls_passes_through),
		bed_test(behind_a_no_the_client_goes_on_with_the_same_backend),
		bed_test(who_gets_no_answer_to_its_request_asks_another),
		bed_test(an_error_is_no_answer_to_a_request),
		bed_test(an_error_in_pieces_sends_the_log_in_elsewhere),
		bed_test(no_more_are_asked_than_may_be_tried),
		bed_test(who_answers_late_is_not_given_up),
		bed_test(a_client_that_dies_meanwhile_is_noticed),
		bed_test(what_the_first_words_say_counts_as_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
