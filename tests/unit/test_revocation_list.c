/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/revocation_list.h"

#include "base/def.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1700000000

/* An algorithm, an issuer, the times from 2001 to 2049. */
#define HEAD "\x30\x00\x30\x00"
#define TIMES           \
	"\x17\x0d"      \
	"010101000000Z" \
	"\x17\x0d"      \
	"491231235959Z"
/* Serial number 9, and what is told of it. */
#define ENTRY(size, rest)   \
	size "\x02\x01\x09" \
	     "\x17\x0d"     \
	     "020101000000Z" rest

static const struct {
	const char *body; /* of the signed part, of less than 126 bytes */
	size_t n;
	const char *fault;
} rows[] = {
#define ROW(text, fault)                      \
	{                                     \
		text, sizeof(text) - 1, fault \
	}
	ROW(HEAD TIMES, NULL),
	ROW("\x02\x01\x01" HEAD TIMES, NULL),
	ROW(HEAD TIMES "\x30\x00", NULL),
	ROW(HEAD TIMES "\x30\x14" ENTRY("\x30\x12", ""), NULL),
	ROW(HEAD TIMES "\x30\x16" ENTRY("\x30\x14", "\x30\x00"), NULL),
	ROW(HEAD TIMES "\x30\x22" ENTRY("\x30\x20",
					"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x01\x01\xff\x04\x00"),
	    NULL),
	ROW(HEAD TIMES "\x30\x22" ENTRY("\x30\x20",
					"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x16\x01\x01\xff\x04\x00"),
	    "an entry of it has an unknown critical extension"),
	ROW(HEAD TIMES "\x30\x22" ENTRY("\x30\x20",
					"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x16\x01\x01\x00\x04\x00"),
	    NULL),
	ROW(HEAD TIMES
	    "\x30\x21" ENTRY("\x30\x1f", "\x30\x0b\x30\x09\x06\x02\x2a\x15\x01\x01\xff\x04\x00"),
	    "an entry of it has an unknown critical extension"),
	ROW(HEAD TIMES "\xa0\x0b\x30\x09\x30\x07\x06\x03\x55\x1d\x1b\x04\x00",
	    "it is a delta list, which has only what is new"),
	ROW(HEAD TIMES "\xa0\x0e\x30\x0c\x30\x0a\x06\x03\x55\x1d\x14\x01\x01\xff\x04\x00",
	    "it has an unknown critical extension"),
	ROW(HEAD TIMES "\xa0\x02\x30\x00", NULL),
	ROW("\x30\x00\x30\x00\x17\x0d"
	    "400101000000Z",
	    "revocation list is not valid yet"),
	ROW("\x30\x00\x30\x00\x17\x0d"
	    "010101000000Z",
	    NULL), /* the library wants the other time */
	ROW("", "malformed"),
	ROW(HEAD, "malformed"),
	ROW("\x30\x00", "malformed"),
	ROW(HEAD TIMES "\x30\x02\x02\x00", "malformed"),
	ROW(HEAD TIMES "\x30\x02\x30\x00", "malformed"),
	ROW(HEAD TIMES "\xa0\x02\x02\x00", "malformed"),
	ROW(HEAD TIMES "\xa0\x04\x30\x02\x30\x00", "malformed"),
	ROW(HEAD TIMES "\x02\x01\x01", "malformed"),
};

/* In memory of its size, so that a sanitizer sees who reads on. */
static const char *fault_of(const char *body, size_t n, size_t cut)
{
	uint8_t *list = malloc(n + 4 - cut);
	const char *fault;

	memcpy(list, (uint8_t[4]){ 0x30, (uint8_t)(n + 2), 0x30, (uint8_t)n }, MIN(4, n + 4 - cut));
	if (n > cut)
		memcpy(list + 4, body, n - cut);
	fault = revocation_list_fault(list, n + 4 - cut, NOW);
	free(list);
	return fault;
}

static void lists_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *fault = fault_of(rows[i].body, rows[i].n, 0);

		if (rows[i].fault)
			assert_string_equal(fault ? fault : "none", rows[i].fault);
		else
			assert_null(fault);
	}
}

static void one_that_is_cut_off_is_malformed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t cut = 1; cut <= rows[i].n + 3; cut++)
			assert_string_equal(fault_of(rows[i].body, rows[i].n, cut), "malformed");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_judged),
		cmocka_unit_test(one_that_is_cut_off_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
