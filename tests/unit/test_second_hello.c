/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "records/second_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "hello_bytes.h"

#define FIRST GROUPS SCHEMES VERSIONS NAME("a") SHARE_P256
#define SECOND GROUPS SCHEMES VERSIONS NAME("a") SHARE_X25519
#define X25519 29

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
	struct hello_bytes hello = MAKE_HELLO(SECOND);
	size_t at;

	(void)state;
	for (size_t piece = 1; piece <= hello.n; piece++) {
		struct second_hello h = { .is_awaited = true };

		assert_int_equal(look(&h, hello.at, hello.n, piece, &at), SECOND_HELLO_PASS);
		assert_int_equal(at, hello.n);
		assert_false(h.is_awaited);
		assert_int_equal(h.held_n, hello.n);
		assert_memory_equal(h.held, hello.at, hello.n);
		second_hello_finish(&h);
	}
}

static void a_bad_one_says_why(void **state)
{
	struct second_hello h = { .is_awaited = true };
	struct hello_bytes bad = MAKE_HELLO(SECOND);
	size_t at;

	(void)state;
	bad.at[5] = 2; /* a ServerHello */
	assert_int_equal(look(&h, bad.at, bad.n, 1000, &at), SECOND_HELLO_BAD);
	assert_int_equal(h.fault, HELLO_NOT_HELLO);
	second_hello_finish(&h);
}

/* After this first one, asked for X25519: what is wrong with this second? */
static enum hello_fault fault_after(const struct hello_bytes *first,
				    const struct hello_bytes *second)
{
	struct second_hello h = { .is_awaited = true, .group = X25519 };
	enum second_hello_answer answer;
	size_t at;

	assert_true(second_hello_keep_first(&h, first->at, first->n));
	answer = look(&h, second->at, second->n, 1000, &at);
	assert_int_equal(answer, h.fault == HELLO_FINE ? SECOND_HELLO_PASS : SECOND_HELLO_BAD);
	second_hello_finish(&h);
	return h.fault;
}

#define CASE(literal, fault)                          \
	{                                             \
		literal, sizeof(literal) - 1, (fault) \
	}

static void it_says_what_the_first_has_said(void **state)
{
	static const struct {
		const char *extensions;
		size_t n;
		enum hello_fault fault;
	} cases[] = {
		CASE(SECOND, HELLO_FINE),
		CASE(SECOND PADDING, HELLO_FINE),
		CASE(NAME("a") SHARE_X25519 VERSIONS SCHEMES GROUPS, HELLO_FINE),
		CASE(GROUPS VERSIONS NAME("a") SHARE_X25519, HELLO_LACKS_EXTENSION),
		CASE(SCHEMES VERSIONS NAME("a") SHARE_X25519, HELLO_LACKS_EXTENSION),
		CASE(GROUPS SCHEMES VERSIONS NAME("a"), HELLO_LACKS_EXTENSION),
		CASE(SECOND PSK, HELLO_LACKS_EXTENSION),
		CASE(SECOND EARLY_DATA, HELLO_EARLY_DATA_AGAIN),
		CASE(FIRST, HELLO_OTHER_SHARE),
		CASE(GROUPS SCHEMES VERSIONS NAME("a") NO_SHARES, HELLO_OTHER_SHARE),
		CASE(GROUPS SCHEMES VERSIONS NAME("a") SHARE_BOTH, HELLO_OTHER_SHARE),
		CASE(GROUPS SCHEMES VERSIONS NAME("a") SHARE_AND_GREASE, HELLO_OTHER_SHARE),
		CASE(GROUPS SCHEMES VERSIONS SHARE_X25519, HELLO_CHANGED),
		CASE(GROUPS SCHEMES VERSIONS NAME("b") SHARE_X25519, HELLO_CHANGED),
		CASE(GROUPS SCHEMES NAME("a") SHARE_X25519, HELLO_CHANGED),
		CASE(SECOND ALPN, HELLO_CHANGED),
		CASE(SECOND PSK_MODES PSK, HELLO_CHANGED),
	};
	struct hello_bytes first = MAKE_HELLO(FIRST), second;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		second = make_hello(cases[i].extensions, cases[i].n);
		assert_int_equal(fault_after(&first, &second), cases[i].fault);
	}
}

static void its_ticket_may_go_with_its_modes_or_without(void **state)
{
	struct hello_bytes first = MAKE_HELLO(FIRST PSK_MODES EARLY_DATA PSK);
	struct hello_bytes seconds[] = { MAKE_HELLO(SECOND PSK_MODES PSK),
					 MAKE_HELLO(SECOND PSK_MODES), MAKE_HELLO(SECOND) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++)
		assert_int_equal(fault_after(&first, &seconds[i]), HELLO_FINE);
}

static void what_stands_before_its_extensions_is_the_same(void **state)
{
	static const size_t places[] = { HELLO_VERSION_AT + 1, HELLO_RANDOM_AT,
					 HELLO_RANDOM_AT + 31, HELLO_ID_AT, HELLO_SUITES_AT + 1 };
	struct hello_bytes first = MAKE_HELLO(FIRST);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct hello_bytes second = MAKE_HELLO(SECOND);

		second.at[places[i]] ^= 2;
		assert_int_equal(fault_after(&first, &second), HELLO_CHANGED);
	}
}

/* Who has no first hello by hand: its bytes came in pieces. */
static void of_a_first_that_is_not_known_nothing_is_said(void **state)
{
	struct hello_bytes first = MAKE_HELLO(FIRST), second = MAKE_HELLO(SECOND ALPN);

	(void)state;
	first.n = 20;
	assert_int_equal(fault_after(&first, &second), HELLO_FINE);
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
				 SECOND_HELLO_BAD_RECORD);
		assert_int_equal(h.record_fault, RECORD_FLOOD);
	}
}

static void early_data_have_the_size_of_a_record(void **state)
{
	static const uint8_t longest[] = { 23, 3, 3, 0x41, 0, 1 },
			     longer[] = { 23, 3, 3, 0x41, 1, 1 };
	size_t at;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(longer); piece++) {
		struct second_hello fits = { .is_awaited = true, .has_early_data = true };
		struct second_hello not = { .is_awaited = true, .has_early_data = true };

		assert_int_equal(look(&fits, longest, sizeof(longest), piece, &at),
				 SECOND_HELLO_MORE);
		assert_int_equal(look(&not, longer, sizeof(longer), piece, &at),
				 SECOND_HELLO_BAD_RECORD);
		assert_int_equal(not .record_fault, RECORD_LENGTH);
	}
}

/* Its header is all of it: what comes behind it is another record. */
static void early_data_without_a_byte_end_at_once(void **state)
{
	static const uint8_t empty[] = { 23, 3, 3, 0, 0 }, ccs_behind[] = { 23, 3, 3, 0, 0, 20 };
	struct second_hello h = { .is_awaited = true, .has_early_data = true };
	size_t at;

	(void)state;
	assert_int_equal(look(&h, empty, sizeof(empty), 2, &at), SECOND_HELLO_MORE);
	assert_false(h.is_dropping);
	assert_int_equal(look(&h, ccs_behind, sizeof(ccs_behind), 100, &at), SECOND_HELLO_PASS);
	assert_int_equal(at, sizeof(empty));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_held_until_it_is_whole),
		cmocka_unit_test(a_bad_one_says_why),
		cmocka_unit_test(it_says_what_the_first_has_said),
		cmocka_unit_test(its_ticket_may_go_with_its_modes_or_without),
		cmocka_unit_test(what_stands_before_its_extensions_is_the_same),
		cmocka_unit_test(of_a_first_that_is_not_known_nothing_is_said),
		cmocka_unit_test(other_records_pass),
		cmocka_unit_test(early_data_are_dropped_up_to_a_limit),
		cmocka_unit_test(early_data_have_the_size_of_a_record),
		cmocka_unit_test(early_data_without_a_byte_end_at_once),
	};

	return cmocka_run_group_tests_name("second_hello", tests, NULL, NULL);
}
