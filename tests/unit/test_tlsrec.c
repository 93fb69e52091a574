/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/tlsrec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

/* What has passed, in one letter each: h, r. */
static void walk(const uint8_t *bytes, size_t n, size_t piece, char *ret_passed)
{
	struct tlsrec t = { 0 };
	enum tlsrec_passed passed;
	size_t took;

	for (size_t at = 0; at < n; at += took) {
		took = tlsrec_walk(&t, bytes + at, MIN(piece, n - at), &passed);
		assert_true(took > 0 && took <= MIN(piece, n - at));
		if (passed == TLSREC_HEADER) {
			assert_int_equal(t.left, tlsrec_body_bytes(&t));
			*ret_passed++ = 'h';
		} else if (passed == TLSREC_RECORD) {
			assert_int_equal(t.left, 0);
			*ret_passed++ = 'r';
		}
	}
	*ret_passed = '\0';
}

static void records_are_found_however_they_are_cut(void **state)
{
	static const uint8_t span[] = { 20, 3, 3, 0, 1, 1,       /* */
					22, 3, 3, 0, 3, 7, 8, 9, /* */
					23, 3, 3, 0, 0,          /* has no body */
					99, 3, 3, 1, 0, 0 };
	char passed[20];

	(void)state;
	for (size_t piece = 1; piece <= sizeof(span); piece++) {
		walk(span, sizeof(span), piece, passed);
		assert_string_equal(passed, "hrhrhh");
	}
}

static void a_body_may_be_as_long_as_its_length_can_say(void **state)
{
	static uint8_t span[TLSREC_HEADER_BYTES + 65535 + TLSREC_HEADER_BYTES];
	char passed[20];

	(void)state;
	span[3] = span[4] = 0xff;
	walk(span, sizeof(span), sizeof(span), passed);
	assert_string_equal(passed, "hrh");
	walk(span, sizeof(span), 1000, passed);
	assert_string_equal(passed, "hrh");
}

static void an_alert_is_seven_bytes(void **state)
{
	static const uint8_t want[] = { 21, 3, 3, 0, 2, 2, 112 };
	uint8_t alert[TLSREC_ALERT_BYTES];

	(void)state;
	tlsrec_write_alert(alert, TLSREC_UNRECOGNIZED_NAME);
	assert_memory_equal(alert, want, sizeof(want));
}

static enum tlsrec_look look_of(const char *before, uint8_t content, uint8_t body_bytes)
{
	uint8_t bytes[256];
	size_t n = strlen(before);

	memcpy(bytes, before, n);
	memcpy(bytes + n, (uint8_t[]){ content, 3, 3, 0, body_bytes }, 5);
	memset(bytes + n + 5, 'x', body_bytes);
	assert_int_equal(tlsrec_look_at_end(bytes, n + 4 + body_bytes), TLSREC_NO_ALERT);
	return tlsrec_look_at_end(bytes, n + 5 + body_bytes);
}

static void an_alert_at_the_end_is_known_by_its_look(void **state)
{
	(void)state;
	assert_int_equal(look_of("", 23, 19), TLSREC_ALERT_OR_DATA);
	assert_int_equal(look_of("a record before it", 23, 19), TLSREC_ALERT_OR_DATA);
	assert_int_equal(look_of("", 23, 35), TLSREC_ALERT_OR_LONG_DATA);
	assert_int_equal(look_of("", 21, 26), TLSREC_CERTAIN_ALERT);
	assert_int_equal(look_of("", 21, 18), TLSREC_CERTAIN_ALERT);
	assert_int_equal(look_of("", 21, 64), TLSREC_CERTAIN_ALERT);
	assert_int_equal(look_of("", 23, 20), TLSREC_NO_ALERT); /* data */
	assert_int_equal(look_of("", 22, 26), TLSREC_NO_ALERT); /* a handshake */
	assert_int_equal(look_of("", 21, 2),
			 TLSREC_NO_ALERT); /* in clear: before there were keys */
	assert_int_equal(tlsrec_look_at_end(NULL, 0), TLSREC_NO_ALERT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_found_however_they_are_cut),
		cmocka_unit_test(a_body_may_be_as_long_as_its_length_can_say),
		cmocka_unit_test(an_alert_is_seven_bytes),
		cmocka_unit_test(an_alert_at_the_end_is_known_by_its_look),
	};

	return cmocka_run_group_tests_name("tlsrec", tests, NULL, NULL);
}
