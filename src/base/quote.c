/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/quote.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/letter.h"

#define ESCAPE_BYTES_MAX 12 /* \udNNN\udNNN */

enum { ESCAPED, QUOTED, BARE };

/* What a byte needs in logfmt; JSON knows only ESCAPED and the others. */
static const uint8_t needs[256] = {
	[' '] = QUOTED, ['!'] = BARE,         ['#' ... '<'] = BARE,
	['='] = QUOTED, ['>' ... '['] = BARE, [']' ... '~'] = BARE,
};

/* How a format writes a byte that may not stand as it is. */
struct escapes {
	const char *hex_prefix;
	const char *short_ones; /* bytes that a letter behind a backslash stands for */
	bool has_letters;       /* one by the number of a letter, not of a byte */
};

static const struct escapes logfmt = { "\\x", "\n\r\t\"\\" };
static const struct escapes json = { "\\u00", "\n\r\t\"\\", true };
/* It knows no escape by number: a reader sees \xNN. */
static const struct escapes label = { "\\\\x", "\n\"\\" };

/* The letter of a two-byte escape that the format knows, or 0. */
static char short_escape(unsigned char c, const struct escapes *escapes)
{
	if (!strchr(escapes->short_ones, c))
		return 0;
	switch (c) {
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	case '"':
	case '\\':
		return (char)c;
	default:
		return 0;
	}
}

static size_t escape(char *at, unsigned char c, const struct escapes *escapes)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(escapes->hex_prefix);

	at[0] = '\\';
	at[1] = short_escape(c, escapes);
	if (at[1] != 0)
		return 2;
	memcpy(at, escapes->hex_prefix, n);
	at[n++] = digits[c >> 4];
	at[n++] = digits[c & 15];
	return n;
}

/* As JSON has it: by UTF-16, in two halves beyond U+FFFF. */
static size_t escape_letter(char to[ESCAPE_BYTES_MAX + 1], uint32_t letter)
{
	if (letter < 0x10000)
		return (size_t)snprintf(to, ESCAPE_BYTES_MAX + 1, "\\u%04x", letter);
	letter -= 0x10000;
	return (size_t)snprintf(to, ESCAPE_BYTES_MAX + 1, "\\u%04x\\u%04x", 0xd800 | letter >> 10,
				0xdc00 | (letter & 0x3ff));
}

/* How many bytes of @text, at most @room, may pass as they are. */
static size_t plain_bytes(const unsigned char *text, size_t room)
{
	size_t n = 0;

	while (n < room && needs[text[n]] != ESCAPED)
		n++;
	return n;
}

/* Writes one letter, or the escape for a byte; returns how many of @from it used, 0 if no room. */
static size_t put_letter(char *at, size_t room, const unsigned char *from,
			 const struct escapes *escapes, size_t *ret_written)
{
	uint32_t letter = 0;
	size_t n = letter_read((const char *)from, &letter);
	char escaped[ESCAPE_BYTES_MAX + 1];
	const void *out = from;

	*ret_written = n;
	if (n == 0 || (letter_is_hidden(letter) && !escapes->has_letters)) {
		n = 1;
		*ret_written = escape(escaped, *from, escapes);
		out = escaped;
	} else if (letter_is_hidden(letter)) {
		*ret_written = escape_letter(escaped, letter);
		out = escaped;
	}
	if (*ret_written > room)
		return 0;
	memcpy(at, out, *ret_written);
	return n;
}

static size_t quote(char *at, size_t room, const char *text, const struct escapes *escapes,
		    bool *ret_is_cut)
{
	const unsigned char *from = (const unsigned char *)text;
	const size_t limit = room - 1;
	size_t n = 0;

	CHECK(room >= QUOTE_ROOM_MIN);
	at[n++] = '"';
	for (;;) {
		size_t plain = plain_bytes(from, limit - n), used, written;

		memcpy(at + n, from, plain);
		n += plain;
		from += plain;
		if (*from == '\0')
			break;
		used = put_letter(at + n, limit - n, from, escapes, &written);
		if (used == 0) {
			*ret_is_cut = true;
			break;
		}
		n += written;
		from += used;
	}
	at[n++] = '"';
	return n;
}

size_t quote_json(char *at, size_t room, const char *text, bool *ret_is_cut)
{
	return quote(at, room, text, &json, ret_is_cut);
}

size_t quote_label(char *at, size_t room, const char *text, bool *ret_is_cut)
{
	return quote(at, room, text, &label, ret_is_cut);
}

size_t quote_always(char *at, size_t room, const char *text, bool *ret_is_cut)
{
	return quote(at, room, text, &logfmt, ret_is_cut);
}

size_t quote_logfmt(char *at, size_t room, const char *text, bool *ret_is_cut)
{
	size_t n = 0;

	while (needs[(unsigned char)text[n]] == BARE)
		n++;
	if (n == 0 || n > room || text[n] != '\0')
		return quote_always(at, room, text, ret_is_cut);
	memcpy(at, text, n);
	return n;
}
