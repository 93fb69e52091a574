/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/tlsrec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

enum phase { HANDSHAKE, TLS_1_2, TLS_1_3 };

static struct tlsrec gate_in(enum phase phase)
{
	struct tlsrec t;

	tlsrec_init(&t);
	if (phase != HANDSHAKE)
		tlsrec_establish(&t, phase == TLS_1_3);
	return t;
}

/* Passes one record, its body of zeros, in pieces of @piece bytes. */
static enum tlsrec_fault pass_record(struct tlsrec *t, unsigned type, size_t length, size_t piece,
				     uint64_t now_ms)
{
	static uint8_t record[TLSREC_HEADER_BYTES + 65535];
	size_t n = TLSREC_HEADER_BYTES + length;
	enum tlsrec_fault fault = TLSREC_FINE;

	record[0] = (uint8_t)type;
	record[1] = 3;
	record[2] = 3;
	record[3] = (uint8_t)(length >> 8);
	record[4] = (uint8_t)length;
	for (size_t at = 0; at < n && fault == TLSREC_FINE; at += piece)
		fault = tlsrec_pass(t, record + at, MIN(piece, n - at), now_ms);
	return fault;
}

static void each_phase_has_its_records(void **state)
{
	static const struct {
		enum phase phase;
		unsigned type;
		size_t length;
		enum tlsrec_fault fault;
	} cases[] = {
		{ HANDSHAKE, 22, 300, TLSREC_FINE },
		{ HANDSHAKE, 20, 1, TLSREC_FINE },
		{ HANDSHAKE, 20, 2, TLSREC_SHORT },
		{ HANDSHAKE, 21, 2, TLSREC_FINE },
		{ HANDSHAKE, 21, 1, TLSREC_SHORT },
		{ HANDSHAKE, 23, 40, TLSREC_FINE },
		{ HANDSHAKE, 23, 16, TLSREC_SHORT },
		{ HANDSHAKE, 22, 0, TLSREC_EMPTY },
		{ HANDSHAKE, 24, 20, TLSREC_TYPE },
		{ HANDSHAKE, 'G', 20, TLSREC_TYPE },
		{ HANDSHAKE, 23, 16384 + 2048, TLSREC_FINE },
		{ HANDSHAKE, 23, 16384 + 2049, TLSREC_LENGTH },
		{ HANDSHAKE, 23, 65535, TLSREC_LENGTH },
		{ TLS_1_2, 23, 24, TLSREC_FINE },
		{ TLS_1_2, 23, 0, TLSREC_EMPTY },
		{ TLS_1_2, 23, 16384 + 2048, TLSREC_FINE },
		{ TLS_1_2, 21, 26, TLSREC_FINE },
		{ TLS_1_2, 21, 2, TLSREC_SHORT },
		{ TLS_1_2, 22, 300, TLSREC_FINE },
		{ TLS_1_2, 20, 1, TLSREC_TYPE },
		{ TLS_1_3, 23, 17, TLSREC_FINE },
		{ TLS_1_3, 23, 16, TLSREC_SHORT },
		{ TLS_1_3, 23, 16384 + 256, TLSREC_FINE },
		{ TLS_1_3, 23, 16384 + 257, TLSREC_LENGTH },
		{ TLS_1_3, 22, 300, TLSREC_TYPE },
		{ TLS_1_3, 21, 2, TLSREC_TYPE },
		{ TLS_1_3, 20, 1, TLSREC_TYPE },
	};
	static const size_t pieces[] = { 1, 2, 5, 6, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
			struct tlsrec t = gate_in(cases[i].phase);

			assert_int_equal(pass_record(&t, cases[i].type, cases[i].length, pieces[p],
						     1000),
					 cases[i].fault);
		}
	}
}

static void the_major_version_is_three(void **state)
{
	struct tlsrec t = gate_in(HANDSHAKE);

	(void)state;
	assert_int_equal(tlsrec_pass(&t, (const uint8_t *)"\x16\x02\x00\x00\x10", 5, 0),
			 TLSREC_VERSION);
}

static void records_in_one_span_are_all_seen(void **state)
{
	static const uint8_t span[] = { 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 2, 0, 0, 99, 3, 3, 0, 1 };
	struct tlsrec t = gate_in(HANDSHAKE);

	(void)state;
	assert_int_equal(tlsrec_pass(&t, span, sizeof(span), 0), TLSREC_TYPE);
}

static void data_is_never_a_flood(void **state)
{
	struct tlsrec t = gate_in(TLS_1_3);

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(pass_record(&t, 23, 18, 100, 1), TLSREC_FINE);
}

static void a_flood_of_alerts_ends(void **state)
{
	struct tlsrec t = gate_in(TLS_1_2);

	(void)state;
	for (unsigned i = 0; i < TLSREC_CONTROL_PER_S_MAX; i++)
		assert_int_equal(pass_record(&t, 21, 26, 100, 5000), TLSREC_FINE);
	assert_int_equal(pass_record(&t, 21, 26, 100, 5999), TLSREC_FLOOD);
}

static void as_many_each_second_are_no_flood(void **state)
{
	struct tlsrec t = gate_in(TLS_1_2);

	(void)state;
	for (unsigned i = 0; i < 10 * TLSREC_CONTROL_PER_S_MAX; i++)
		assert_int_equal(pass_record(&t, 21, 26, 100,
					     5000 + i / TLSREC_CONTROL_PER_S_MAX * 1000),
				 TLSREC_FINE);
}

static void what_only_the_library_sees_counts_too(void **state)
{
	struct tlsrec t = gate_in(TLS_1_3);

	(void)state;
	assert_int_equal(tlsrec_count_control(&t, 2, 5000), TLSREC_FINE);
	assert_int_equal(tlsrec_count_control(&t, 2, 5000), TLSREC_FINE);
	assert_int_equal(tlsrec_count_control(&t, TLSREC_CONTROL_PER_S_MAX, 5500), TLSREC_FINE);
	assert_int_equal(tlsrec_count_control(&t, TLSREC_CONTROL_PER_S_MAX + 1, 5600),
			 TLSREC_FLOOD);
	assert_int_equal(tlsrec_count_control(&t, TLSREC_CONTROL_PER_S_MAX + 2, 6000), TLSREC_FINE);
}

static void an_alert_is_seven_bytes(void **state)
{
	static const uint8_t want[] = { 21, 3, 3, 0, 2, 2, 112 };
	uint8_t alert[TLSREC_ALERT_BYTES];

	(void)state;
	tlsrec_write_alert(alert, TLSREC_UNRECOGNIZED_NAME);
	assert_memory_equal(alert, want, sizeof(want));
}

static void every_fault_has_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TLSREC_FAULTS; i++) {
		assert_true(strlen(tlsrec_fault_text(i)) > 0);
		assert_true(tlsrec_fault_alert(i) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_phase_has_its_records),
		cmocka_unit_test(the_major_version_is_three),
		cmocka_unit_test(records_in_one_span_are_all_seen),
		cmocka_unit_test(data_is_never_a_flood),
		cmocka_unit_test(a_flood_of_alerts_ends),
		cmocka_unit_test(as_many_each_second_are_no_flood),
		cmocka_unit_test(what_only_the_library_sees_counts_too),
		cmocka_unit_test(an_alert_is_seven_bytes),
		cmocka_unit_test(every_fault_has_words),
	};

	return cmocka_run_group_tests_name("tlsrec", tests, NULL, NULL);
}
