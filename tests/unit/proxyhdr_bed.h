/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_PROXYHDR_BED_H
#define UNIT_PROXYHDR_BED_H

/* Reading headers cut at every byte, for the tests of readers and writers. */

#include "proto/proxyhdr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_PATH_TEXT (5 + 108 + 1)
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* Memory of exactly @n bytes, so that ASan sees the first one read beyond. */
static inline enum parse read_exact(struct proxyhdr *hdr, const uint8_t *bytes, size_t n)
{
	static uint8_t *copy;
	enum parse answer;

	free(copy); /* the last one's texts were needed until now */
	copy = malloc(n + !n);
	memcpy(copy, bytes, n);
	memset(hdr, 0, sizeof(*hdr));
	answer = proxyhdr_read(hdr, copy, n);
	return answer;
}

/* Asks for more at every cut; takes just the header when payload follows. */
static inline struct proxyhdr read_good(const uint8_t *bytes, size_t n)
{
	uint8_t more[PROXYHDR_BYTES_MAX + 100];
	struct proxyhdr hdr;

	for (size_t cut = 0; cut < n; cut++)
		if (read_exact(&hdr, bytes, cut) != PARSE_MORE)
			fail_msg("not MORE at %zu of %zu: %s", cut, n,
				 proxyhdr_fault_text(hdr.fault));
	memcpy(more, bytes, n);
	memcpy(more + n, "\r\n\0payload\n", 11);
	assert_int_equal(read_exact(&hdr, more, n + 11), PARSE_DONE);
	assert_int_equal(hdr.bytes, n);
	if (read_exact(&hdr, bytes, n) != PARSE_DONE)
		fail_msg("%s", proxyhdr_fault_text(hdr.fault));
	assert_int_equal(hdr.bytes, n);
	return hdr;
}

/* Is refused for this reason, at some byte, and from there on. */
static inline void assert_bad(const uint8_t *bytes, size_t n, enum proxyhdr_fault fault)
{
	struct proxyhdr hdr;
	bool was_bad = false;

	for (size_t cut = 0; cut <= n; cut++) {
		enum parse answer = read_exact(&hdr, bytes, cut);

		assert_int_not_equal(answer, PARSE_DONE);
		assert_true(!was_bad || answer == PARSE_BAD);
		was_bad = answer == PARSE_BAD;
		if (was_bad && hdr.fault != fault)
			fail_msg("%s instead of: %s", proxyhdr_fault_text(hdr.fault),
				 proxyhdr_fault_text(fault));
	}
	assert_true(was_bad);
}

static inline void assert_addr(const struct addr *addr, const char *text)
{
	char is[ADDR_TEXT_BYTES];

	if (!text) {
		assert_int_equal(addr->len, 0);
		return;
	}
	assert_string_equal(addr_format(addr, is), text);
}

static inline void assert_text(struct proxyhdr_text text, const char *expected)
{
	if (!expected) {
		assert_null(text.bytes);
		return;
	}
	assert_int_equal(text.n, strlen(expected));
	assert_memory_equal(text.bytes, expected, text.n);
}

#define V2(command, family, length) SIGNATURE command family length
#define IN4_PAIR "\12\0\0\1\12\0\0\2\x80\1\1\xbb"       /* 10.0.0.1:32769 10.0.0.2:443 */
#define IN6_HOST "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0" /* 2001:db8::, but for the last byte */

#endif
