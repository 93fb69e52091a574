/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_LOGFMT_H
#define BASE_LOGFMT_H

/* A line of the log, as base/log.c writes it, taken to pieces again. */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

struct logfmt_pair {
	const char *key, *value; /* in the line; the value as it stands there, with its quotes */
	size_t key_bytes, value_bytes;
};

/* The next pair from *at on, which it moves behind it; false at @end. */
MUST_CHECK bool logfmt_next(const char **at, const char *end, struct logfmt_pair *ret_pair);
/* The value without quotes; what is escaped inside stays so. Gives how many bytes. */
size_t logfmt_bare(const struct logfmt_pair *pair, const char **ret_value);

#endif
