/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *cond, const char *file, int line, const char *func)
{
	/* Unbuffered: nothing may be left in a stdio buffer at abort(). */
	dprintf(STDERR_FILENO, "%s:%d: %s: broken: %s\n", file, line, func, cond);
	abort();
}
