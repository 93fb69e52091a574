/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock_error.h"

#include "base/def.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	int err;
	enum sock_fault fault;
	const char *words;
} rows[] = {
	{ 0, SOCK_FAULT_NONE, "Success" },
	{ -ECONNREFUSED, SOCK_FAULT_REFUSED, "connection refused" },
	{ -ETIMEDOUT, SOCK_FAULT_TIMEOUT, "timed out" },
	{ -ECONNRESET, SOCK_FAULT_RESET, "connection reset" },
	{ -EPIPE, SOCK_FAULT_RESET, "connection reset" },
	{ -EHOSTUNREACH, SOCK_FAULT_UNREACHABLE, "host unreachable" },
	{ -ENOENT, SOCK_FAULT_ABSENT, "no such socket" },
	{ -EPROTO, SOCK_FAULT_TLS, "TLS failed" },
	{ -EAGAIN, SOCK_FAULT_LOCAL, "its backlog is full" },
	{ -EACCES, SOCK_FAULT_LOCAL, "Permission denied" },
	{ -ENETDOWN, SOCK_FAULT_LOCAL, "Network is down" },
};

static void errors_are_known_by_fault_and_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(sock_fault_of(rows[i].err), rows[i].fault);
		assert_string_equal(sock_fault_words(rows[i].err), rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_known_by_fault_and_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
