/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/der.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void a_value_is_taken_or_there_is_none(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t n;
		int length; /* of the value; -1: none */
	} rows[] = {
		{ BYTES(""), -1 },
		{ BYTES("\x30"), -1 },
		{ BYTES("\x30\x00"), 0 },
		{ BYTES("\x30\x02\x01"), -1 },
		{ BYTES("\x30\x02\x01\x02\x03"), 2 },
		{ BYTES("\x30\x80\x00\x00"), -1 },
		{ BYTES("\x30\x81"), -1 },
		{ BYTES("\x30\x81\x01\x07"), 1 },
		{ BYTES("\x30\x82\x00\x01\x07"), 1 },
		{ BYTES("\x30\x83\xff\xff\xff\x07"), -1 },
		{ BYTES("\x30\x84\x00\x00\x00\x01\x07"), -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct der from = { rows[i].bytes, rows[i].bytes + rows[i].n }, value;
		uint8_t tag;
		bool is = der_take(&from, &tag, &value);

		assert_int_equal(is, rows[i].length >= 0);
		if (!is)
			continue;
		assert_int_equal(tag, DER_SEQUENCE);
		assert_int_equal(value.end - value.at, rows[i].length);
		assert_ptr_equal(from.at, value.end);
	}
}

static void another_kind_is_left_alone(void **state)
{
	static const uint8_t bytes[] = { DER_INTEGER, 1, 5, DER_OID, 1, 6 };
	struct der from = { bytes, bytes + sizeof(bytes) }, value;

	(void)state;
	assert_false(der_enter(&from, DER_OID, &value));
	assert_ptr_equal(from.at, bytes);
	assert_true(der_enter(&from, DER_INTEGER, &value));
	assert_true(der_is(&value, "\x05", 1));
	assert_false(der_is(&value, "\x06", 1));
	assert_false(der_is(&value, "", 0));
	assert_true(der_enter(&from, DER_OID, &value));
	assert_false(der_enter(&from, DER_OID, &value));
}

static void times_are_read_or_zero(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t n;
		time_t is;
	} rows[] = {
		{ BYTES("\x17\x0d"
			"700101000001Z"),
		  1 },
		{ BYTES("\x17\x0d"
			"491231235959Z"),
		  2524607999 },
		{ BYTES("\x18\x0f"
			"20500101000000Z"),
		  2524608000 },
		{ BYTES("\x17\x0d"
			"7001010000x1Z"),
		  0 },
		{ BYTES("\x17\x0b"
			"7001010000Z"),
		  0 },
		{ BYTES("\x18\x0d"
			"700101000001Z"),
		  0 },
		{ BYTES("\x04\x0d"
			"700101000001Z"),
		  0 },
		{ BYTES("\x17\x0d"
			"70"),
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(der_time((struct der){ rows[i].bytes, rows[i].bytes + rows[i].n }),
				 rows[i].is);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_taken_or_there_is_none),
		cmocka_unit_test(another_kind_is_left_alone),
		cmocka_unit_test(times_are_read_or_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
