/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/conversation.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/fake_ring.h"
#include "protocol/registry.h"

#define PING_ROLE "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nROLE\r\n"
#define PRIMARY "+PONG\r\n*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n"

static const struct check_request redis = { .protocol = &check_redis };
static const struct conversation_plan plain = { .request = &redis };

/* A check's end of a connection, and the server's. */
struct scene {
	struct loop loop;
	struct conversation c;
	int server;
	atomic_bool is_over;
	unsigned ends;
	int err;
};

static struct scene s;

static void on_done(struct conversation *c, int err)
{
	assert_ptr_equal(c, &s.c);
	s.ends++;
	s.err = err;
}

static void begin_with(const struct conversation_plan *plan, const struct proxyhdr *header)
{
	int fds[2];

	fake_reset();
	memset(&s, 0, sizeof(s));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s.server = fds[1];
	conversation_init(&s.c, &s.loop, on_done, &s.is_over);
	conversation_start(&s.c, plan, fds[0], header);
}

static void begin(void)
{
	begin_with(&plain, NULL);
}

static void finish(void)
{
	fake_run_cancels();
	assert_int_equal(fake_requests(), 0);
	assert_false(conversation_is_busy(&s.c));
	close(s.c.fd);
	close(s.server);
}

static void say(const char *bytes, size_t n)
{
	assert_int_equal(send(s.server, bytes, n, 0), n);
	assert_true(fake_perform(&s.c.poll));
}

static void expect_said(const char *bytes, size_t n)
{
	char got[1000];

	assert_int_equal(recv(s.server, got, sizeof(got), MSG_DONTWAIT), n);
	assert_memory_equal(got, bytes, n);
}

static void expect_words(enum check_verdict verdict, const char *words)
{
	assert_int_equal(s.ends, 1);
	assert_int_equal(s.err, 0);
	assert_int_equal(s.c.exchange.facts.verdict, verdict);
	assert_string_equal(s.c.exchange.facts.words, words);
}

static void an_answer_may_come_in_pieces(void **state)
{
	const size_t whole = strlen(PRIMARY);

	(void)state;
	for (size_t piece = 1; piece <= whole; piece++) {
		begin();
		expect_said(PING_ROLE, strlen(PING_ROLE));
		for (size_t at = 0; at < whole; at += piece) {
			assert_int_equal(s.ends, 0);
			say(PRIMARY + at, MIN(piece, whole - at));
		}
		expect_words(CHECK_PASSED, "is a primary");
		finish();
	}
}

static void an_end_is_one_of_the_check(void **state)
{
	(void)state;
	begin();
	say("+PO", 3);
	shutdown(s.server, SHUT_WR);
	assert_true(fake_perform(&s.c.poll));
	expect_words(CHECK_FAILED, "connection closed before the answer to PING");
	finish();
}

static void time_is_up_only_when_the_kernel_has_given_all_back(void **state)
{
	(void)state;
	begin();
	say("+PONG\r\n", 7);
	conversation_expire(&s.c);
	assert_int_equal(s.ends, 0);
	fake_run_cancels();
	expect_words(CHECK_FAILED, "no answer in time: waited for the answer to ROLE");
	finish();

	begin(); /* an answer that comes together with the end of time is late, too */
	conversation_expire(&s.c);
	say(PRIMARY, strlen(PRIMARY));
	expect_words(CHECK_FAILED, "no answer in time: waited for the answer to PING");
	assert_true(conversation_is_busy(&s.c)); /* the cancel is still there */
	finish();
}

static void one_that_is_stopped_says_nothing_of_the_server(void **state)
{
	(void)state;
	begin();
	conversation_stop(&s.c);
	assert_int_equal(s.ends, 0);
	fake_run_cancels();
	assert_int_equal(s.ends, 1);
	assert_int_equal(s.err, -ECANCELED);
	finish();
}

static void nothing_is_computed_any_more_when_all_is_over(void **state)
{
	(void)state;
	begin();
	atomic_store(&s.is_over, true);
	say(PRIMARY, strlen(PRIMARY));
	assert_int_equal(s.err, -ECANCELED);
	finish();
}

static void trouble_with_the_ring_says_nothing_of_the_server(void **state)
{
	(void)state;
	begin();
	fake_complete(&s.c.poll, -ENOMEM, 0);
	assert_int_equal(s.ends, 1);
	assert_int_equal(s.err, -ENOMEM);
	finish();
}

static void a_header_comes_first(void **state)
{
	const struct proxyhdr header = { .version = 2, .is_local = true };
	char got[16];

	(void)state;
	begin_with(&plain, &header);
	assert_int_equal(recv(s.server, got, sizeof(got), MSG_DONTWAIT), 16);
	assert_memory_equal(got, "\r\n\r\n\0\r\nQUIT\n\x20", 13);
	expect_said(PING_ROLE, strlen(PING_ROLE));
	say(PRIMARY, strlen(PRIMARY));
	expect_words(CHECK_PASSED, "is a primary");
	finish();
}

/* What a server without TLS says to the request for it, and one that says nothing. */
static void the_opening_fails_in_its_own_words(void **state)
{
	static const struct check_request postgres = { .protocol = &check_postgres };
	const struct conversation_plan plan = {
		.request = &postgres,
		.tls_protocol = protocol_of(PROTOCOL_POSTGRES),
	};

	(void)state;
	begin_with(&plan, NULL);
	expect_said("\0\0\0\x08\x04\xd2\x16\x2f", 8);
	say("N", 1);
	assert_int_equal(s.c.exchange.facts.verdict, CHECK_FAILED);
	assert_int_equal(s.ends, 1);
	assert_true(s.c.exchange.facts.words[0] != '\0');
	finish();

	begin_with(&plan, NULL);
	conversation_expire(&s.c);
	fake_run_cancels();
	expect_words(CHECK_FAILED, "no answer in time: waited for TLS");
	finish();

	begin_with(&plan, NULL);
	shutdown(s.server, SHUT_WR);
	assert_true(fake_perform(&s.c.poll));
	expect_words(CHECK_FAILED, "connection closed before TLS");
	finish();
}

/* Whatever it has to say. */
static void a_server_that_never_stops_is_cut_off(void **state)
{
	static char flood[4096];
	unsigned turns = 0;

	(void)state;
	memset(flood, 'x', sizeof(flood));
	flood[0] = '+';
	begin();
	while (s.ends == 0) {
		assert_true(++turns < 100);
		say(flood, sizeof(flood));
	}
	expect_words(CHECK_FAILED, "not Redis' protocol");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_may_come_in_pieces),
		cmocka_unit_test(an_end_is_one_of_the_check),
		cmocka_unit_test(time_is_up_only_when_the_kernel_has_given_all_back),
		cmocka_unit_test(one_that_is_stopped_says_nothing_of_the_server),
		cmocka_unit_test(nothing_is_computed_any_more_when_all_is_over),
		cmocka_unit_test(trouble_with_the_ring_says_nothing_of_the_server),
		cmocka_unit_test(a_header_comes_first),
		cmocka_unit_test(the_opening_fails_in_its_own_words),
		cmocka_unit_test(a_server_that_never_stops_is_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
