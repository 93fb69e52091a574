/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/pgsql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

/* A literal with its size, without the zero that C adds. */
#define LITERAL(text) text, sizeof(text) - 1

#define SSL_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"
#define GSS_REQUEST "\0\0\0\x08\x04\xd2\x16\x30"

static const char cancel[] = "\0\0\0\x10\x04\xd2\x16\x2e\0\x01\0\x02wxyz";
static const char startup[] = "\0\0\0\x14\0\x03\0\0user\0alice\0";

/* From memory of exactly that size, so that a sanitizer sees more. */
static enum parse read_exact(const void *bytes, size_t n, struct pgsql_packet *packet)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum parse result;

	memcpy(copy, bytes, n);
	result = pgsql_read(copy, n, packet);
	free(copy);
	return result;
}

/* A start-up packet of protocol 3.@minor with these parameters. */
static size_t make_startup(uint8_t *out, uint8_t minor, const char *parameters, size_t n)
{
	size_t size = 8 + n;

	memcpy(out, "\0\0\0\0\0\x03\0\0", 8);
	out[2] = (uint8_t)(size >> 8);
	out[3] = (uint8_t)size;
	out[7] = minor;
	memcpy(out + 8, parameters, n);
	return size;
}

static void requests_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum pgsql_kind kind;
		size_t took;
	} cases[] = {
		{ LITERAL(SSL_REQUEST), PGSQL_SSL_REQUEST, 8 },
		{ LITERAL(GSS_REQUEST), PGSQL_GSS_REQUEST, 8 },
		{ LITERAL(SSL_REQUEST "more"), PGSQL_SSL_REQUEST, 8 },
		{ LITERAL("\x16"), PGSQL_TLS, 0 },
		{ LITERAL("\x16\x03\x01"), PGSQL_TLS, 0 },
		{ cancel, 16, PGSQL_CANCEL, 16 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgsql_packet p;

		for (size_t n = 0; n < cases[i].took; n++)
			assert_int_equal(read_exact(cases[i].bytes, n, &p), PARSE_MORE);
		assert_int_equal(read_exact(cases[i].bytes, cases[i].n, &p), PARSE_DONE);
		assert_int_equal(p.kind, cases[i].kind);
		assert_int_equal(p.bytes, cases[i].took);
	}
}

static void a_cancel_request_names_a_key(void **state)
{
	uint8_t longest[12 + PGSQL_SECRET_BYTES_MAX] = { 0, 0, 1, 12, 4, 0xd2, 0x16, 0x2e };
	struct pgsql_packet p;

	(void)state;
	assert_int_equal(read_exact(cancel, 16, &p), PARSE_DONE);
	assert_int_equal(p.key.process, 0x10002);
	assert_int_equal(p.key.secret_bytes, 4);
	assert_memory_equal(p.key.secret, "wxyz", 4);
	assert_int_equal(read_exact(longest, sizeof(longest), &p), PARSE_DONE);
	assert_int_equal(p.key.secret_bytes, PGSQL_SECRET_BYTES_MAX);
	longest[3]++;
	assert_int_equal(read_exact(longest, sizeof(longest), &p), PARSE_BAD);
	assert_int_equal(p.fault, PGSQL_LENGTH);
}

static void a_startup_packet_gives_user_and_database(void **state)
{
	static const struct {
		const char *parameters;
		size_t n;
		const char *user, *database;
	} cases[] = {
		{ LITERAL("user\0u\0database\0d\0\0"), "u", "d" },
		{ LITERAL("database\0d\0user\0u\0\0"), "u", "d" },
		{ LITERAL("user\0u\0\0"), "u", "u" },
		{ LITERAL("user\0u\0database\0\0\0"), "u", "u" },
		{ LITERAL("options\0-c a=b\0user\0\xc3\xa4\0\0"), "\xc3\xa4", "\xc3\xa4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[100];
		size_t n = make_startup(bytes, 2, cases[i].parameters, cases[i].n);
		struct pgsql_packet p;

		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(read_exact(bytes, cut, &p), PARSE_MORE);
		assert_int_equal(read_exact(bytes, n, &p), PARSE_DONE);
		assert_int_equal(p.kind, PGSQL_STARTUP);
		assert_int_equal(p.major, 3);
		assert_int_equal(p.minor, 2);
		assert_string_equal(p.user, cases[i].user);
		assert_string_equal(p.database, cases[i].database);
	}
}

static void malformed_parameters_are_refused(void **state)
{
	static const struct {
		const char *parameters;
		size_t n;
		enum pgsql_fault fault;
	} cases[] = {
		{ LITERAL(""), PGSQL_PARAMETERS },
		{ LITERAL("\0"), PGSQL_NO_USER },
		{ LITERAL("user\0\0\0"), PGSQL_NO_USER },
		{ LITERAL("database\0d\0\0"), PGSQL_NO_USER },
		{ LITERAL("user\0u\0"), PGSQL_PARAMETERS },
		{ LITERAL("user\0u\0\0x"), PGSQL_PARAMETERS },
		{ LITERAL("user\0u\0\0\0"), PGSQL_PARAMETERS },
		{ LITERAL("user\0"), PGSQL_PARAMETERS },
		{ LITERAL("user"), PGSQL_PARAMETERS },
		{ LITERAL("user\0u"), PGSQL_PARAMETERS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[100];
		size_t n = make_startup(bytes, 0, cases[i].parameters, cases[i].n);
		struct pgsql_packet p;

		assert_int_equal(read_exact(bytes, n, &p), PARSE_BAD);
		assert_int_equal(p.fault, cases[i].fault);
	}
}

/* As PostgreSQL reads them itself, byte by byte (ProcessStartupPacket()). */
static void long_names_are_cut(void **state)
{
	static const size_t lengths[] = { 62, 63, 64, 250 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		char parameters[300] = "user";
		uint8_t bytes[400];
		struct pgsql_packet p;
		size_t n;

		memset(parameters + 5, 'u', lengths[i]);
		n = make_startup(bytes, 0, parameters, 5 + lengths[i] + 2);
		assert_int_equal(read_exact(bytes, n, &p), PARSE_DONE);
		assert_int_equal(p.bytes, n);
		assert_int_equal(strlen(p.user), MIN(lengths[i], 63));
		assert_string_equal(p.database, p.user);
	}
}

static void wrong_heads_are_told_at_once(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum pgsql_fault fault;
	} cases[] = {
		{ LITERAL("G"), PGSQL_NOT_PGSQL },
		{ LITERAL("GET / HTTP/1.1"), PGSQL_NOT_PGSQL },
		{ LITERAL("\0\x01"), PGSQL_NOT_PGSQL },
		{ LITERAL("\0\0\0\x07"), PGSQL_LENGTH },
		{ LITERAL("\0\0\0\0"), PGSQL_LENGTH },
		{ LITERAL("\0\0\x27\x11"), PGSQL_LENGTH }, /* 10001 */
		{ LITERAL("\0\0\0\x09\x04\xd2\x16\x2f"), PGSQL_LENGTH },
		{ LITERAL("\0\0\0\x0c\x04\xd2\x16\x2e"), PGSQL_LENGTH },
		{ LITERAL("\0\0\0\x0c\0\x02\0\0"), PGSQL_VERSION },
		{ LITERAL("\0\0\0\x0c\0\x04\0\0"), PGSQL_VERSION },
		{ LITERAL("\0\0\0\x0c\x04\xd2\x16\x31"), PGSQL_VERSION },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgsql_packet p;

		assert_int_equal(read_exact(cases[i].bytes, cases[i].n, &p), PARSE_BAD);
		assert_int_equal(p.fault, cases[i].fault);
		assert_true(strlen(pgsql_fault_text(p.fault)) > 0);
	}
}

static void it_never_waits_beyond_its_limit(void **state)
{
	static uint8_t bytes[PGSQL_STARTUP_BYTES_MAX] = { 0, 0, 0x27, 0x10, 0, 3, 0, 0 };
	struct pgsql_packet p;

	(void)state;
	assert_int_equal(read_exact(bytes, sizeof(bytes) - 1, &p), PARSE_MORE);
	assert_int_equal(read_exact(bytes, sizeof(bytes), &p), PARSE_BAD);
}

static enum parse read_clear(const char *text, size_t n, unsigned *asked, enum pgsql_fault *fault)
{
	struct pgsql_packet p = { 0 };
	enum parse result = pgsql_read_clear((const uint8_t *)text, n, asked, &p);

	*fault = p.fault;
	return result;
}

static void requests_come_in_any_order_but_once(void **state)
{
	enum pgsql_fault fault;
	unsigned asked = 0;

	(void)state;
	assert_int_equal(read_clear(LITERAL(GSS_REQUEST), &asked, &fault), PARSE_DONE);
	assert_int_equal(read_clear("\0\0\0\x08\x04", 5, &asked, &fault), PARSE_MORE);
	assert_int_equal(read_clear(LITERAL(SSL_REQUEST), &asked, &fault), PARSE_DONE);
	assert_int_equal(read_clear(LITERAL(GSS_REQUEST), &asked, &fault), PARSE_BAD);
	assert_int_equal(fault, PGSQL_AGAIN);
	assert_int_equal(read_clear(startup, sizeof(startup), &asked, &fault), PARSE_DONE);
}

static void nothing_may_follow_a_request_in_clear(void **state)
{
	enum pgsql_fault fault;
	unsigned asked = 0;

	(void)state;
	assert_int_equal(read_clear(LITERAL(SSL_REQUEST "\x16"), &asked, &fault), PARSE_BAD);
	assert_int_equal(fault, PGSQL_EAGER);
	assert_int_equal(read_clear(LITERAL(SSL_REQUEST SSL_REQUEST), &asked, &fault), PARSE_BAD);
	assert_int_equal(asked, 0);
}

static void an_error_has_the_servers_form(void **state)
{
	static const char want[] = "E\0\0\0\x22SFATAL\0VFATAL\0C28000\0Mno TLS\0";
	uint8_t out[PGSQL_ERROR_BYTES_MAX];
	char text[1000];

	(void)state;
	assert_int_equal(pgsql_write_error(out, "28000", "no TLS"), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(pgsql_write_error(out, "28000", text), PGSQL_ERROR_BYTES_MAX);
	assert_int_equal(out[PGSQL_ERROR_BYTES_MAX - 1], 0);
	assert_int_equal(out[PGSQL_ERROR_BYTES_MAX - 2], 0);
}

static void the_request_to_a_server_is_the_clients(void **state)
{
	uint8_t out[PGSQL_REQUEST_BYTES];

	(void)state;
	pgsql_write_ssl_request(out);
	assert_memory_equal(out, SSL_REQUEST, sizeof(out));
}

#define LOGGED_IN                        \
	"R\0\0\0\x08\0\0\0\0S\0\0\0\x0b" \
	"a\0bcde\0"
#define KEY "K\0\0\0\x0c\0\x01\0\x02wxyz"
#define READY "Z\0\0\0\x05I"

/* Feeds in pieces; the last answer. */
static enum parse watch(struct pgsql_watch *w, const char *text, size_t n, size_t piece)
{
	enum parse result = PARSE_MORE;

	memset(w, 0, sizeof(*w));
	for (size_t at = 0; at < n && result == PARSE_MORE; at += piece)
		result = pgsql_watch(w, (const uint8_t *)text + at, MIN(piece, n - at));
	return result;
}

static void the_servers_key_is_found(void **state)
{
	struct pgsql_watch w;

	(void)state;
	for (size_t piece = 1; piece < 60; piece++) {
		assert_int_equal(watch(&w, LITERAL(LOGGED_IN KEY READY), piece), PARSE_DONE);
		assert_true(w.has_key);
		assert_int_equal(w.key.process, 0x10002);
		assert_int_equal(w.key.secret_bytes, 4);
		assert_memory_equal(w.key.secret, "wxyz", 4);

		assert_int_equal(watch(&w, LITERAL(LOGGED_IN READY), piece), PARSE_DONE);
		assert_false(w.has_key);
		assert_int_equal(watch(&w, LITERAL(LOGGED_IN), piece), PARSE_MORE);
		assert_int_equal(watch(&w, LITERAL("N\0\0\0\x04" READY), piece), PARSE_DONE);
	}
}

static void a_watch_gives_up_on_nonsense(void **state)
{
	static char endless[PGSQL_WATCH_BYTES_MAX + 1] = "R\0\0\xff\xff";
	struct pgsql_watch w;

	(void)state;
	assert_int_equal(watch(&w, LITERAL("HTTP/1.1 200 OK"), 100), PARSE_BAD);
	assert_int_equal(watch(&w, LITERAL("R\0\0\0\x03"), 100), PARSE_BAD);
	assert_int_equal(watch(&w, LITERAL("K\0\0\0\x08\0\0\0\0"), 100), PARSE_BAD);
	assert_int_equal(watch(&w, LITERAL("K\0\0\x02\0"), 100), PARSE_BAD);
	assert_int_equal(watch(&w, endless, sizeof(endless), 1000), PARSE_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_told_apart),
		cmocka_unit_test(a_cancel_request_names_a_key),
		cmocka_unit_test(a_startup_packet_gives_user_and_database),
		cmocka_unit_test(malformed_parameters_are_refused),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(wrong_heads_are_told_at_once),
		cmocka_unit_test(it_never_waits_beyond_its_limit),
		cmocka_unit_test(requests_come_in_any_order_but_once),
		cmocka_unit_test(nothing_may_follow_a_request_in_clear),
		cmocka_unit_test(an_error_has_the_servers_form),
		cmocka_unit_test(the_request_to_a_server_is_the_clients),
		cmocka_unit_test(the_servers_key_is_found),
		cmocka_unit_test(a_watch_gives_up_on_nonsense),
	};

	return cmocka_run_group_tests_name("pgsql", tests, NULL, NULL);
}
