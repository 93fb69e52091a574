/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/record_filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

enum phase { HANDSHAKE, TLS_1_2, TLS_1_3 };

static struct record_filter filter_in(enum phase phase)
{
	struct record_filter f = { 0 };

	if (phase != HANDSHAKE)
		record_filter_establish(&f, phase == TLS_1_3);
	return f;
}

static enum record_fault judge(struct record_filter *f, unsigned type, size_t length,
			       uint64_t now_ms)
{
	const uint8_t header[] = { (uint8_t)type, 3, 3, (uint8_t)(length >> 8), (uint8_t)length };

	return record_filter_judge(f, header, now_ms);
}

static void each_phase_has_its_records(void **state)
{
	static const struct {
		enum phase phase;
		unsigned type;
		size_t length;
		enum record_fault fault;
	} cases[] = {
		{ HANDSHAKE, 22, 300, RECORD_FINE },
		{ HANDSHAKE, 22, 1, RECORD_FINE },
		{ HANDSHAKE, 20, 1, RECORD_FINE },
		{ HANDSHAKE, 20, 2, RECORD_CHANGE_CIPHER },
		{ HANDSHAKE, 20, 0, RECORD_EMPTY },
		{ HANDSHAKE, 21, 2, RECORD_FINE },
		{ HANDSHAKE, 21, 1, RECORD_SHORT },
		{ HANDSHAKE, 23, 40, RECORD_FINE },
		{ HANDSHAKE, 23, 16, RECORD_SHORT },
		{ HANDSHAKE, 22, 0, RECORD_EMPTY },
		{ HANDSHAKE, 24, 20, RECORD_TYPE },
		{ HANDSHAKE, 'G', 20, RECORD_TYPE },
		{ HANDSHAKE, 23, 16384 + 2048, RECORD_FINE },
		{ HANDSHAKE, 23, 16384 + 2049, RECORD_LENGTH },
		{ HANDSHAKE, 23, 65535, RECORD_LENGTH },
		{ TLS_1_2, 23, 24, RECORD_FINE },
		{ TLS_1_2, 23, 16, RECORD_FINE }, /* an empty one of ChaCha20 */
		{ TLS_1_2, 23, 15, RECORD_SHORT },
		{ TLS_1_2, 23, 0, RECORD_EMPTY },
		{ TLS_1_2, 23, 16384 + 2048, RECORD_FINE },
		{ TLS_1_2, 21, 26, RECORD_FINE },
		{ TLS_1_2, 21, 2, RECORD_SHORT },
		{ TLS_1_2, 22, 300, RECORD_FINE },
		{ TLS_1_2, 20, 1, RECORD_TYPE },
		{ TLS_1_3, 23, 17, RECORD_FINE },
		{ TLS_1_3, 23, 16, RECORD_SHORT },
		{ TLS_1_3, 23, 16384 + 256, RECORD_FINE },
		{ TLS_1_3, 23, 16384 + 257, RECORD_LENGTH },
		{ TLS_1_3, 22, 300, RECORD_TYPE },
		{ TLS_1_3, 21, 2, RECORD_TYPE },
		{ TLS_1_3, 20, 1, RECORD_TYPE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct record_filter f = filter_in(cases[i].phase);

		assert_int_equal(judge(&f, cases[i].type, cases[i].length, 1000), cases[i].fault);
	}
}

static void the_major_version_is_three(void **state)
{
	struct record_filter f = filter_in(HANDSHAKE);

	(void)state;
	assert_int_equal(record_filter_judge(&f, (const uint8_t *)"\x16\x02\x00\x00\x10", 0),
			 RECORD_VERSION);
}

static void data_is_never_a_flood(void **state)
{
	struct record_filter f = filter_in(TLS_1_3);

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(judge(&f, 23, 18, 1), RECORD_FINE);
}

static void a_flood_of_alerts_ends(void **state)
{
	struct record_filter f = filter_in(HANDSHAKE);

	(void)state;
	for (unsigned i = 0; i < RECORD_FILTER_CONTROL_PER_S_MAX; i++)
		assert_int_equal(judge(&f, 21, 2, 5000), RECORD_FINE);
	assert_int_equal(judge(&f, 21, 2, 5999), RECORD_FLOOD);
}

static void as_many_each_second_are_no_flood(void **state)
{
	struct record_filter f = filter_in(HANDSHAKE);

	(void)state;
	for (unsigned i = 0; i < 10 * RECORD_FILTER_CONTROL_PER_S_MAX; i++)
		assert_int_equal(judge(&f, 21, 2,
				       5000 + i / RECORD_FILTER_CONTROL_PER_S_MAX * 1000),
				 RECORD_FINE);
}

static void what_only_the_library_sees_counts_too(void **state)
{
	struct record_filter f = filter_in(TLS_1_3);

	(void)state;
	assert_int_equal(record_filter_count(&f, 2, 5000), RECORD_FINE);
	assert_int_equal(record_filter_count(&f, 2, 5000), RECORD_FINE);
	assert_int_equal(record_filter_count(&f, RECORD_FILTER_CONTROL_PER_S_MAX, 5500),
			 RECORD_FINE);
	assert_int_equal(record_filter_count(&f, RECORD_FILTER_CONTROL_PER_S_MAX + 1, 5600),
			 RECORD_FLOOD);
	assert_int_equal(record_filter_count(&f, RECORD_FILTER_CONTROL_PER_S_MAX + 2, 6000),
			 RECORD_FINE);
}

static void every_fault_has_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RECORD_FAULTS; i++) {
		assert_true(strlen(record_fault_text(i)) > 0);
		assert_true(record_fault_alert(i) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_phase_has_its_records),
		cmocka_unit_test(the_major_version_is_three),
		cmocka_unit_test(data_is_never_a_flood),
		cmocka_unit_test(a_flood_of_alerts_ends),
		cmocka_unit_test(as_many_each_second_are_no_flood),
		cmocka_unit_test(what_only_the_library_sees_counts_too),
		cmocka_unit_test(every_fault_has_words),
	};

	return cmocka_run_group_tests_name("record_filter", tests, NULL, NULL);
}
