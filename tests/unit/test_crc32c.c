/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* RFC 3720, B.4; read there as little-endian bytes. */
static void known_checksums_come_out(void **state)
{
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
}

static void pieces_make_the_same_as_the_whole(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 9; n++)
		assert_int_equal(crc32c(crc32c(0, "123456789", n), &"123456789"[n], 9 - n),
				 0xe3069283);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_checksums_come_out),
		cmocka_unit_test(pieces_make_the_same_as_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
