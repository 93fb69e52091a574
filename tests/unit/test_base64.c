/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

/* RFC 4648, 10. */
static const struct {
	const char *plain, *text;
} cases[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xfe\xfd", "//79" },
};

static void bytes_become_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[BASE64_ROOM(8)];
		const size_t n = strlen(cases[i].plain);

		assert_int_equal(base64_encode(text, cases[i].plain, n), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
		assert_true(strlen(text) < BASE64_ROOM(n));
	}
}

static void text_becomes_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const size_t plain_bytes = strlen(cases[i].plain);
		uint8_t out[8];
		size_t n;

		assert_true(
			base64_decode(cases[i].text, strlen(cases[i].text), out, plain_bytes, &n));
		assert_int_equal(n, plain_bytes);
		assert_memory_equal(out, cases[i].plain, n);
		if (n > 0)
			assert_false(base64_decode(cases[i].text, strlen(cases[i].text), out, n - 1,
						   &n));
	}
}

static void what_nobody_would_write_is_refused(void **state)
{
	static const char *const bad[] = {
		"Z",
		"Zg",
		"Zg=",
		"Zh==",
		"Zm9=",
		"====",
		"=m9v",
		"Z===",
		"Zm9-",
		"Zm9_",
		" m9v",
		"Zm9\n",
		"Zg==Zg==",
		"Zm8=Zm9v",
		"Zg=v",
		"\xc3\xa4"
		"9v",
	};
	uint8_t out[16];
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(base64_decode(bad[i], strlen(bad[i]), out, sizeof(out), &n));
	assert_false(base64_decode("Zm\0v", 4, out, sizeof(out), &n));
	assert_int_equal(n, 77);
}

static void every_value_comes_back(void **state)
{
	uint8_t bytes[257], back[257];
	char text[BASE64_ROOM(sizeof(bytes))];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		assert_true(base64_decode(text, base64_encode(text, bytes, size), back,
					  sizeof(back), &n));
		assert_int_equal(n, size);
		assert_memory_equal(back, bytes, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_become_text),
		cmocka_unit_test(text_becomes_bytes),
		cmocka_unit_test(what_nobody_would_write_is_refused),
		cmocka_unit_test(every_value_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
