/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/second_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The smallest that is well-formed: TLS 1.2, one suite, no extensions. */
static const uint8_t hello[] = { 22, 3, 3,        0, 45, 1,    0,    0, 41,
				 3,  3, [43] = 0, 0, 2,  0xc0, 0x2b, 1, 0 };
static const uint8_t ccs[] = { 20, 3, 3, 0, 1, 1 };
static const uint8_t early[] = { 23, 3, 3, 0, 20, [24] = 9 };

/* Looks at all of it in pieces, as long as it wants more; gives the last answer. */
static enum second_hello_answer look(struct second_hello *h, const uint8_t *bytes, size_t n,
				     size_t piece, size_t *ret_at)
{
	enum second_hello_answer answer = SECOND_HELLO_MORE;

	*ret_at = 0;
	while (*ret_at < n && answer == SECOND_HELLO_MORE) {
		size_t at = 0;

		answer = second_hello_look(h, bytes + *ret_at, MIN(piece, n - *ret_at), &at);
		*ret_at += at;
	}
	return answer;
}

static void it_is_held_until_it_is_whole(void **state)
{
	size_t at;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(hello); piece++) {
		struct second_hello h = { .is_awaited = true };

		assert_int_equal(look(&h, hello, sizeof(hello), piece, &at), SECOND_HELLO_PASS);
		assert_int_equal(at, sizeof(hello));
		assert_false(h.is_awaited);
		assert_int_equal(h.held_n, sizeof(hello));
		assert_memory_equal(h.held, hello, sizeof(hello));
		second_hello_finish(&h);
	}
}

static void a_bad_one_says_why(void **state)
{
	struct second_hello h = { .is_awaited = true };
	uint8_t bad[sizeof(hello)];
	size_t at;

	(void)state;
	memcpy(bad, hello, sizeof(bad));
	bad[5] = 2; /* a ServerHello */
	assert_int_equal(look(&h, bad, sizeof(bad), 100, &at), SECOND_HELLO_BAD);
	assert_int_equal(h.fault, HELLO_NOT_HELLO);
	second_hello_finish(&h);
}

static void other_records_pass(void **state)
{
	struct second_hello h = { .is_awaited = true };
	size_t at;

	(void)state;
	assert_int_equal(look(&h, ccs, sizeof(ccs), 100, &at), SECOND_HELLO_PASS);
	assert_int_equal(at, 0);
	assert_int_equal(look(&h, early, sizeof(early), 100, &at), SECOND_HELLO_PASS);
	assert_int_equal(at, 0); /* nobody has announced them */
	assert_true(h.is_awaited);
}

static void early_data_are_dropped_up_to_a_limit(void **state)
{
	size_t at;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(early); piece++) {
		struct second_hello h = { .is_awaited = true, .has_early_data = true };
		size_t dropped = 0;

		while (dropped + sizeof(early) <= EARLY_DATA_BYTES_MAX) {
			assert_int_equal(look(&h, early, sizeof(early), piece, &at),
					 SECOND_HELLO_MORE);
			assert_int_equal(at, sizeof(early));
			dropped += at;
		}
		assert_int_equal(h.held_n, 0);
		assert_int_equal(look(&h, early, sizeof(early), sizeof(early), &at),
				 SECOND_HELLO_FLOOD);
	}
}

static void a_retry_is_known_by_its_random(void **state)
{
	uint8_t flight[60] = { 22, 3, 3, 0, 55, 2, 0, 0, 51, 3, 3, 0xcf, 0x21, 0xad, 0x74 };

	(void)state;
	assert_false(second_hello_is_retry(flight, sizeof(flight)));
	assert_false(second_hello_is_retry(flight, 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_held_until_it_is_whole),
		cmocka_unit_test(a_bad_one_says_why),
		cmocka_unit_test(other_records_pass),
		cmocka_unit_test(early_data_are_dropped_up_to_a_limit),
		cmocka_unit_test(a_retry_is_known_by_its_random),
	};

	return cmocka_run_group_tests_name("second_hello", tests, NULL, NULL);
}
