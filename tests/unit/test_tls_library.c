/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Is the library the one we want? With WOLFSSL=system it is somebody else's.
 */

#include "tls/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static void our_build_has_what_is_wanted_and_no_more(void **state)
{
	(void)state;
#ifdef RINGMAIN_WOLFSSL_OWN
	assert_int_equal(system("scripts/build-wolfssl.sh --check 2>&1"), 0);
#else
	skip();
#endif
}

static void it_says_whether_it_is_fast(void **state)
{
	(void)state;
#if defined(RINGMAIN_WOLFSSL_OWN) && (defined(__x86_64__) || defined(__aarch64__))
	assert_true(tls_library_is_fast());
#else
	skip();
#endif
}

static void only_another_library_costs_something(void **state)
{
	(void)state;
#ifdef RINGMAIN_WOLFSSL_OWN
	assert_null(tls_library_cost());
#else
	assert_non_null(strstr(tls_library_cost(), "memory"));
	assert_true(tls_library_is_fast() || strstr(tls_library_cost(), "tens of times slower"));
#endif
}

static void headers_and_library_are_of_one_version(void **state)
{
	(void)state;
	assert_string_equal(wolfSSL_lib_version(), LIBWOLFSSL_VERSION_STRING);
	assert_string_equal(tls_library_version(), "wolfSSL " LIBWOLFSSL_VERSION_STRING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_build_has_what_is_wanted_and_no_more),
		cmocka_unit_test(it_says_whether_it_is_fast),
		cmocka_unit_test(only_another_library_costs_something),
		cmocka_unit_test(headers_and_library_are_of_one_version),
	};

	return cmocka_run_group_tests_name("tls_library", tests, NULL, NULL);
}
