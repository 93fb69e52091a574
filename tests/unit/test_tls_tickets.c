/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/tickets.h"

#include "base/def.h"
#include "tls/certificates.h"
#include "tls/pair.h"
#include "tls/library.h"
#include "tls/stream.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/*
 * A client made with the library itself, which shows tickets as it is told.
 * Its peer is a struct tls_stream, its buffers are those of a pair.
 */

static int visitor_receive(WOLFSSL *ssl, char *out, int size, void *context)
{
	struct kit_side *side = context;
	size_t n = MIN((size_t)size, side->inbox_n);

	(void)ssl;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(out, side->inbox, n);
	side->inbox_n -= n;
	memmove(side->inbox, side->inbox + n, side->inbox_n);
	return (int)n;
}

static int visitor_send(WOLFSSL *ssl, char *bytes, int n, void *context)
{
	(void)ssl;
	return kit_send(context, bytes, (size_t)n) == 0 ? n : WOLFSSL_CBIO_ERR_GENERAL;
}

static WOLFSSL_CTX *make_visitor_context(bool is_13)
{
	WOLFSSL_CTX *ctx =
		wolfSSL_CTX_new(is_13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());

	assert_non_null(ctx);
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
	wolfSSL_CTX_SetIORecv(ctx, visitor_receive);
	wolfSSL_CTX_SetIOSend(ctx, visitor_send);
	assert_int_equal(wolfSSL_CTX_UseSessionTicket(ctx), WOLFSSL_SUCCESS);
	return ctx;
}

/* ---- visits -------------------------------------------------------------- */

/* What a client keeps between two visits. */
struct memory {
	WOLFSSL_CTX *ctx;
	WOLFSSL_SESSION *session;
};

static void handshake(WOLFSSL *ssl, struct kit_pair *p)
{
	enum tls_result server = TLS_WANT_INPUT;
	int client = 0;

	for (unsigned i = 0; i < 10; i++) {
		if (client != WOLFSSL_SUCCESS)
			client = wolfSSL_connect(ssl);
		if (server == TLS_WANT_INPUT)
			server = kit_step(p, &p->server);
	}
	assert_int_equal(client, WOLFSSL_SUCCESS);
	assert_int_equal(server, TLS_DONE);
}

/*
 * Visits @server under @name, resuming what @memory has, and keeps the new
 * ticket in it. Was the session resumed, in both sides' view?
 */
static bool visit(struct tls_server *server, const char *name, struct memory *memory)
{
	const struct tls_offer offer = { .name = name };
	struct kit_pair p = { 0 };
	struct tls_facts facts;
	char byte;
	WOLFSSL *ssl = wolfSSL_new(memory->ctx);

	kit_join(&p);
	assert_int_equal(tls_stream_accept(server, &offer, kit_send, &p.server, &p.server.stream),
			 0);
	wolfSSL_SetIOReadCtx(ssl, &p.client);
	wolfSSL_SetIOWriteCtx(ssl, &p.client);
	if (memory->session) /* not taken when there is nothing to resume by */
		(void)wolfSSL_set_session(ssl, memory->session);
	handshake(ssl, &p);

	/* In TLS 1.3 the ticket comes behind the handshake. */
	assert_int_equal(tls_stream_write(p.server.stream, "x", 1), TLS_DONE);
	assert_int_equal(wolfSSL_read(ssl, &byte, 1), 1);
	tls_stream_facts(p.server.stream, &facts);
	assert_int_equal(wolfSSL_session_reused(ssl) != 0, facts.resumed);
	wolfSSL_SESSION_free(memory->session);
	memory->session = wolfSSL_get1_session(ssl);
	wolfSSL_free(ssl);
	kit_part(&p);
	return facts.resumed;
}

static struct memory remember(bool is_13)
{
	return (struct memory){ .ctx = make_visitor_context(is_13) };
}

static void forget(struct memory *memory)
{
	wolfSSL_SESSION_free(memory->session);
	wolfSSL_CTX_free(memory->ctx);
}

static struct tls_server *make_server(const char *file, struct tls_tickets *tickets)
{
	struct tls_problems problems = { 0 };
	const struct tls_files files[] = { { kit_path(file), NULL } };
	const struct tls_server_config config = {
		.certificates = files,
		.certificates_n = 1,
		.tickets = tickets,
	};
	struct tls_server *server;

	assert_int_equal(tls_server_create(&config, &problems, &server), 0);
	return server;
}

static struct tls_tickets *make_tickets(const char *key_file)
{
	struct tls_problems problems = { 0 };
	struct tls_tickets *tickets =
		tls_tickets_create(key_file ? kit_path(key_file) : NULL, &problems);

	assert_non_null(tickets);
	assert_int_equal(problems.n, 0);
	return tickets;
}

#define DB1 "db1.example.com"

/* ---- tests --------------------------------------------------------------- */

static void a_session_is_resumed(void **state)
{
	struct tls_tickets *tickets = make_tickets(NULL);
	struct tls_server *server = make_server("ecdsa.pem", tickets);

	(void)state;
	for (unsigned is_13 = 0; is_13 < 2; is_13++) {
		struct memory memory = remember(is_13);

		assert_false(visit(server, DB1, &memory));
		assert_true(visit(server, DB1, &memory));
		assert_true(visit(server, DB1, &memory));
		forget(&memory);
	}
	tls_server_unref(server);
	tls_tickets_unref(tickets);
}

static void without_tickets_nothing_is_resumed(void **state)
{
	struct tls_server *server = make_server("ecdsa.pem", NULL);

	(void)state;
	for (unsigned is_13 = 0; is_13 < 2; is_13++) {
		struct memory memory = remember(is_13);

		assert_false(visit(server, DB1, &memory));
		assert_false(visit(server, DB1, &memory));
		forget(&memory);
	}
	tls_server_unref(server);
}

static void a_reload_with_the_same_certificate_resumes(void **state)
{
	struct tls_tickets *tickets = make_tickets(NULL);
	struct tls_server *server = make_server("ecdsa.pem", tickets);
	struct memory memory = remember(true);

	(void)state;
	assert_false(visit(server, DB1, &memory));
	tls_server_unref(server);
	server = make_server("ecdsa.pem", tickets);
	assert_true(visit(server, DB1, &memory));
	tls_server_unref(server);
	/* Another certificate, same name: the ticket says nothing of that one. */
	server = make_server("rsa.pem", tickets);
	assert_false(visit(server, DB1, &memory));
	tls_server_unref(server);
	forget(&memory);
	tls_tickets_unref(tickets);
}

/*
 * In TLS 1.2 the library's client, unlike others, does not get over a ticket
 * that is refused, so here and below refusals are tried with TLS 1.3.
 */
static void a_ticket_of_one_name_opens_no_other(void **state)
{
	struct tls_tickets *tickets = make_tickets(NULL);
	struct tls_server *server = make_server("ecdsa.pem", tickets);
	struct memory memory = remember(true);

	(void)state;
	assert_false(visit(server, DB1, &memory));
	assert_false(visit(server, "x.shard.example.com", &memory));
	assert_true(visit(server, "x.shard.example.com", &memory));
	assert_false(visit(server, "y.shard.example.com", &memory));
	assert_false(visit(server, "", &memory));
	forget(&memory);
	tls_server_unref(server);
	tls_tickets_unref(tickets);
}

static void a_key_opens_for_one_more_rotation(void **state)
{
	struct tls_tickets *tickets = make_tickets(NULL);
	struct tls_server *server = make_server("ecdsa.pem", tickets);
	struct tls_problems problems = { 0 };
	struct memory memory = remember(true);

	(void)state;
	assert_false(visit(server, DB1, &memory));
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(tls_tickets_rotate(tickets, &problems), 0);
		assert_true(visit(server, DB1, &memory));
	}
	assert_int_equal(tls_tickets_rotate(tickets, &problems), 0);
	assert_int_equal(tls_tickets_rotate(tickets, &problems), 0);
	assert_false(visit(server, DB1, &memory));
	forget(&memory);
	tls_server_unref(server);
	tls_tickets_unref(tickets);
}

static void a_key_file_is_shared_by_nodes(void **state)
{
	struct tls_tickets *one = make_tickets("key1"), *two = make_tickets("keys31"),
			   *stranger = make_tickets("key2");
	struct tls_server *node1 = make_server("ecdsa.pem", one),
			  *node2 = make_server("ecdsa.pem", two),
			  *node3 = make_server("ecdsa.pem", stranger);

	(void)state;
	for (unsigned is_13 = 0; is_13 < 2; is_13++) {
		struct memory memory = remember(is_13);

		assert_false(visit(node1, DB1, &memory)); /* sealed with key 1 */
		assert_true(visit(node2, DB1, &memory));  /* has it as its second */
		if (is_13)
			assert_false(visit(node3, DB1, &memory));
		forget(&memory);
	}
	tls_server_unref(node1);
	tls_server_unref(node2);
	tls_server_unref(node3);
	tls_tickets_unref(one);
	tls_tickets_unref(two);
	tls_tickets_unref(stranger);
}

static void write_file(const char *path, const char *from)
{
	char command[2 * KIT_PATH_BYTES];

	snprintf(command, sizeof(command), "cp %s %s", from, path);
	assert_int_equal(system(command), 0);
}

static void a_key_file_can_change(void **state)
{
	struct tls_problems problems = { 0 };
	struct memory memory = remember(true);
	struct tls_tickets *tickets;
	struct tls_server *server;

	(void)state;
	write_file(kit_path("live"), kit_path("key1"));
	tickets = make_tickets("live");
	server = make_server("ecdsa.pem", tickets);
	assert_false(visit(server, DB1, &memory));
	write_file(kit_path("live"), kit_path("keys31"));
	assert_int_equal(tls_tickets_rotate(tickets, &problems), 0);
	assert_true(visit(server, DB1, &memory));

	write_file(kit_path("live"), kit_path("badkey"));
	assert_int_equal(tls_tickets_rotate(tickets, &problems), -EINVAL);
	assert_int_equal(problems.errors_n, 1);
	assert_string_equal(problems.at[0].text, "line 1 is not a key of 96 hexadecimal digits");
	assert_string_equal(problems.at[0].key, "ticket_keys");
	assert_true(visit(server, DB1, &memory));

	write_file(kit_path("live"), kit_path("key2"));
	assert_int_equal(tls_tickets_rotate(tickets, &problems), 0);
	assert_false(visit(server, DB1, &memory));
	tls_problems_finish(&problems);
	forget(&memory);
	tls_server_unref(server);
	tls_tickets_unref(tickets);
}

static void a_bad_key_file_is_no_start(void **state)
{
	struct tls_problems problems = { 0 };
	FILE *empty = fopen(kit_path("empty"), "we");

	(void)state;
	assert_non_null(empty);
	fclose(empty);
	assert_null(tls_tickets_create(kit_path("badkey"), &problems));
	assert_null(tls_tickets_create(kit_path("missing"), &problems));
	assert_null(tls_tickets_create(kit_path("empty"), &problems));
	assert_null(tls_tickets_create("/dev/null", &problems));
	assert_int_equal(problems.errors_n, 4);
	assert_string_equal(problems.at[1].text, "cannot be read: No such file or directory");
	assert_string_equal(problems.at[2].text, "has no key");
	assert_string_equal(problems.at[3].text,
			    "cannot be read: it is a device, not a regular file");
	tls_problems_finish(&problems);
}

static void a_verifying_server_gives_no_tickets(void **state)
{
	struct tls_problems problems = { 0 };
	const struct tls_files files[] = { { kit_path("ecdsa.pem"), NULL } };
	struct tls_tickets *tickets = make_tickets(NULL);
	const struct tls_server_config config = {
		.policy.version_min = TLS_1_2,
		.certificates = files,
		.certificates_n = 1,
		.client_verify = TLS_VERIFY_OPTIONAL,
		.client_ca = kit_path("ca.crt"),
		.tickets = tickets,
	};
	struct tls_server *server;

	(void)state;
	assert_int_equal(tls_server_create(&config, &problems, &server), 0);
	for (unsigned is_13 = 0; is_13 < 2; is_13++) {
		struct memory memory = remember(is_13);

		assert_false(visit(server, DB1, &memory));
		assert_false(visit(server, DB1, &memory));
		forget(&memory);
	}
	tls_server_unref(server);
	tls_tickets_unref(tickets);
}

/* ---- KeyUpdate ----------------------------------------------------------- */

/* A visitor that asks for @n fresh keys in a row; what the server makes of it. */
static enum tls_result update_keys(unsigned n, size_t *ret_answer_bytes)
{
	struct tls_server *server = make_server("ecdsa.pem", NULL);
	struct memory memory = remember(true);
	WOLFSSL *ssl = wolfSSL_new(memory.ctx);
	struct kit_pair p = { 0 };
	enum tls_result result;
	size_t before, got;
	char text[10];

	kit_join(&p);
	assert_int_equal(tls_stream_accept(server, NULL, kit_send, &p.server, &p.server.stream), 0);
	wolfSSL_SetIOReadCtx(ssl, &p.client);
	wolfSSL_SetIOWriteCtx(ssl, &p.client);
	handshake(ssl, &p);
	p.server.now_ms = 2000; /* what the handshake had counts no more */
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(wolfSSL_update_keys(ssl), WOLFSSL_SUCCESS);
	assert_int_equal(wolfSSL_write(ssl, "hello", 5), 5);
	before = p.server.sent;
	result = kit_read(&p, &p.server, text, sizeof(text), &got);
	*ret_answer_bytes = p.server.sent - before;
	if (result == TLS_WANT_INPUT) {
		assert_int_equal(got, 5);
		/* The other direction has new keys too. */
		assert_int_equal(tls_stream_write(p.server.stream, "world", 5), TLS_DONE);
		assert_int_equal(wolfSSL_read(ssl, text, sizeof(text)), 5);
	} else {
		assert_string_equal(tls_stream_reason(p.server.stream),
				    "too many TLS records without data");
	}
	wolfSSL_free(ssl);
	kit_part(&p);
	forget(&memory);
	tls_server_unref(server);
	return result;
}

static void key_updates_are_answered(void **state)
{
	size_t answer;

	(void)state;
	assert_int_equal(update_keys(1, &answer), TLS_WANT_INPUT);
	assert_int_equal(answer, 27);
	assert_int_equal(update_keys(32, &answer), TLS_WANT_INPUT);
	assert_true(answer <= TLS_OVERHEAD_BYTES);
}

static void a_flood_of_key_updates_ends_the_session(void **state)
{
	size_t answer;

	(void)state;
	assert_int_equal(update_keys(33, &answer), TLS_FAILED);
	assert_true(answer <= TLS_OVERHEAD_BYTES);
	assert_int_equal(update_keys(1000, &answer), TLS_FAILED);
	assert_true(answer <= TLS_OVERHEAD_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_resumed),
		cmocka_unit_test(without_tickets_nothing_is_resumed),
		cmocka_unit_test(a_reload_with_the_same_certificate_resumes),
		cmocka_unit_test(a_ticket_of_one_name_opens_no_other),
		cmocka_unit_test(a_key_opens_for_one_more_rotation),
		cmocka_unit_test(a_key_file_is_shared_by_nodes),
		cmocka_unit_test(a_key_file_can_change),
		cmocka_unit_test(a_bad_key_file_is_no_start),
		cmocka_unit_test(a_verifying_server_gives_no_tickets),
		cmocka_unit_test(key_updates_are_answered),
		cmocka_unit_test(a_flood_of_key_updates_ends_the_session),
	};

	return cmocka_run_group_tests_name("tls_tickets", tests, kit_set_up, kit_tear_down);
}
