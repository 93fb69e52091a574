/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/check.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* So long the log and the standard error may take; the process holds its clients meanwhile. */
#define FLUSH_MS 1000

/* A pipe takes this much at once when poll(2) says that it takes something. */
#define MESSAGE_BYTES 512

static void (*flush_log)(uint64_t patience_ms);

void check_set_flush(void (*flush)(uint64_t patience_ms))
{
	flush_log = flush;
}

static void check_say(const char *text, size_t n)
{
	struct pollfd stream = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&stream, 1, FLUSH_MS) > 0)
		(void)!write(STDERR_FILENO, text, n);
}

/* Another promise that breaks meanwhile has nothing to add, least of all in the log itself. */
static void be_the_only_one(void)
{
	static atomic_flag is_taken = ATOMIC_FLAG_INIT;
	static _Thread_local bool is_ours;

	if (atomic_flag_test_and_set(&is_taken) && !is_ours)
		for (;;)
			(void)pause(); /* until the first one aborts */
	if (is_ours)
		abort();
	is_ours = true;
}

void check_failed(const char *cond, const char *file, int line, const char *func)
{
	char text[MESSAGE_BYTES];
	int n = snprintf(text, sizeof(text), "%s:%d: %s: broken: %s\n", file, line, func, cond);

	be_the_only_one();
	if (flush_log)
		flush_log(FLUSH_MS);
	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (n > 0)
		check_say(text, (size_t)n);
	abort();
}
