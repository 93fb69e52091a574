/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REAL_RING: none is needed. What the sysctl says is the test's own: fopen(3). */
#include "app/no_io_uring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/def.h"
#include "base/log.h"

static const char *sysctl; /* what the file says; NULL: there is none */

FILE *fopen(const char *path, const char *mode)
{
	(void)mode;
	assert_string_equal(path, "/proc/sys/kernel/io_uring_disabled");
	return sysctl ? fmemopen((void *)(uintptr_t)sysctl, strlen(sysctl), "r") : NULL;
}

static int explained_status;

static const char *explain(int err, const char *sysctl_says)
{
	static char said[1024];
	int log = memfd_create("log", MFD_CLOEXEC);
	ssize_t n;

	sysctl = sysctl_says;
	log_configure(LOG_INFO, LOG_LOGFMT, log);
	explained_status = no_io_uring_explain(err);
	log_configure(LOG_INFO, LOG_LOGFMT, STDERR_FILENO);
	n = pread(log, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(log);
	return said;
}

static void each_cause_is_named_with_its_cure(void **state)
{
	const struct {
		int err;
		const char *sysctl, *cause, *cure;
		int status;
	} rows[] = {
		{ -EPERM, "2\n", "kernel.io_uring_disabled is 2", "set it to 0", EX_UNAVAILABLE },
		{ -EPERM, "1\n", "kernel.io_uring_disabled is 1", "kernel.io_uring_group",
		  EX_UNAVAILABLE },
		{ -EPERM, "0\n", "seccomp", "--security-opt", EX_UNAVAILABLE },
		{ -EPERM, NULL, "seccomp", "SystemCallFilter", EX_UNAVAILABLE },
		{ -EPERM, "what?", "seccomp", "allow", EX_UNAVAILABLE },
		{ -EACCES, "0\n", "seccomp", "allow", EX_UNAVAILABLE },
		{ -ENOSYS, "0\n", "older than 6.1", "seccomp filter hides it", EX_UNAVAILABLE },
		{ -EINVAL, "0\n", "too old", "6.1 or later", EX_UNAVAILABLE },
		{ -ENOMEM, "0\n", "no memory", "LimitMEMLOCK", EXIT_FAILURE },
		{ -EMFILE, "0\n", "no open files left", "LimitNOFILE", EXIT_FAILURE },
		{ -EIO, "0\n", "Input/output error", "io_uring_setup(2)", EX_UNAVAILABLE },
	};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(rows); n++) {
		const char *said = explain(rows[n].err, rows[n].sysctl);

		if (!strstr(said, rows[n].cause) || !strstr(said, rows[n].cure))
			fail_msg("row %zu: %s", n, said);
		assert_int_equal(explained_status, rows[n].status);
		assert_non_null(strstr(said, "io_uring is not available"));
		assert_non_null(strstr(said, "level=error"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cause_is_named_with_its_cure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
