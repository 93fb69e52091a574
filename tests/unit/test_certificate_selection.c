/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/certificate_selection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint16_t v13[] = { 0x0304, 0x0303 }, v12[] = { 0x0303 };
static const uint16_t all_suites[] = { 0x1301, 0xc02b, 0xc02f };
static const uint16_t rsa_suite[] = { 0x1301, 0xc030 }, ecdsa_suite[] = { 0xcca9 };
static const uint16_t all_schemes[] = { 0x0403, 0x0503, 0x0603, 0x0804, 0x0807, 0x0401 };
static const uint16_t sha1_only[] = { 0x0201, 0x0203 };
static const uint16_t p384_only[] = { 0x0503 }, p384[] = { 24 }, x25519[] = { 29 };

/* clang-format off */
#define LIST(array) { (array), ARRAY_LEN(array) }
#define NONE { NULL, 0 }
#define OFFER(v, s, g, p) { .name = "", .versions = v, .suites = s, .signatures = g, .groups = p }
/* clang-format on */

static void a_key_fits_what_a_client_can_verify(void **state)
{
	static const struct {
		enum key_kind kind;
		struct tls_offer offer;
		enum tls_version max;
		bool fits;
	} cases[] = {
		{ KEY_RSA, OFFER(LIST(v13), LIST(all_suites), LIST(all_schemes), NONE), TLS_1_3,
		  true },
		{ KEY_ED25519, OFFER(LIST(v13), LIST(all_suites), LIST(all_schemes), NONE), TLS_1_3,
		  true },
		/* In TLS 1.3 the scheme names the curve, in TLS 1.2 the groups do. */
		{ KEY_ECDSA_P256, OFFER(LIST(v13), LIST(all_suites), LIST(p384_only), NONE),
		  TLS_1_3, false },
		{ KEY_ECDSA_P384, OFFER(LIST(v13), LIST(all_suites), LIST(p384_only), NONE),
		  TLS_1_3, true },
		{ KEY_ECDSA_P256, OFFER(LIST(v12), LIST(all_suites), LIST(p384_only), LIST(p384)),
		  TLS_1_3, false },
		{ KEY_ECDSA_P384, OFFER(LIST(v12), LIST(all_suites), LIST(p384_only), LIST(p384)),
		  TLS_1_3, true },
		{ KEY_ECDSA_P384, OFFER(LIST(v13), LIST(all_suites), LIST(p384_only), LIST(x25519)),
		  TLS_1_2, false },
		{ KEY_ECDSA_P256, OFFER(LIST(v12), LIST(all_suites), LIST(all_schemes), NONE),
		  TLS_1_3, true },
		/* In TLS 1.2 the suite names the kind of key. */
		{ KEY_ECDSA_P256, OFFER(LIST(v12), LIST(rsa_suite), LIST(all_schemes), NONE),
		  TLS_1_3, false },
		{ KEY_RSA, OFFER(LIST(v12), LIST(rsa_suite), LIST(all_schemes), NONE), TLS_1_3,
		  true },
		{ KEY_RSA, OFFER(LIST(v12), LIST(ecdsa_suite), LIST(all_schemes), NONE), TLS_1_3,
		  false },
		{ KEY_ED25519, OFFER(LIST(v12), LIST(ecdsa_suite), LIST(all_schemes), NONE),
		  TLS_1_3, true },
		{ KEY_RSA, OFFER(LIST(v12), LIST(all_suites), LIST(sha1_only), NONE), TLS_1_3,
		  false },
		{ KEY_RSA, OFFER(NONE, NONE, NONE, NONE), TLS_1_3, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (certificate_fits(cases[i].kind, &cases[i].offer, cases[i].max) != cases[i].fits)
			fail_msg("case %zu", i);
	}
}

static struct certificate_name entries[] = {
	{ "db.example.com", 0, KEY_RSA },        { "db.example.com", 1, KEY_ED25519 },
	{ "db.example.com", 2, KEY_ECDSA_P256 }, { "*.example.com", 3, KEY_ECDSA_P256 },
	{ "*.example.com", 4, KEY_RSA },         { "*.deep.example.com", 5, KEY_RSA },
	{ "a.example.com", 6, KEY_RSA },         { "zzz", 7, KEY_RSA },
	{ "a.example.com", 8, KEY_RSA },
};

/* The certificate for a name and these schemes; -1: none. */
static int find(const char *name, const uint16_t *schemes, size_t n)
{
	const struct tls_offer offer = { .name = name,
					 .versions = LIST(v13),
					 .suites = LIST(all_suites),
					 .signatures = { schemes, n } };
	const struct certificate_name *entry =
		certificate_select(entries, ARRAY_LEN(entries), &offer, TLS_1_3);

	return entry ? (int)entry->certificate : -1;
}

static void the_name_decides_and_then_the_key(void **state)
{
	static const uint16_t rsa[] = { 0x0804 }, ed25519[] = { 0x0807 };
	static const struct {
		const char *name;
		struct tls_numbers schemes;
		int certificate;
	} cases[] = {
		{ "db.example.com", LIST(all_schemes), 2 },
		{ "db.example.com", LIST(rsa), 0 },
		{ "db.example.com", LIST(ed25519), 1 },
		{ "db.example.com", LIST(sha1_only), 2 }, /* fails later, in words */
		{ "x.example.com", LIST(all_schemes), 3 },
		{ "x.example.com", LIST(rsa), 4 },
		{ "a.example.com", LIST(all_schemes), 6 }, /* the first of equals */
		{ "x.deep.example.com", LIST(all_schemes), 5 },
		{ "y.x.deep.example.com", LIST(all_schemes), -1 },
		{ "example.com", LIST(all_schemes), -1 },
		{ "zzz", LIST(all_schemes), 7 },
		{ "zzzz", LIST(all_schemes), -1 },
		{ "", LIST(all_schemes), -1 },
		{ "aaa", LIST(all_schemes), -1 },
	};

	(void)state;
	certificate_sort(entries, ARRAY_LEN(entries));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(find(cases[i].name, cases[i].schemes.at, cases[i].schemes.n),
				 cases[i].certificate);
}

static void a_name_of_any_length_is_survived(void **state)
{
	char name[600];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[1] = '.';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(find(name, all_schemes, 1), -1);
	assert_null(certificate_select(entries, 0, &(struct tls_offer){ .name = "a.b" }, TLS_1_3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_fits_what_a_client_can_verify),
		cmocka_unit_test(the_name_decides_and_then_the_key),
		cmocka_unit_test(a_name_of_any_length_is_survived),
	};

	return cmocka_run_group_tests_name("certificate_selection", tests, NULL, NULL);
}
