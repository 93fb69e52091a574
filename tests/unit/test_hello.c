/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

/* ---- a hello, made piece by piece ---------------------------------------- */

struct bytes {
	uint8_t at[24000];
	size_t n;
};

static void put(struct bytes *b, const void *data, size_t n)
{
	assert_true(b->n + n <= sizeof(b->at));
	memcpy(b->at + b->n, data, n);
	b->n += n;
}

static void put_u8(struct bytes *b, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	put(b, &byte, 1);
}

static void put_u16(struct bytes *b, size_t value)
{
	put_u8(b, (unsigned)value >> 8);
	put_u8(b, (unsigned)value & 0xff);
}

static void put_extension(struct bytes *b, unsigned type, const void *data, size_t n)
{
	put_u16(b, type);
	put_u16(b, n);
	put(b, data, n);
}

static void put_text_extension(struct bytes *b, unsigned type, const char *data, size_t n)
{
	put_extension(b, type, data, n);
}

static void put_name(struct bytes *b, const char *name, size_t n)
{
	put_u16(b, 0);
	put_u16(b, n + 5);
	put_u16(b, n + 3);
	put_u8(b, 0);
	put_u16(b, n);
	put(b, name, n);
}

/* A hello's body up to its extensions. */
static void put_body(struct bytes *b)
{
	static const uint8_t random[32];

	put_u16(b, 0x0303);
	put(b, random, sizeof(random));
	put_u8(b, 0);  /* session id */
	put_u16(b, 4); /* suites: one GREASE, one of TLS 1.3 */
	put_u16(b, 0x1a1a);
	put_u16(b, 0x1301);
	put_u8(b, 1); /* compression */
	put_u8(b, 0);
}

static struct bytes make_message(const struct bytes *extensions)
{
	struct bytes body = { 0 }, message = { 0 };

	put_body(&body);
	put_u16(&body, extensions->n);
	put(&body, extensions->at, extensions->n);
	put_u8(&message, 1);
	put_u8(&message, 0);
	put_u16(&message, body.n);
	put(&message, body.at, body.n);
	return message;
}

/* In records of at most @piece bytes. */
static struct bytes make_records(const struct bytes *message, size_t piece)
{
	struct bytes wire = { 0 };

	for (size_t at = 0; at < message->n; at += piece) {
		size_t n = MIN(piece, message->n - at);

		put_u8(&wire, 22);
		put_u16(&wire, 0x0301);
		put_u16(&wire, n);
		put(&wire, message->at + at, n);
	}
	return wire;
}

static struct bytes make_hello(const struct bytes *extensions)
{
	struct bytes message = make_message(extensions);

	return make_records(&message, 16384);
}

static struct bytes usual_extensions(void)
{
	struct bytes e = { 0 };

	put_name(&e, "DB1.Example.COM", 15);
	put_text_extension(&e, 10, "\x00\x06\x0a\x0a\x00\x1d\x00\x17", 8);
	put_text_extension(&e, 13, "\x00\x04\x04\x03\x08\x04", 6);
	put_text_extension(&e, 16, "\x00\x0e\x02h2\x0apostgresql", 16);
	put_text_extension(&e, 43, "\x06\x1a\x1a\x03\x04\x03\x03", 7);
	put_text_extension(&e, 51, "\x00\x0a\x00\x1d\x00\x01K\x00\x17\x00\x01K", 12);
	return e;
}

/* Reads from memory of exactly that size, so that a sanitizer sees more. */
static enum parse read_exact(const uint8_t *bytes, size_t n, struct hello *hello)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum parse result;

	memcpy(copy, bytes, n);
	result = hello_read(copy, n, hello);
	free(copy);
	return result;
}

static enum hello_fault fault_of(const struct bytes *wire)
{
	struct hello hello = { 0 };

	return read_exact(wire->at, wire->n, &hello) == PARSE_BAD ? hello.fault : HELLO_FINE;
}

static enum hello_fault fault_of_extensions(const struct bytes *extensions)
{
	struct bytes wire = make_hello(extensions);

	return fault_of(&wire);
}

/* ---- tests --------------------------------------------------------------- */

static void a_usual_hello_is_read(void **state)
{
	struct bytes extensions = usual_extensions(), wire = make_hello(&extensions);
	struct hello h;

	(void)state;
	assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
	assert_int_equal(h.bytes, wire.n);
	assert_string_equal(h.name, "db1.example.com");
	assert_true(hello_offers_alpn(&h, "h2"));
	assert_true(hello_offers_alpn(&h, "postgresql"));
	assert_false(hello_offers_alpn(&h, "postgres"));
	assert_false(hello_offers_alpn(&h, ""));
	assert_int_equal(h.versions.n, 2);
	assert_int_equal(h.versions.at[0], 0x0304);
	assert_int_equal(h.suites.n, 1);
	assert_int_equal(h.suites.at[0], 0x1301);
	assert_int_equal(h.groups.n, 2);
	assert_int_equal(h.signatures.at[0], 0x0403);
	assert_int_equal(h.shares.n, 2);
	assert_false(h.resumes);
}

static void cut_anywhere_it_asks_for_more(void **state)
{
	static const size_t pieces[] = { 1, 3, 7, 100, 16384 };
	struct bytes extensions = usual_extensions(), message = make_message(&extensions);
	struct hello h;

	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(pieces); i++) {
		struct bytes wire = make_records(&message, pieces[i]);

		for (size_t n = 0; n < wire.n; n++)
			assert_int_equal(read_exact(wire.at, n, &h), PARSE_MORE);
		assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
		assert_int_equal(h.bytes, wire.n);
		assert_string_equal(h.name, "db1.example.com");
	}
}

static void what_follows_is_left_alone(void **state)
{
	struct bytes extensions = usual_extensions(), wire = make_hello(&extensions);
	size_t n = wire.n;
	struct hello h;

	(void)state;
	put(&wire, "anything", 8);
	assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
	assert_int_equal(h.bytes, n);
}

static void without_extensions_it_is_an_old_client(void **state)
{
	struct bytes body = { 0 }, message = { 0 }, wire;
	struct hello h;

	(void)state;
	put_body(&body);
	body.at[1] = 1; /* TLS 1.0 */
	put(&message, "\x01\x00\x00", 3);
	put_u8(&message, (unsigned)body.n);
	put(&message, body.at, body.n);
	wire = make_records(&message, 16384);
	assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
	assert_int_equal(h.versions.n, 1);
	assert_int_equal(h.versions.at[0], 0x0301);
	assert_string_equal(h.name, "");
	assert_int_equal(h.signatures.n, 0);
}

static void what_is_not_a_hello_is_named(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum hello_fault fault;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n", 16, HELLO_HTTP },
		{ "POST /", 6, HELLO_HTTP },
		{ "P", 1, HELLO_HTTP },
		{ "SSH-2.0-x\r\n", 11, HELLO_NOT_TLS },
		{ "\0\0\0\x08\x04\xd2\x16\x2f", 8, HELLO_NOT_TLS },
		{ "\x80\x2e\x01\x00\x02", 5, HELLO_SSL2 },
		{ "\x80", 1, HELLO_SSL2 },
		{ "\x80\x2e\x04", 3, HELLO_NOT_TLS },
		{ "\x17\x03\x03\x00\x20", 5, HELLO_NOT_HELLO },
		{ "\x15\x03\x01\x00\x02", 5, HELLO_NOT_HELLO },
		{ "\x15xyz", 4, HELLO_NOT_TLS },
		{ "\x16\x02", 2, HELLO_RECORD_VERSION },
		{ "\x16\x03\x01\x00\x00", 5, HELLO_RECORD_EMPTY },
		{ "\x16\x03\x01\x40\x01", 5, HELLO_RECORD_LENGTH },
		{ "\x16\x03\x01\xff\xff", 5, HELLO_RECORD_LENGTH },
		{ "\x16\x03\x01\x00\x04\x02", 6, HELLO_NOT_HELLO },
		{ "\x16\x03\x01\x00\x04\x01\x00\x40\x00", 9, HELLO_TOO_LONG },
		{ "\x16\x03\x01\x00\x09\x01\x00\x00\x04", 9, HELLO_TRAILING },
		{ "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, HELLO_LENGTHS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hello h;

		assert_int_equal(read_exact((const uint8_t *)cases[i].bytes, cases[i].n, &h),
				 PARSE_BAD);
		assert_int_equal(h.fault, cases[i].fault);
	}
}

static void lengths_must_add_up(void **state)
{
	struct bytes extensions = usual_extensions(), wire = make_hello(&extensions);
	struct hello whole;

	(void)state;
	assert_int_equal(read_exact(wire.at, wire.n, &whole), PARSE_DONE);
	/* The list of extensions one too long, and one too short. */
	wire.at[5 + 4 + 2 + 32 + 1 + 6 + 2 + 1]++;
	assert_int_equal(fault_of(&wire), HELLO_LENGTHS);
	wire.at[5 + 4 + 2 + 32 + 1 + 6 + 2 + 1] -= 2;
	assert_int_equal(fault_of(&wire), HELLO_LENGTHS);
}

static void every_wrong_byte_is_survived(void **state)
{
	struct bytes extensions = usual_extensions(), wire = make_hello(&extensions);
	struct hello h;

	(void)state;
	for (size_t i = 0; i < wire.n; i++) {
		for (unsigned value = 0; value < 256; value += 15) {
			uint8_t was = wire.at[i];

			wire.at[i] = (uint8_t)value;
			(void)!read_exact(wire.at, wire.n, &h);
			wire.at[i] = was;
		}
	}
}

static void names_are_checked(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		const char *want; /* NULL: refused */
		bool is_odd;
	} cases[] = {
		{ "a", 1, "a", false },
		{ "a.b.", 4, "a.b", false },
		{ "_mqtt.A-1.x", 11, "_mqtt.a-1.x", false },
		{ "10.0.0.1", 8, "10.0.0.1", false },
		{ "", 0, NULL, false },
		{ ".", 1, ".", true },
		{ "a..b", 4, "a..b", true },
		{ ".a", 2, ".a", true },
		{ "a\0b", 3, "a?b", true },
		{ "a b", 3, "a?b", true },
		{ "a/b", 3, "a/b", true },
		{ "*.a", 3, "*.a", true },
		{ "::1", 3, "::1", true },
		{ "a:443", 5, "a:443", true },
		{ "\xc3\xa4.de", 5, "??.de", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bytes extensions = { 0 }, wire;
		struct hello h = { 0 };

		put_name(&extensions, cases[i].name, cases[i].n);
		wire = make_hello(&extensions);
		if (!cases[i].want) {
			assert_int_equal(fault_of(&wire), HELLO_NAME);
			continue;
		}
		assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
		assert_string_equal(h.name, cases[i].want);
		assert_int_equal(h.has_odd_name, cases[i].is_odd);
		assert_string_equal(hello_name_to_find(&h), cases[i].is_odd ? "?" : h.name);
	}
}

static void the_longest_name_fits_and_one_more_does_not(void **state)
{
	char name[300];

	(void)state;
	for (size_t n = 253; n <= 299; n++) {
		struct bytes extensions = { 0 }, wire;
		struct hello h;

		memset(name, 'a', sizeof(name));
		for (size_t i = 49; i < n - 1; i += 50)
			name[i] = '.';
		put_name(&extensions, name, n);
		wire = make_hello(&extensions);
		assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
		assert_int_equal(h.has_odd_name, n > 253);
		assert_int_equal(strlen(h.name), MIN(n, HELLO_NAME_BYTES - 1));
	}
}

static void an_extension_stands_once(void **state)
{
	struct bytes extensions = usual_extensions();

	(void)state;
	put_text_extension(&extensions, 13, "\x00\x02\x04\x03", 4);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_EXTENSION_TWICE);
}

static void too_many_extensions_are_refused(void **state)
{
	struct bytes extensions = { 0 };

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		put_text_extension(&extensions, 1000 + i, "", 0);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_FINE);
	put_text_extension(&extensions, 2000, "", 0);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_EXTENSIONS);
	for (unsigned i = 0; i < 4100; i++)
		put_text_extension(&extensions, 3000 + i, "", 0);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_TOO_LONG);
}

static void key_shares_are_counted_and_differ(void **state)
{
	struct bytes shares = { 0 }, extensions = { 0 };

	(void)state;
	put_text_extension(&extensions, 51, "\x00\x0a\x00\x1d\x00\x01K\x00\x1d\x00\x01K", 12);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_SHARE_TWICE);

	put_u16(&shares, 17 * 5);
	for (unsigned i = 0; i < 17; i++) {
		put_u16(&shares, 100 + i);
		put_u16(&shares, 1);
		put_u8(&shares, 'K');
	}
	extensions.n = 0;
	put_extension(&extensions, 51, shares.at, shares.n);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_SHARES);

	extensions.n = 0; /* a list without shares asks for a HelloRetryRequest */
	put_text_extension(&extensions, 51, "\x00\x00", 2);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_FINE);
}

static void malformed_lists_are_refused(void **state)
{
	static const struct {
		unsigned type;
		const char *data;
		size_t n;
		enum hello_fault fault;
	} cases[] = {
		{ 0, "", 0, HELLO_LENGTHS },
		{ 0, "\0\0", 2, HELLO_LENGTHS },
		{ 0,
		  "\0\x04\x01\0\x01"
		  "a",
		  6, HELLO_NAME }, /* another type of name */
		{ 0,
		  "\0\x08\0\0\x01"
		  "a\0\0\x01"
		  "b",
		  10, HELLO_NAME }, /* two names */
		{ 10, "\0\x03\0\x1d\0", 5, HELLO_LENGTHS },
		{ 10, "\0\0", 2, HELLO_LENGTHS },
		{ 13, "\0\x02\x04\x03\0", 5, HELLO_LENGTHS },
		{ 16, "\0\0", 2, HELLO_LENGTHS },
		{ 16, "\0\x01\0", 3, HELLO_ALPN },
		{ 16, "\0\x03\x05h2", 5, HELLO_ALPN },
		{ 43, "\x03\x03\x04\x03", 4, HELLO_LENGTHS },
		{ 43, "", 0, HELLO_LENGTHS },
		{ 51, "\0\x04\0\x1d\0\0", 6, HELLO_LENGTHS }, /* an empty key */
		{ 51, "\0\x05\0\x1d\0\x02K", 7, HELLO_LENGTHS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct bytes extensions = { 0 };

		put_extension(&extensions, cases[i].type, cases[i].data, cases[i].n);
		assert_int_equal(fault_of_extensions(&extensions), cases[i].fault);
	}
}

static void a_pre_shared_key_comes_last(void **state)
{
	struct bytes extensions = usual_extensions(), wire;
	struct hello h;

	(void)state;
	put_text_extension(&extensions, 41, "whatever", 8);
	wire = make_hello(&extensions);
	assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
	assert_true(h.resumes);
	put_text_extension(&extensions, 1000, "", 0);
	assert_int_equal(fault_of_extensions(&extensions), HELLO_PSK_NOT_LAST);
}

static void a_long_list_is_kept_as_far_as_it_goes(void **state)
{
	struct bytes list = { 0 }, extensions = { 0 }, wire;
	struct hello h;

	(void)state;
	put_u16(&list, 2 * 600);
	for (unsigned i = 0; i < 600; i++)
		put_u16(&list, 1 + i);
	put_extension(&extensions, 10, list.at, list.n);
	list.n = 0;
	put_u16(&list, 3 * 101);
	for (unsigned i = 0; i < 101; i++)
		put(&list, "\x02h2", 3);
	put_extension(&extensions, 16, list.at, list.n);
	wire = make_hello(&extensions);
	assert_int_equal(read_exact(wire.at, wire.n, &h), PARSE_DONE);
	assert_int_equal(h.groups.n, HELLO_NUMBERS_MAX);
	assert_int_equal(h.alpn_bytes, HELLO_ALPN_BYTES / 3 * 3);
	assert_true(hello_offers_alpn(&h, "h2"));
}

static void odd_bodies_are_refused(void **state)
{
	struct bytes none = { 0 }, message = make_message(&none), wire;
	const size_t id_at = 4 + 2 + 32, compression_at = id_at + 1 + 6 + 1;

	(void)state;
	message.at[compression_at] = 1; /* DEFLATE only */
	wire = make_records(&message, 16384);
	assert_int_equal(fault_of(&wire), HELLO_COMPRESSION);
	message.at[compression_at] = 0;
	message.at[4] = 2; /* SSL 2 in a TLS record */
	wire = make_records(&message, 16384);
	assert_int_equal(fault_of(&wire), HELLO_RECORD_VERSION);
	message.at[4] = 3;

	memmove(message.at + id_at + 34, message.at + id_at + 1, message.n - id_at - 1);
	message.at[id_at] = 33;
	message.n += 33;
	message.at[3] += 33;
	wire = make_records(&message, 16384);
	assert_int_equal(fault_of(&wire), HELLO_SESSION_ID);
}

static void the_limit_is_on_the_wire(void **state)
{
	struct bytes filler = { 0 }, message, wire;

	(void)state;
	put_u16(&filler, 21); /* padding, RFC 7685 */
	put_u16(&filler, 16384 - 5 - 4 - 45 - 4);
	filler.n = 16384 - 5 - 4 - 45;
	message = make_message(&filler);
	wire = make_records(&message, 16384);
	assert_int_equal(wire.n, HELLO_BYTES_MAX);
	assert_int_equal(fault_of(&wire), HELLO_FINE);
	wire = make_records(&message, 10000);
	assert_int_equal(fault_of(&wire), HELLO_TOO_LONG);
	wire = make_records(&message, 16);
	assert_int_equal(fault_of(&wire), HELLO_RECORDS);
}

static void every_fault_has_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HELLO_FAULTS; i++)
		assert_true(strlen(hello_fault_text(i)) > 0);
	assert_int_equal(hello_fault_alert(HELLO_HTTP), 0);
	assert_int_equal(hello_fault_alert(HELLO_LENGTHS), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usual_hello_is_read),
		cmocka_unit_test(cut_anywhere_it_asks_for_more),
		cmocka_unit_test(what_follows_is_left_alone),
		cmocka_unit_test(without_extensions_it_is_an_old_client),
		cmocka_unit_test(what_is_not_a_hello_is_named),
		cmocka_unit_test(lengths_must_add_up),
		cmocka_unit_test(every_wrong_byte_is_survived),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(the_longest_name_fits_and_one_more_does_not),
		cmocka_unit_test(an_extension_stands_once),
		cmocka_unit_test(too_many_extensions_are_refused),
		cmocka_unit_test(key_shares_are_counted_and_differ),
		cmocka_unit_test(malformed_lists_are_refused),
		cmocka_unit_test(a_pre_shared_key_comes_last),
		cmocka_unit_test(a_long_list_is_kept_as_far_as_it_goes),
		cmocka_unit_test(odd_bodies_are_refused),
		cmocka_unit_test(the_limit_is_on_the_wire),
		cmocka_unit_test(every_fault_has_words),
	};

	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
