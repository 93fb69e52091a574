/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/peer_name.h"

#include "base/def.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text, *host;
	uint8_t bytes, last;
} names[] = {
	{ "db.example.com", "db.example.com", 0, 0 },
	{ "db.example.com.", "db.example.com", 0, 0 },
	{ "localhost.", "localhost", 0, 0 },
	{ ".", ".", 0, 0 },
	{ "127.0.0.1", "", 4, 1 },
	{ "10.1", "10.1", 0, 0 },
	{ "::1", "", 16, 1 },
	{ "2001:DB8:0:0::5", "", 16, 5 },
	{ "fe80::7%eth0", "", 16, 7 },
	{ "127.0.0.1%lo", "127.0.0.1%lo", 0, 0 },
};

static void names_and_addresses_are_told_apart(void **state)
{
	struct peer_name name;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_true(peer_name_read(&name, names[i].text));
		assert_string_equal(name.host, names[i].host);
		assert_int_equal(name.address.bytes, names[i].bytes);
		if (names[i].bytes > 0)
			assert_int_equal(name.address.at[names[i].bytes - 1], names[i].last);
	}
}

static void too_long_a_name_is_none(void **state)
{
	char text[PEER_NAME_BYTES + 1];
	struct peer_name name;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[PEER_NAME_BYTES - 1] = '\0';
	assert_true(peer_name_read(&name, text));
	text[PEER_NAME_BYTES - 1] = 'a';
	text[PEER_NAME_BYTES] = '\0';
	assert_false(peer_name_read(&name, text));
	text[PEER_NAME_BYTES - 1] = '.';
	assert_true(peer_name_read(&name, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_addresses_are_told_apart),
		cmocka_unit_test(too_long_a_name_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
