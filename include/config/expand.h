/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

/*
 * What a value means as it is written: ${NAME} is what the environment has
 * by that name; within "..." blanks, ';' and '#' are nothing but letters. A
 * quote opens at the beginning of a word and behind the '=' of an option, and
 * closes at its end; within, \" \\ and \$ stand for the letter behind the
 * backslash. What a variable contains is not looked at again for any of this,
 * but outside quotes its blanks separate words.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/def.h"
#include "config/config.h"
#include "config/config_file.h"
#include "config/diag.h"

/*
 * For each byte of a value, and for its end: where it was written, in bytes
 * from the beginning of the value; and whether that was within quotes.
 */
typedef uint16_t expand_mark;
#define EXPAND_QUOTED 0x8000u
#define EXPAND_OFFSET 0x7fffu
static_assert(CONFIG_LINE_BYTES_MAX < EXPAND_QUOTED, "an offset fits beside the flag");

struct expanded {
	char text[CONFIG_LINE_BYTES_MAX + 1];
	expand_mark marks[CONFIG_LINE_BYTES_MAX + 1];
	size_t bytes;
	bool has_variable;
};

/*
 * Reads @bytes of @raw, which stand at @location. False, and reported, when a
 * quote is not closed, a variable is not set, or the whole is too long.
 */
MUST_CHECK bool expand_value(const char *raw, size_t bytes, const struct config_location *location,
			     struct diag *diag, struct expanded *ret_expanded);

/* The quote that closes the one at @at, before @end; NULL if there is none. */
const char *expand_find_close(const char *at, const char *end);

/* Does a quote open at @at, in what begins at @begin? */
bool expand_is_open(const char *begin, const char *at);

/* Writes @text so that it is read as one word, in quotes where it needs them. */
void expand_print(const char *text, FILE *to);

#endif
