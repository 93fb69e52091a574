/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/scram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/def.h"

#define NONCE "AAECAwQFBgcICQoLDA0ODxAR"
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define FIRST "r=" NONCE "srv,s=" SALT ",i=4096"

static const uint8_t random_bytes[SCRAM_RANDOM_BYTES] = { 0, 1,  2,  3,  4,  5,  6,  7,  8,
							  9, 10, 11, 12, 13, 14, 15, 16, 17 };

static struct digest_part text(const char *s)
{
	return (struct digest_part){ s, strlen(s) };
}

static void begin(struct scram *s, enum scram_binding binding)
{
	char first[SCRAM_MESSAGE_BYTES_MAX];
	uint8_t end_point[32];

	memset(end_point, 0xaa, sizeof(end_point));
	scram_bind(s, binding, end_point, sizeof(end_point));
	scram_first(s, random_bytes, first, sizeof(first));
}

static enum scram_fault answer(struct scram *s, const char *first, struct scram_cache *cache)
{
	const struct scram_login login = { "pencil", cache };
	const struct digest_part message = text(first);
	char out[SCRAM_MESSAGE_BYTES_MAX];
	size_t n;

	return scram_answer(s, &login, &message, out, &n);
}

/* The values are those of Python's hashlib and hmac. */
static void both_sides_prove_that_they_know_the_password(void **state)
{
	static const struct {
		enum scram_binding binding;
		const char *header, *answer, *proof, *final;
	} cases[] = {
		{ SCRAM_UNBOUND, "n,,", "c=biws", "2G0QN/uhfw2eNEdNGJHywUALAo88r5lDLtdwFZFS0+4=",
		  "v=KzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnE=" },
		{ SCRAM_NOT_OFFERED, "y,,", "c=eSws",
		  "Js1BB1AO6ymDR9ZOgYkJ/PKN1/bDkGNqqDTmrBlhwcI=",
		  "v=O3XFWtEEmPRaXtAk+VQY4v1ZcBqtnjhJP7T83laqHN4=" },
		{ SCRAM_TO_END_POINT, "p=tls-server-end-point,,",
		  "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=",
		  "q1JHpfxAQCkeJx6lgTmlYt9qHK6lvszzUSjjbFik1E0=",
		  "v=etpfteTBGOfWY5bscPO+WTmXG288cnpFBrwhfG/NFxM=" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct scram_login login = { "pencil", NULL };
		const struct digest_part first = text(FIRST), final = text(cases[i].final);
		char out[SCRAM_MESSAGE_BYTES_MAX], wanted[SCRAM_MESSAGE_BYTES_MAX];
		uint8_t end_point[32];
		struct scram s;
		size_t n;

		memset(end_point, 0xaa, sizeof(end_point));
		scram_bind(&s, cases[i].binding, end_point, sizeof(end_point));
		n = scram_first(&s, random_bytes, out, sizeof(out));
		snprintf(wanted, sizeof(wanted), "%sn=,r=" NONCE, cases[i].header);
		assert_string_equal(out, wanted);
		assert_int_equal(n, strlen(wanted));

		assert_int_equal(scram_answer(&s, &login, &first, out, &n), SCRAM_FINE);
		snprintf(wanted, sizeof(wanted), "%s,r=" NONCE "srv,p=%s", cases[i].answer,
			 cases[i].proof);
		assert_int_equal(n, strlen(wanted));
		assert_memory_equal(out, wanted, n);
		assert_int_equal(scram_verify(&s, &final), SCRAM_FINE);
	}
}

static void a_server_that_does_not_know_the_password_is_found_out(void **state)
{
	static const struct {
		const char *final;
		enum scram_fault fault;
	} cases[] = {
		{ "v=LzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnE=", SCRAM_FORGED },
		{ "v=KzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnI=", SCRAM_FORGED },
		{ "v=KzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKK", SCRAM_FORGED },
		{ "v=", SCRAM_FORGED },
		{ "v=%%%%", SCRAM_FORGED },
		{ "e=invalid-proof", SCRAM_REFUSED },
		{ "e=", SCRAM_REFUSED },
		{ "", SCRAM_MALFORMED },
		{ "v", SCRAM_MALFORMED },
		{ "w=x", SCRAM_MALFORMED },
	};
	struct scram s;

	(void)state;
	begin(&s, SCRAM_UNBOUND);
	assert_int_equal(answer(&s, FIRST, NULL), SCRAM_FINE);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct digest_part final = text(cases[i].final);

		assert_int_equal(scram_verify(&s, &final), cases[i].fault);
	}
}

static void what_a_hostile_server_says_first_is_refused(void **state)
{
	static const struct {
		const char *first;
		enum scram_fault fault;
	} cases[] = {
		{ "", SCRAM_MALFORMED },
		{ "r=" NONCE "srv", SCRAM_MALFORMED },
		{ "m=ext,r=" NONCE "srv,s=" SALT ",i=4096", SCRAM_MALFORMED },
		{ "s=" SALT ",r=" NONCE "srv,i=4096", SCRAM_MALFORMED },
		{ "r=" NONCE "srv,s=,i=4096", SCRAM_MALFORMED },
		{ "r=" NONCE "srv,s=W22Z!,i=4096", SCRAM_MALFORMED },
		{ "r=" NONCE ",s=" SALT ",i=4096", SCRAM_NONCE },
		{ "r=,s=" SALT ",i=4096", SCRAM_NONCE },
		{ "r=BAECAwQFBgcICQoLDA0ODxARsrv,s=" SALT ",i=4096", SCRAM_NONCE },
		{ "r=" NONCE "srv,s=" SALT ",i=0", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=-1", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=100001", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=4294967297", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=99999999999999999999", SCRAM_COUNT },
		{ "r=" NONCE "srv,s=" SALT ",i=1", SCRAM_FINE },
		{ "r=" NONCE "srv,s=" SALT ",i=1,ext=1", SCRAM_FINE },
	};
	char longest[SCRAM_MESSAGE_BYTES_MAX * 2];
	struct scram s;

	(void)state;
	begin(&s, SCRAM_UNBOUND);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(answer(&s, cases[i].first, NULL), cases[i].fault);
	for (int n = 1; n < 600; n++) {
		enum scram_fault fault;

		snprintf(longest, sizeof(longest), "r=" NONCE "%0*d,s=" SALT ",i=1", n, 1);
		fault = answer(&s, longest, NULL);
		assert_true((fault == SCRAM_FINE) ==
			    (strlen(NONCE) + (size_t)n <= SCRAM_NONCE_LETTERS_MAX));
	}
	for (int n = 1; n < 480; n++) {
		snprintf(longest, sizeof(longest), "r=" NONCE "s,s=" SALT ",i=1,%0*d", n, 1);
		assert_true((answer(&s, longest, NULL) == SCRAM_FINE) ==
			    (strlen(longest) <= SCRAM_MESSAGE_BYTES_MAX));
	}
}

static void a_salt_is_computed_with_once(void **state)
{
	static struct scram_cache cache;
	char first[128];
	struct scram s;

	(void)state;
	begin(&s, SCRAM_UNBOUND);
	for (int i = 0; i < 3; i++)
		assert_int_equal(answer(&s, FIRST, &cache), SCRAM_FINE);
	assert_int_equal(cache.computed, 1);
	assert_int_equal(
		scram_verify(&s,
			     &(struct digest_part){
				     "v=KzMSVpvaYCQ9mVrh/QNdEaybIvcFuUwaVluFsZKKhnE=", 46 }),
		SCRAM_FINE);
	/* Another count is another key; and one who changes them always fills no memory. */
	for (int i = 1; i < 40; i++) {
		snprintf(first, sizeof(first), "r=" NONCE "srv,s=" SALT ",i=%d", i);
		assert_int_equal(answer(&s, first, &cache), SCRAM_FINE);
		assert_int_equal(cache.computed, 1 + i);
	}
	scram_cache_wipe(&cache);
	assert_int_equal(cache.keys[0].count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_prove_that_they_know_the_password),
		cmocka_unit_test(a_server_that_does_not_know_the_password_is_found_out),
		cmocka_unit_test(what_a_hostile_server_says_first_is_refused),
		cmocka_unit_test(a_salt_is_computed_with_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
