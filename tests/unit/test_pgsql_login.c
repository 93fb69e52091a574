/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/pgsql_login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"
#include "proto/pgsql.h"

#define LITERAL(text) (text), sizeof(text) - 1

#define PLUS "SCRAM-SHA-256-PLUS\0"
#define SCRAM "SCRAM-SHA-256\0"

/* ---- errors -------------------------------------------------------------- */

static void expect_sqlstate(const char *bytes, size_t n, enum parse result, const char *sqlstate)
{
	char found[PGSQL_SQLSTATE_BYTES] = "none";

	assert_int_equal(pgsql_read_error((const uint8_t *)bytes, n, found), result);
	assert_string_equal(found, sqlstate);
}

static void the_state_of_an_error_is_found(void **state)
{
	uint8_t own[PGSQL_ERROR_BYTES_MAX];
	size_t n = pgsql_write_error(own, PGSQL_CANNOT_CONNECT_NOW, "not now");

	(void)state;
	expect_sqlstate((const char *)own, n, PARSE_DONE, "57P03");
	for (size_t cut = 0; cut < n; cut++)
		expect_sqlstate((const char *)own, cut, PARSE_MORE, "none");
	/* Whatever language the server speaks, and whatever follows. */
	expect_sqlstate(LITERAL("E\0\0\0\x17S\xd0\xa4\0VFATAL\0C"
				"53300\0\0X"),
			PARSE_DONE, "53300");
}

/* As a server says it to who asks for a newer protocol, or for options that it does not know. */
static void what_may_come_before_an_error_is_passed_over(void **state)
{
	static const char before[] = "v\0\0\0\x0c\0\x03\0\0\0\0\0\0N\0\0\0\x05\0";
	uint8_t bytes[sizeof(before) + PGSQL_ERROR_BYTES_MAX];
	size_t n = sizeof(before) - 1;

	(void)state;
	memcpy(bytes, before, n);
	n += pgsql_write_error(bytes + n, PGSQL_TOO_MANY_CONNECTIONS, "full");
	expect_sqlstate((const char *)bytes, n, PARSE_DONE, "53300");
	for (size_t cut = 0; cut < n; cut++)
		expect_sqlstate((const char *)bytes, cut, PARSE_MORE, "none");
	expect_sqlstate(LITERAL("N\0\0\0\x05\0R\0\0\0\x08\0\0\0\0"), PARSE_BAD, "none");
	expect_sqlstate(LITERAL("N\0\0\0\x01"), PARSE_BAD, "none");
}

static void what_has_no_state_is_an_error_without(void **state)
{
	(void)state;
	expect_sqlstate(LITERAL("E\0\0\0\x05\0"), PARSE_DONE, "");
	expect_sqlstate(LITERAL("E\0\0\0\x0aSFATAL"), PARSE_DONE, "");
	expect_sqlstate(LITERAL("E\0\0\0\x0a"
				"C5330\0"),
			PARSE_DONE, "");
}

static void what_is_no_error_is_left_alone(void **state)
{
	(void)state;
	expect_sqlstate(LITERAL("R\0\0\0\x08\0\0\0\0"), PARSE_BAD, "none");
	expect_sqlstate(LITERAL("Ecould not fork"), PARSE_BAD, "none"); /* of protocol 2 */
	expect_sqlstate(LITERAL("E\0\0\0\x03"), PARSE_BAD, "none");
}

/* ---- AuthenticationSASL -------------------------------------------------- */

static void expect_edit(const char *from, size_t n, const char *to, size_t to_n)
{
	uint8_t bytes[256];
	size_t now;

	for (size_t cut = 0; cut < n; cut++) {
		memcpy(bytes, from, cut);
		now = cut;
		if (pgsql_edit_sasl(bytes, &now) != PARSE_MORE)
			continue; /* whole, and something follows */
		assert_int_equal(now, cut);
		assert_memory_equal(bytes, from, cut);
	}
	memcpy(bytes, from, n);
	now = n;
	assert_int_equal(pgsql_edit_sasl(bytes, &now), PARSE_DONE);
	assert_int_equal(now, to_n);
	assert_memory_equal(bytes, to, to_n);
}

static void the_offer_of_channel_binding_is_taken_out(void **state)
{
	(void)state;
	expect_edit(LITERAL("R\0\0\0\x2a\0\0\0\x0a" PLUS SCRAM "\0"),
		    LITERAL("R\0\0\0\x17\0\0\0\x0a" SCRAM "\0"));
	expect_edit(LITERAL("R\0\0\0\x2a\0\0\0\x0a" SCRAM PLUS "\0"),
		    LITERAL("R\0\0\0\x17\0\0\0\x0a" SCRAM "\0"));
	/* Offered twice. */
	expect_edit(LITERAL("R\0\0\0\x3d\0\0\0\x0a" PLUS SCRAM PLUS "\0"),
		    LITERAL("R\0\0\0\x17\0\0\0\x0a" SCRAM "\0"));
	expect_edit(LITERAL("R\0\0\0\x3d\0\0\0\x0a" PLUS PLUS SCRAM "\0E.."),
		    LITERAL("R\0\0\0\x17\0\0\0\x0a" SCRAM "\0E.."));
	/* Behind what may come first, and before what follows. */
	expect_edit(LITERAL("v\0\0\0\x0c\0\0\0\0\0\0\0\0R\0\0\0\x2a\0\0\0\x0a" PLUS SCRAM "\0E.."),
		    LITERAL("v\0\0\0\x0c\0\0\0\0\0\0\0\0R\0\0\0\x17\0\0\0\x0a" SCRAM "\0E.."));
}

static void expect_left_alone(const char *from, size_t n)
{
	uint8_t bytes[256];
	size_t now = n;

	memcpy(bytes, from, n);
	assert_int_equal(pgsql_edit_sasl(bytes, &now), PARSE_BAD);
	assert_int_equal(now, n);
	assert_memory_equal(bytes, from, n);
}

static void all_else_is_left_alone(void **state)
{
	(void)state;
	expect_left_alone(LITERAL("R\0\0\0\x1c\0\0\0\x0a" PLUS "\0")); /* nothing else is offered */
	expect_left_alone(LITERAL("R\0\0\0\x17\0\0\0\x0a" SCRAM "\0"));
	expect_left_alone(LITERAL("R\0\0\0\x08\0\0\0\0"));
	expect_left_alone(LITERAL("R\0\0\0\x05\0"));
	expect_left_alone(LITERAL("R\0\0\0\x2a\0\0\0\x0b" PLUS SCRAM "\0"));
	expect_left_alone(LITERAL("R\0\0\0\x16\0\0\0\x0a"
				  "SCRAM-SHA-256-PLUS")); /* no end */
	expect_left_alone(LITERAL("E\0\0\0\x05\0"));
	expect_left_alone(LITERAL("R\xff\0\0\x05\0"));
}

static void notices_need_not_wait_for_the_answer(void **state)
{
	static const char text[] = "N\0\0\0\x06"
				   "ABv\0\0\0\x04N\0\0\x40\0..";
	const uint8_t *bytes = (const uint8_t *)text;
	const size_t n = sizeof(text) - 1;
	uint32_t left = 0;

	(void)state;
	assert_int_equal(pgsql_pass_before_answer(bytes, 4, &left), 0);
	assert_int_equal(pgsql_pass_before_answer(bytes, 6, &left), 6);
	assert_int_equal(left, 1);
	assert_int_equal(pgsql_pass_before_answer(bytes + 6, n - 6, &left), n - 6);
	assert_int_equal(left, 0x4001 - 7);
	left = 1;
	assert_int_equal(pgsql_pass_before_answer((const uint8_t *)"xR\0\0\0\x08", 6, &left), 1);
	assert_int_equal(pgsql_pass_before_answer((const uint8_t *)"N....", 5, &left), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_of_an_error_is_found),
		cmocka_unit_test(what_may_come_before_an_error_is_passed_over),
		cmocka_unit_test(what_has_no_state_is_an_error_without),
		cmocka_unit_test(what_is_no_error_is_left_alone),
		cmocka_unit_test(the_offer_of_channel_binding_is_taken_out),
		cmocka_unit_test(all_else_is_left_alone),
		cmocka_unit_test(notices_need_not_wait_for_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
