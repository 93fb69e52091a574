/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

/*
 * Reading and writing the small texts of configuration and logs: numbers,
 * durations, sizes, and what somebody probably meant to type. In readers the whole text
 * must fit the form; blanks around it are the caller's to strip.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

/* Copies @from with its NUL; false, and nothing copied, when it takes more than @room bytes. */
MUST_CHECK bool text_copy(char *ret_to, size_t room, const char *from);

/*
 * How many bytes of @text, @max at most, there are before its end or before a letter of UTF-8
 * that would be cut in two.
 */
size_t text_cut(const char *text, size_t max);
/* Copies as much of @from as fits into @room bytes with a NUL: whole letters. */
void text_copy_cut(char *ret_to, size_t room, const char *from);

/* A decimal number without sign: "0", "42". False on anything else or on overflow. */
MUST_CHECK bool text_to_u64(const char *text, uint64_t *ret_value);

/* "250ms", "30s", "5m", "1h", "2d", or "0": to milliseconds. A unit is required unless it is 0. */
MUST_CHECK bool text_to_ms(const char *text, uint64_t *ret_ms);

/* "512", "64k", "16M", "1G" (powers of 1024): to bytes. */
MUST_CHECK bool text_to_bytes(const char *text, uint64_t *ret_bytes);

/* The inverse, in the largest unit that is exact: 3600000 -> "1h". */
#define TEXT_NUMBER_BYTES 24
const char *text_from_ms(uint64_t ms, char ret_text[TEXT_NUMBER_BYTES]);
const char *text_from_bytes(uint64_t bytes, char ret_text[TEXT_NUMBER_BYTES]);

/* How long something took, as people say it, in the two largest units: 1h5m, 2d3h, 12s, 40ms. */
const char *text_age(uint64_t ms, char ret_text[TEXT_NUMBER_BYTES]);

/*
 * Of @n words the one nearest to @typed by edits (Damerau-Levenshtein,
 * optimal string alignment), or NULL when none is near enough to be meant:
 * more than a third of the letters typed, and at least two, are off. Upper
 * and lower case are the same here; of equally near words the first one wins.
 */
const char *text_nearest(const char *typed, const char *const *words, size_t n);

/* Is @text what @pattern says: the same, or, where a * ends it, with that beginning? */
MUST_CHECK bool text_fits(const char *pattern, const char *text);

#endif
