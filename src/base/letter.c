/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/letter.h"

#include <stddef.h>

/* How many bytes a sequence that begins with @first has; 0 when none may begin so. */
static unsigned sequence_bytes(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2)
		return 0;
	if (first < 0xe0)
		return 2;
	if (first < 0xf0)
		return 3;
	return first <= 0xf4 ? 4 : 0;
}

/* By the first byte, which second ones there are not, although they go on. */
static bool is_second(unsigned char first, unsigned char second)
{
	static const struct {
		unsigned char first, low, high;
	} rows[] = {
		{ 0xe0, 0xa0, 0xbf }, /* below: too long a form */
		{ 0xed, 0x80, 0x9f }, /* above: surrogates */
		{ 0xf0, 0x90, 0xbf }, /* below: too long a form */
		{ 0xf4, 0x80, 0x8f }, /* above: beyond U+10FFFF */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (first == rows[i].first)
			return second >= rows[i].low && second <= rows[i].high;
	return true;
}

unsigned letter_read(const char *text, uint32_t *ret_letter)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned n = sequence_bytes(at[0]);
	uint32_t letter;

	if (n < 2)
		return 0;
	letter = at[0] & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		letter = letter << 6 | (at[i] & 0x3f);
	}
	if (!is_second(at[0], at[1]))
		return 0;
	*ret_letter = letter;
	return n;
}

bool letter_is_hidden(uint32_t letter)
{
	static const struct {
		uint32_t first, last;
	} rows[] = {
		{ 0x80, 0x9f },       /* controls */
		{ 0xad, 0xad },       /* a soft hyphen */
		{ 0x61c, 0x61c },     /* a mark of direction */
		{ 0x180e, 0x180e },   /* a separator of vowels */
		{ 0x200b, 0x200f },   /* without width; marks of direction */
		{ 0x2028, 0x202e },   /* ends of lines; embeddings, overrides */
		{ 0x2060, 0x206f },   /* joiners, isolates, shapes of digits */
		{ 0xfeff, 0xfeff },   /* a mark of byte order */
		{ 0xfff9, 0xfffb },   /* annotations */
		{ 0xe0000, 0xe007f }, /* tags */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (letter >= rows[i].first && letter <= rows[i].last)
			return true;
	return false;
}
