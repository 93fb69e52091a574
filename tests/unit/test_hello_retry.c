/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/hello_retry.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "hello_bytes.h"

#define MAY_CHANGE SHARE_X25519 EARLY_DATA PADDING PSK_MODES PSK
#define ALL GROUPS SCHEMES VERSIONS NAME("a") MAY_CHANGE

/* A record with a HelloRetryRequest: no session id, its versions, its group. */
static const uint8_t request[] = { 22,   3,    3,    0,    54,   2,    0,    0,    50,   3,    3,
				   0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
				   0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
				   0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c, 0,
				   0x13, 1,    0,    0,    12,   0,    43,   0,    2,    3,    4,
				   0,    51,   0,    2,    0,    29 };

static void a_request_is_known_by_its_random(void **state)
{
	uint8_t other[sizeof(request)];
	uint16_t group = 0;

	(void)state;
	assert_true(hello_retry_is(request, sizeof(request), &group));
	assert_int_equal(group, 29);
	for (size_t n = 0; n < sizeof(request); n++)
		assert_false(hello_retry_is(request, n, &group));
	for (size_t i = 11; i < 11 + 32; i++) {
		memcpy(other, request, sizeof(other));
		other[i] ^= 1;
		assert_false(hello_retry_is(other, sizeof(other), &group));
	}
}

static void one_without_a_group_asks_for_any(void **state)
{
	uint8_t other[sizeof(request)];
	uint16_t group = 1;

	(void)state;
	memcpy(other, request, sizeof(other));
	other[sizeof(other) - 5] = 52;
	assert_true(hello_retry_is(other, sizeof(other), &group));
	assert_int_equal(group, 0);
}

/* Cuts the message into records of @size bytes. */
static size_t cut(const struct hello_bytes *hello, size_t size, uint8_t *out)
{
	size_t at = 0;

	for (size_t from = 5; from < hello->n; from += size) {
		size_t n = MIN(size, hello->n - from);

		memcpy(out + at, (const uint8_t[]){ 22, 3, 1, 0, (uint8_t)n }, 5);
		memcpy(out + at + 5, hello->at + from, n);
		at += 5 + n;
	}
	return at;
}

static void the_same_is_constant_in_whatever_records(void **state)
{
	/* The headers of record and message, and the length of the extensions. */
	const size_t lengths = 5 + 4 + 2;
	uint8_t whole[HELLO_BYTES_MAX], parts[HELLO_BYTES_MAX], wire[2048];
	struct hello_bytes hello = MAKE_HELLO(ALL);
	size_t n = hello_retry_constants(hello.at, hello.n, whole);

	(void)state;
	assert_int_equal(n + lengths + sizeof(MAY_CHANGE) - 1, hello.n);
	for (size_t size = 3; size < 100; size++) {
		size_t wire_bytes = cut(&hello, size, wire);

		assert_int_equal(hello_retry_constants(wire, wire_bytes, parts), n);
		assert_memory_equal(parts, whole, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_known_by_its_random),
		cmocka_unit_test(one_without_a_group_asks_for_any),
		cmocka_unit_test(the_same_is_constant_in_whatever_records),
	};

	return cmocka_run_group_tests_name("hello_retry", tests, NULL, NULL);
}
