/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"
#include "tls/policy.h"

static const uint16_t v13[] = { 0x0304, 0x0303 }, v12[] = { 0x0303 }, v11[] = { 0x0302 };
static const uint16_t schemes[] = { 0x0403 }, x25519[] = { 29 }, unknown[] = { 0x6399 };

#define LIST(array)                       \
	{                                 \
		(array), ARRAY_LEN(array) \
	}

static void what_is_missing_is_said(void **state)
{
	static const struct {
		struct tls_offer offer;
		enum tls_version max;
		int alert; /* 0: nothing is missing */
	} cases[] = {
		{ { .versions = LIST(v13), .groups = LIST(x25519), .signatures = LIST(schemes) },
		  TLS_1_3,
		  0 },
		{ { .versions = LIST(v13), .groups = LIST(x25519), .lacks_extension = true },
		  TLS_1_3,
		  TLSREC_MISSING_EXTENSION },
		/* TLS 1.2 needs none of them. */
		{ { .versions = LIST(v13), .lacks_extension = true }, TLS_1_2, 0 },
		{ { .versions = LIST(v11) }, TLS_1_2, TLSREC_PROTOCOL_VERSION },
		{ { .versions = LIST(v12) }, TLS_1_3, 0 },
		{ { .versions = LIST(v12), .groups = LIST(unknown) },
		  TLS_1_3,
		  TLSREC_HANDSHAKE_FAILURE },
		{ { .versions = LIST(v13), .groups = LIST(unknown), .signatures = LIST(schemes) },
		  TLS_1_3,
		  TLSREC_HANDSHAKE_FAILURE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct policy policy = {
			.min = TLS_1_2, .max = cases[i].max, .groups = { 29, 23 }, .groups_n = 2
		};
		struct tls_offer offer = cases[i].offer;
		struct offer_refusal refusal;

		offer.name = "";
		offer.is_hello = true;
		refusal = offer_refuse(&offer, &policy);
		assert_int_equal(refusal.why ? (int)refusal.alert : 0, cases[i].alert);
		offer.is_hello = false; /* nothing is known */
		assert_null(offer_refuse(&offer, &policy).why);
	}
}

static void our_first_protocol_that_is_offered_is_chosen(void **state)
{
	static const struct {
		const char *ours, *offered, *chosen;
	} cases[] = {
		{ "h2,http/1.1", "\x08http/1.1\x02h2", "h2" },
		{ "h2,http/1.1", "\x08http/1.1", "http/1.1" },
		{ "h2", "\x08http/1.1", "h2" }, /* the library refuses */
		{ "http/1.1", "\x06http/1", "http/1.1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tls_offer offer = { .alpn = (const uint8_t *)cases[i].offered,
						 .alpn_bytes = strlen(cases[i].offered) };
		char list[40];

		snprintf(list, sizeof(list), "%s", cases[i].ours);
		offer_choose_alpn(list, &offer);
		assert_string_equal(list, cases[i].chosen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(our_first_protocol_that_is_offered_is_chosen),
	};

	return cmocka_run_group_tests_name("offer", tests, NULL, NULL);
}
