/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_TOKENS_H
#define CONFIG_TOKENS_H

/*
 * Values of several words, some of them options:
 *
 *	backend = pg1 10.0.0.11:5432 weight=2 max_sessions=100
 *
 * A setter splits the value, makes a setting of each word that it reads
 * itself (whose location is that word, so that messages point at it), and leaves
 * the options to a little table of directives.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "config/setting.h"

#define TOKENS_MAX 16 /* of one value */

struct tokens {
	const struct setting *whole;
	char text[CONFIG_LINE_BYTES_MAX + 1];
	size_t at[TOKENS_MAX]; /* where in text each begins */
	size_t n;
};

/* Borrows @s as long as @ret_tokens is used. False, and reported, when there are too many. */
MUST_CHECK bool tokens_split(const struct setting *s, struct tokens *ret_tokens);

/* Word @i, which exists, as a setting of its own. */
struct setting tokens_setting(const struct tokens *tokens, size_t i);

/*
 * Is it free of commas? False, and reported: who writes a list has to separate
 * its words by blanks, where there is one thing on a line, to take more lines.
 */
MUST_CHECK bool tokens_are_a_list(const struct tokens *tokens);
MUST_CHECK bool tokens_are_of_one(const struct tokens *tokens);

/*
 * Reads the words from @first on as KEY=VALUE, or as what a row has as bare,
 * by the rows of @options, into the struct @to; options not given get their
 * defaults. Reports mistakes.
 */
void tokens_set_options(const struct tokens *tokens, size_t first, const struct directive *options,
			size_t options_n, void *to);

/* Writes them all, each with a blank before it. */
void tokens_print_options(const struct directive *options, size_t options_n, const void *from,
			  FILE *to);

#endif
