/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "x509/directory_string.h"

/* 0: a type that is not read. */
static size_t letter_bytes(uint8_t tag)
{
	switch (tag) {
	case DIRECTORY_UTF8:
	case DIRECTORY_NUMERIC:
	case DIRECTORY_PRINTABLE:
	case DIRECTORY_TELETEX:
	case DIRECTORY_IA5:
	case DIRECTORY_VISIBLE:
		return 1;
	case DIRECTORY_BMP:
		return 2;
	case DIRECTORY_UNIVERSAL:
		return 4;
	default:
		return 0;
	}
}

static uint32_t letter_at(const uint8_t *bytes, size_t size)
{
	uint32_t letter = 0;

	for (size_t i = 0; i < size; i++)
		letter = letter << 8 | bytes[i];
	return letter;
}

static bool is_letter(uint8_t tag, uint32_t letter)
{
	bool is_half = letter >= 0xd800 && letter <= 0xdfff; /* of a pair of UTF-16 */

	if (letter == 0)
		return false;
	if (tag == DIRECTORY_UTF8)
		return true;
	if (tag == DIRECTORY_BMP || tag == DIRECTORY_UNIVERSAL)
		return !is_half && letter <= 0x10ffff;
	return letter < 0x80;
}

bool directory_string_is_clear(uint8_t tag, const uint8_t *bytes, size_t n)
{
	size_t size = letter_bytes(tag);

	if (size == 0 || n % size != 0)
		return false;
	for (size_t i = 0; i < n; i += size) {
		if (!is_letter(tag, letter_at(bytes + i, size)))
			return false;
	}
	return true;
}

static void put_utf8(uint32_t letter, FILE *to)
{
	static const uint8_t first[] = { 0, 0xc0, 0xe0, 0xf0 };
	size_t more = (letter >= 0x80) + (letter >= 0x800) + (letter >= 0x10000);

	putc((int)(first[more] | letter >> (6 * more)), to);
	while (more-- > 0)
		putc((int)(0x80 | (letter >> (6 * more) & 0x3f)), to);
}

void directory_string_write(uint8_t tag, const uint8_t *bytes, size_t n, FILE *to)
{
	size_t size = letter_bytes(tag);

	if (size == 1) {
		fwrite(bytes, 1, n, to);
		return;
	}
	for (size_t i = 0; size > 0 && i < n; i += size)
		put_utf8(letter_at(bytes + i, size), to);
}
