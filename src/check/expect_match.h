/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHECK_EXPECT_MATCH_H
#define CHECK_EXPECT_MATCH_H

/*
 * One pattern against bytes that are still coming in: no byte is looked at
 * more often than the pattern is long, however they are cut.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/parse.h"

struct expect_pattern {
	const char *bytes;
	size_t n;
	bool is_literal;
};

/* How far it is. Zeroed at first. */
struct expect_match {
	uint32_t pattern_at; /* the part between two * that is looked for */
	uint32_t input_at;   /* where it could begin */
};

/*
 * Borrows the first @n bytes of the input, and all of them again next time.
 * DONE: m->input_at is behind the match. BAD: it cannot match any more.
 */
MUST_CHECK enum parse expect_match(struct expect_match *m, const struct expect_pattern *pattern,
				   const uint8_t *input, size_t n);

#endif
