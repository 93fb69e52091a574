/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/base64.h"

#include <string.h>

#define GROUP_LETTERS 4
#define GROUP_BYTES 3
#define LETTER_BITS 6

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *out, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	size_t written = 0;

	for (size_t i = 0; i < n; i += GROUP_BYTES) {
		const size_t left = MIN(n - i, (size_t)GROUP_BYTES);
		const uint32_t group = (uint32_t)at[i] << 16 |
				       (uint32_t)(left > 1 ? at[i + 1] : 0) << 8 |
				       (uint32_t)(left > 2 ? at[i + 2] : 0);

		for (size_t k = 0; k < GROUP_LETTERS; k++)
			out[written++] = k <= left ? letters[group >> (18 - LETTER_BITS * k) & 63]
						   : '=';
	}
	out[written] = '\0';
	return written;
}

/* The value of a letter; -1: it is none. */
static int value_of(char letter)
{
	const char *at = letter != '\0' ? strchr(letters, letter) : NULL;

	return at ? (int)(at - letters) : -1;
}

/* How many bytes a group stands for; 0: it is malformed. */
static size_t read_group(const char *text, bool is_last, uint8_t out[GROUP_BYTES])
{
	size_t bytes = GROUP_BYTES;
	uint32_t group = 0;

	if (is_last && text[3] == '=')
		bytes = text[2] == '=' ? 1 : 2;
	for (size_t k = 0; k <= bytes; k++) {
		const int value = value_of(text[k]);

		if (value < 0)
			return 0;
		group |= (uint32_t)value << (18 - LETTER_BITS * k);
	}
	for (size_t k = 0; k < GROUP_BYTES; k++)
		out[k] = (uint8_t)(group >> (16 - 8 * k));
	/* Bits that stand for nothing are zero: one text for each value. */
	for (size_t k = bytes; k < GROUP_BYTES; k++)
		if (out[k] != 0)
			return 0;
	return bytes;
}

bool base64_decode(const char *text, size_t n, uint8_t *out, size_t room, size_t *ret_n)
{
	size_t written = 0;

	if (n % GROUP_LETTERS != 0)
		return false;
	for (size_t i = 0; i < n; i += GROUP_LETTERS) {
		uint8_t group[GROUP_BYTES];
		const size_t bytes = read_group(text + i, i + GROUP_LETTERS == n, group);

		if (bytes == 0 || bytes > room - written)
			return false;
		memcpy(out + written, group, bytes);
		written += bytes;
	}
	*ret_n = written;
	return true;
}
