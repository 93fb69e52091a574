/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_FOREIGN_LINE_H
#define CONFIG_FOREIGN_LINE_H

/*
 * Lines as HAProxy has them, whose words have no '=' between them, and what
 * they are here: all of the line, where foreign.h knows a word.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define FOREIGN_LINE_BYTES 512

/* What is to be said of the line of @n bytes, "did you mean '...'?"; false: nothing. */
MUST_CHECK bool foreign_line_format(const char *line, size_t n, char ret_text[FOREIGN_LINE_BYTES]);

#endif
