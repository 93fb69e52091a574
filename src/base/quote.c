/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/quote.h"

#include "base/check.h"

#include <stdint.h>
#include <string.h>

#define ESCAPE_BYTES_MAX 6 /* \u00NN */

enum { ESCAPED, QUOTED, BARE };

/* What a byte needs in logfmt; JSON knows only ESCAPED and the others. */
static const uint8_t needs[256] = {
	[' '] = QUOTED, ['!'] = BARE,         ['#' ... '<'] = BARE,
	['='] = QUOTED, ['>' ... '['] = BARE, [']' ... '~'] = BARE,
};

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

/*
 * How many bytes of @text may pass as they are because they are one letter
 * beyond ASCII: well-formed by table 3-7 of the Unicode standard, and not one
 * of the controls U+0080 to U+009F. 0 when there is none.
 */
static unsigned letter_bytes(const unsigned char *text)
{
	static const struct {
		unsigned char first, low, high;
	} second_bytes[] = {
		{ 0xc2, 0xa0, 0xbf }, /* below: controls */
		{ 0xe0, 0xa0, 0xbf }, /* below: too long a form */
		{ 0xed, 0x80, 0x9f }, /* above: surrogates */
		{ 0xf0, 0x90, 0xbf }, /* below: too long a form */
		{ 0xf4, 0x80, 0x8f }, /* above: beyond U+10FFFF */
	};
	unsigned n = sequence_bytes(text[0]);

	if (n < 2)
		return 0;
	for (unsigned i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(second_bytes); i++) {
		if (text[0] == second_bytes[i].first &&
		    (text[1] < second_bytes[i].low || text[1] > second_bytes[i].high))
			return 0;
	}
	return n;
}

/* How a format writes a byte that may not stand as it is. */
struct escapes {
	const char *hex_prefix;
	const char *short_ones; /* bytes that a letter behind a backslash stands for */
};

static const struct escapes logfmt = { "\\x", "\n\r\t\"\\" };
static const struct escapes json = { "\\u00", "\n\r\t\"\\" };
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
	size_t n = letter_bytes(from);
	char escaped[ESCAPE_BYTES_MAX];
	const void *out = from;

	*ret_written = n;
	if (n == 0) {
		n = 1;
		*ret_written = escape(escaped, *from, escapes);
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
