/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longer words are nobody's typing mistake. */
#define WORD_LETTERS_MAX 64

struct unit {
	const char *name;
	uint64_t factor;
};

/* The largest first, for the way back to text. */
static const struct unit time_units[] = {
	{ "d", 24 * 60 * 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "m", 60 * 1000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

static const struct unit byte_units[] = {
	{ "G", 1024 * 1024 * 1024 },
	{ "M", 1024 * 1024 },
	{ "k", 1024 },
	{ "", 1 },
};

/* Reads the digits at @text; gives what follows them, or NULL when there are none or too many. */
static const char *read_digits(const char *text, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return NULL;
	}
	if (at == text)
		return NULL;
	*ret_value = value;
	return at;
}

static bool read_with_unit(const char *text, const struct unit *units, size_t n,
			   uint64_t *ret_value)
{
	uint64_t number, value;
	const char *rest = read_digits(text, &number);

	if (!rest)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(number, units[i].factor, &value))
			return false;
		*ret_value = value;
		return true;
	}
	return false;
}

static const char *write_with_unit(uint64_t value, const struct unit *units, size_t n, char *text)
{
	size_t i = 0;

	while (i < n - 1 && value % units[i].factor != 0)
		i++;
	snprintf(text, TEXT_NUMBER_BYTES, "%llu%s", (unsigned long long)(value / units[i].factor),
		 units[i].name);
	return text;
}

bool text_copy(char *ret_to, size_t room, const char *from)
{
	size_t n = strnlen(from, room);

	if (n >= room)
		return false;
	memcpy(ret_to, from, n + 1);
	return true;
}

size_t text_cut(const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	/* What is no UTF-8 has no letters, and no more than three bytes follow a first one. */
	for (size_t back = 0; back <= MIN(n, 3); back++)
		if (((unsigned char)text[n - back] & 0xc0) != 0x80)
			return n - back;
	return n;
}

void text_copy_cut(char *ret_to, size_t room, const char *from)
{
	size_t n = text_cut(from, room - 1);

	memcpy(ret_to, from, n);
	ret_to[n] = '\0';
}

bool text_to_u64(const char *text, uint64_t *ret_value)
{
	uint64_t value;
	const char *rest = read_digits(text, &value);

	if (!rest || *rest != '\0')
		return false;
	*ret_value = value;
	return true;
}

bool text_to_ms(const char *text, uint64_t *ret_ms)
{
	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return true;
	}
	return read_with_unit(text, time_units, ARRAY_LEN(time_units), ret_ms);
}

bool text_to_bytes(const char *text, uint64_t *ret_bytes)
{
	return read_with_unit(text, byte_units, ARRAY_LEN(byte_units), ret_bytes);
}

const char *text_from_ms(uint64_t ms, char ret_text[TEXT_NUMBER_BYTES])
{
	if (ms == 0)
		return memcpy(ret_text, "0", sizeof("0"));
	return write_with_unit(ms, time_units, ARRAY_LEN(time_units), ret_text);
}

const char *text_from_bytes(uint64_t bytes, char ret_text[TEXT_NUMBER_BYTES])
{
	if (bytes == 0)
		return memcpy(ret_text, "0", sizeof("0"));
	return write_with_unit(bytes, byte_units, ARRAY_LEN(byte_units), ret_text);
}

const char *text_age(uint64_t ms, char ret_text[TEXT_NUMBER_BYTES])
{
	const struct unit *unit = time_units;
	int n;

	while (ms < unit->factor && unit->factor > 1)
		unit++;
	n = snprintf(ret_text, TEXT_NUMBER_BYTES, "%" PRIu64 "%s", ms / unit->factor, unit->name);
	if (unit->factor > 1000 && ms % unit->factor >= unit[1].factor)
		snprintf(ret_text + n, TEXT_NUMBER_BYTES - (size_t)n, "%" PRIu64 "%s",
			 ms % unit->factor / unit[1].factor, unit[1].name);
	return ret_text;
}

static bool is_same_but_case(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/*
 * Optimal string alignment, three rows of the table at a time: the fewest
 * insertions, deletions, replacements and swaps of neighbours that turn @a
 * into @b. Neither is longer than WORD_LETTERS_MAX.
 */
static size_t edits_between(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t table[3][WORD_LETTERS_MAX + 1];
	size_t *before = table[0], *above = table[1], *row = table[2];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;

		before = above;
		above = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t replaced = above[j - 1] + !is_same_but_case(a[i - 1], b[j - 1]);

			row[j] = MIN(MIN(above[j], row[j - 1]) + 1, replaced);
			if (i > 1 && j > 1 && is_same_but_case(a[i - 1], b[j - 2]) &&
			    is_same_but_case(a[i - 2], b[j - 1]))
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
	}
	return row[b_len];
}

static bool is_near_enough(size_t edits, size_t typed_len)
{
	if (edits >= typed_len)
		return false;
	return edits < 2 || edits * 3 <= typed_len;
}

const char *text_nearest(const char *typed, const char *const *words, size_t n)
{
	size_t typed_len = strlen(typed), best_edits = SIZE_MAX;
	const char *best = NULL;

	if (typed_len > WORD_LETTERS_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t word_len = strlen(words[i]), edits;

		if (word_len > WORD_LETTERS_MAX)
			continue;
		edits = edits_between(typed, typed_len, words[i], word_len);
		if (edits >= best_edits)
			continue;
		best = words[i];
		best_edits = edits;
	}
	return best && is_near_enough(best_edits, typed_len) ? best : NULL;
}

bool text_fits(const char *pattern, const char *text)
{
	size_t n = strlen(pattern);

	if (n > 0 && pattern[n - 1] == '*')
		return strncmp(pattern, text, n - 1) == 0;
	return strcmp(pattern, text) == 0;
}
