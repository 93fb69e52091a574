/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

#define UP_TO_THE_DATES "\x02\x01\x05\x30\x00\x30\x00\x30\x00"
#define VERSION "\xa0\x03\x02\x01\x02"
#define SET_OF_ONE                                     \
	"\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" \
	"a"
#define SET_OF_TWO                                     \
	"\x31\x14\x30\x08\x06\x03\x55\x04\x0b\x0c\x01" \
	"u"                                            \
	"\x30\x08\x06\x03\x55\x04\x03\x13\x01"         \
	"b"

/* A certificate as far as its subject, with more behind it than is looked at. */
static size_t make(const char *before, size_t before_n, const char *subject, size_t n,
		   uint8_t out[128])
{
	size_t at = 4;

	memcpy(out + at, before, before_n);
	at += before_n;
	out[at++] = DER_SEQUENCE;
	out[at++] = (uint8_t)n;
	memcpy(out + at, subject, n);
	at += n;
	out[at++] = 0xff;
	memcpy(out, (uint8_t[]){ DER_SEQUENCE, (uint8_t)(at - 2), DER_SEQUENCE, (uint8_t)(at - 4) },
	       4);
	return at;
}

#define MAKE(before, subject, out) \
	make(before, sizeof(before) - 1, subject, sizeof(subject) - 1, out)

/* Its attributes as a text: capitals are common names, and a ! says that it is broken. */
static const char *names_of(const uint8_t *der, size_t bytes)
{
	static char text[16];
	struct subject_attribute a;
	struct subject s;
	size_t n = 0;

	if (!subject_find(der, bytes, &s))
		return "none";
	while (subject_next(&s, &a)) {
		assert_in_range(a.text.end - a.text.at, 1, 1);
		text[n++] = (char)(subject_is_common_name(&a) ? a.text.at[0] - 'a' + 'A'
							      : a.text.at[0]);
	}
	assert_false(subject_next(&s, &a));
	text[n++] = s.is_broken ? '!' : '\0';
	text[n] = '\0';
	return text;
}

static void its_attributes_come_one_by_one(void **state)
{
	uint8_t der[128];

	(void)state;
	assert_string_equal(names_of(der, MAKE(UP_TO_THE_DATES, "", der)), "");
	assert_string_equal(names_of(der, MAKE(UP_TO_THE_DATES, SET_OF_ONE, der)), "A");
	assert_string_equal(names_of(der, MAKE(VERSION UP_TO_THE_DATES, SET_OF_ONE, der)), "A");
	assert_string_equal(
		names_of(der, MAKE(VERSION UP_TO_THE_DATES, SET_OF_ONE "\x31\x00" SET_OF_TWO, der)),
		"AuB");
}

static void what_is_broken_ends_it(void **state)
{
	uint8_t der[128];

	(void)state;
	assert_string_equal(names_of(der, MAKE(UP_TO_THE_DATES, SET_OF_ONE "\x30\x00", der)), "A!");
	assert_string_equal(names_of(der, MAKE(UP_TO_THE_DATES, SET_OF_ONE "\x31\x02\x30", der)),
			    "A!");
	assert_string_equal(
		names_of(der, MAKE(UP_TO_THE_DATES, "\x31\x02\x30\x00" SET_OF_ONE, der)), "!");
	assert_string_equal(names_of(der, MAKE("\x30\x00\x30\x00", SET_OF_ONE, der)), "none");
}

static void what_is_cut_short_is_no_certificate(void **state)
{
	uint8_t der[128];
	size_t bytes = MAKE(VERSION UP_TO_THE_DATES, SET_OF_TWO, der);

	(void)state;
	for (size_t n = 0; n < bytes; n++)
		assert_string_equal(names_of(der, n), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_attributes_come_one_by_one),
		cmocka_unit_test(what_is_broken_ends_it),
		cmocka_unit_test(what_is_cut_short_is_no_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
