/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Nodes agree on backends only while these values stay what they are. */
static void values_are_those_of_xxh64(void **state)
{
	(void)state;
	assert_true(hash_bytes("", 0, 0) == UINT64_C(0xef46db3751d8e999));
	assert_true(hash_bytes(NULL, 0, 0) == UINT64_C(0xef46db3751d8e999));
	assert_true(hash_bytes("abc", 3, 0) == UINT64_C(0x44bc2cf5ad770999));
}

static void text_is_its_bytes_without_the_end(void **state)
{
	(void)state;
	assert_true(hash_text("abc", 0) == hash_bytes("abc", 3, 0));
	assert_true(hash_text("", 7) == hash_bytes("x", 0, 7));
}

static void every_seed_is_another_function(void **state)
{
	(void)state;
	assert_true(hash_text("pg1", 0) != hash_text("pg1", 1));
	assert_true(hash_text("pg1", 0) != hash_text("pg2", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_those_of_xxh64),
		cmocka_unit_test(text_is_its_bytes_without_the_end),
		cmocka_unit_test(every_seed_is_another_function),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
