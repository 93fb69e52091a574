/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_LOG_BED_H
#define UNIT_LOG_BED_H

/* A log whose reader is the test: it goes into a pipe. */

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int log_pipe[2];
static char caught[4 << 20];
static size_t caught_bytes;

static inline int set_up(void **state)
{
	(void)state;
	if (pipe2(log_pipe, O_CLOEXEC) < 0)
		return -1;
	caught_bytes = 0;
	log_configure(LOG_INFO, LOG_LOGFMT, log_pipe[1]);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT, STDERR_FILENO);
	close(log_pipe[0]);
	if (log_pipe[1] >= 0)
		close(log_pipe[1]);
	return 0;
}

/* Reads what was logged, as a text; without the thread it is there already. */
static inline const char *catch_line(void)
{
	ssize_t n = read(log_pipe[0], caught, sizeof(caught) - 1);

	assert_true(n > 0);
	caught[n] = '\0';
	return caught;
}

/* Compares a line without its time stamp, whose form is another test's business. */
static inline void expect_line(const char *want)
{
	const char *line = catch_line();
	const size_t stamp_bytes = strlen("ts=2026-11-21T23:10:04.123Z ");

	assert_true(strlen(line) > stamp_bytes);
	assert_string_equal(line + stamp_bytes, want);
}

#define ON_A_PIPE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
