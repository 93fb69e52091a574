/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct digest_part text(const char *s)
{
	return (struct digest_part){ s, strlen(s) };
}

/* FIPS 180-2, B.1; and its parts make no difference. */
static void digests_are_those_of_the_standard(void **state)
{
	const struct digest_part parts[] = { text("a"), { NULL, 0 }, text("bc") };
	uint8_t out[DIGEST_SHA256_BYTES];

	(void)state;
	digest_sha256(parts, 3, out);
	assert_memory_equal(out,
			    "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
			    "\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
			    32);
	digest_sha1(parts, 3, out);
	assert_memory_equal(out,
			    "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c"
			    "\x9c\xd0\xd8\x9d",
			    20);
}

/* RFC 4231, 4.3 and 4.7: a short key, and one that is longer than a block. */
static void keyed_digests_are_those_of_the_rfc(void **state)
{
	uint8_t out[DIGEST_SHA256_BYTES], key[131];
	const struct digest_part jefe = text("Jefe"), long_key = { key, sizeof(key) };
	const struct digest_part what = text("what do ya want for nothing?");
	const struct digest_part hashed =
		text("Test Using Larger Than Block-Size Key - Hash Key First");

	(void)state;
	memset(key, 0xaa, sizeof(key));
	digest_hmac(&jefe, &what, out);
	assert_memory_equal(out,
			    "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e\x6a\x04\x24\x26\x08\x95\x75\xc7"
			    "\x5a\x00\x3f\x08\x9d\x27\x39\x83\x9d\xec\x58\xb9\x64\xec\x38\x43",
			    32);
	digest_hmac(&long_key, &hashed, out);
	assert_memory_equal(out,
			    "\x60\xe4\x31\x59\x1e\xe0\xb6\x7f\x0d\x8a\x26\xaa\xcb\xf5\xb7\x7f"
			    "\x8e\x0b\xc6\x21\x37\x28\xc5\x14\x05\x46\x04\x0f\x0e\xe3\x7f\x54",
			    32);
}

/* RFC 7914, 11. */
static void passwords_are_stretched_as_in_the_rfc(void **state)
{
	const struct digest_part passwd = text("passwd"), salt = text("salt");
	const struct digest_part password = text("Password"), nacl = text("NaCl");
	uint8_t out[DIGEST_SHA256_BYTES];

	(void)state;
	digest_stretch(&passwd, &salt, 1, out);
	assert_memory_equal(out,
			    "\x55\xac\x04\x6e\x56\xe3\x08\x9f\xec\x16\x91\xc2\x25\x44\xb6\x05"
			    "\xf9\x41\x85\x21\x6d\xde\x04\x65\xe6\x8b\x9d\x57\xc2\x0d\xac\xbc",
			    32);
	digest_stretch(&password, &nacl, 80000, out);
	assert_memory_equal(out,
			    "\x4d\xdc\xd8\xf6\x0b\x98\xbe\x21\x83\x0c\xee\x5e\xf2\x27\x01\xf9"
			    "\x64\x1a\x44\x18\xd0\x4c\x04\x14\xae\xff\x08\x87\x6b\x34\xab\x56",
			    32);
}

static void any_difference_counts(void **state)
{
	(void)state;
	assert_true(digest_equals("abc", "abd", 2));
	assert_false(digest_equals("abc", "abd", 3));
	assert_false(digest_equals("abc", "bbc", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standard),
		cmocka_unit_test(keyed_digests_are_those_of_the_rfc),
		cmocka_unit_test(passwords_are_stretched_as_in_the_rfc),
		cmocka_unit_test(any_difference_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
