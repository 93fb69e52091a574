/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

/*
 * Passwords that somebody wrote into a configuration, where none belongs:
 * what is told of that line ends before them.
 *
 *	check = postgres user=ring password=
 */

#include <stdbool.h>
#include <stddef.h>

/*
 * Where in a line of @n bytes something begins that may be a password, by the
 * word before it; @n: there is none.
 */
size_t secret_in_line(const char *line, size_t n);

/*
 * The same in a sentence of our own, which may quote that line of the file,
 * or what its variables stand for; @line may be NULL.
 */
size_t secret_in_sentence(const char *sentence, const char *line, size_t line_n);

#endif
