/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/directory_string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/def.h"

#define GENERAL 0x1b
#define BITS 0x03

/* What a string of this type says; NULL: it is not clear. */
static char *read_string(uint8_t tag, const void *bytes, size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *to;

	if (!directory_string_is_clear(tag, bytes, n))
		return NULL;
	to = open_memstream(&text, &size);
	assert_non_null(to);
	directory_string_write(tag, bytes, n, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

#define BYTES(text) (text), sizeof(text) - 1

static void every_type_is_read_or_refused(void **state)
{
	static const struct {
		uint8_t tag;
		const char *bytes;
		size_t n;
		const char *says;
	} rows[] = {
		{ DIRECTORY_UTF8, BYTES("\xc3\x9cx"), "\xc3\x9cx" },
		{ DIRECTORY_UTF8, BYTES("a\0b"), NULL },
		{ DIRECTORY_NUMERIC, BYTES("12 3"), "12 3" },
		{ DIRECTORY_PRINTABLE, BYTES("a b"), "a b" },
		{ DIRECTORY_PRINTABLE, BYTES("a\xfc"), NULL },
		{ DIRECTORY_IA5, BYTES("a@b"), "a@b" },
		{ DIRECTORY_IA5, BYTES("a\0"), NULL },
		{ DIRECTORY_VISIBLE, BYTES("ab"), "ab" },
		{ DIRECTORY_TELETEX, BYTES("ab"), "ab" },
		{ DIRECTORY_TELETEX, BYTES("\xfc"), NULL },
		{ DIRECTORY_BMP, BYTES("\0a\0\xfc\x20\xac"), "a\xc3\xbc\xe2\x82\xac" },
		{ DIRECTORY_BMP, BYTES("\0a\0\0\0b"), NULL },
		{ DIRECTORY_BMP, BYTES("\0a\0"), NULL },
		{ DIRECTORY_BMP, BYTES("\xd8\x3d\xdd\x12"), NULL },
		{ DIRECTORY_UNIVERSAL, BYTES("\0\0\0a\0\x01\xf5\x12"), "a\xf0\x9f\x94\x92" },
		{ DIRECTORY_UNIVERSAL, BYTES("\0\x10\xff\xff"), "\xf4\x8f\xbf\xbf" },
		{ DIRECTORY_UNIVERSAL, BYTES("\0\x11\0\0"), NULL },
		{ DIRECTORY_UNIVERSAL, BYTES("\0\0\xdf\xff"), NULL },
		{ DIRECTORY_UNIVERSAL, BYTES("\0\0\0"), NULL },
		{ GENERAL, BYTES("ab"), NULL },
		{ BITS, BYTES("\0ab"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *says = read_string(rows[i].tag, rows[i].bytes, rows[i].n);

		if (rows[i].says)
			assert_string_equal(says ? says : "(unclear)", rows[i].says);
		else
			assert_null(says);
		free(says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
