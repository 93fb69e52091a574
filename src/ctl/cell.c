/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/cell.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/def.h"
#include "base/letter.h"
#include "base/text.h"

static const char *unit_of(const char *key)
{
	static const char *const units[] = { "_ms", "_bytes", "_percent" };
	size_t n = strlen(key);

	if (strncmp(key, "bytes_", strlen("bytes_")) == 0)
		return "bytes_";

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (n > strlen(units[i]) && strcmp(key + n - strlen(units[i]), units[i]) == 0)
			return units[i];
	return "";
}

static void write_bytes(long long bytes, char text[CELL_BYTES])
{
	static const char letters[] = "kMGTPE";
	double value = (double)bytes;
	size_t n = 0;

	if (bytes < 1024) {
		snprintf(text, CELL_BYTES, "%lld", bytes);
		return;
	}
	for (value /= 1024; value >= 1024 && letters[n + 1]; n++)
		value /= 1024;
	snprintf(text, CELL_BYTES, value < 10 ? "%.1f%c" : "%.0f%c", value, letters[n]);
}

static void write_number(const char *key, long long value, char text[CELL_BYTES])
{
	const char *unit = unit_of(key);
	char age[TEXT_NUMBER_BYTES];

	if (strcmp(unit, "_ms") == 0)
		snprintf(text, CELL_BYTES, "%s", text_age((uint64_t)MAX(value, 0), age));
	else if (strstr(unit, "bytes"))
		write_bytes(value, text);
	else
		snprintf(text, CELL_BYTES, "%lld%s", value, *unit ? "%" : "");
}

const char *cell_clean(const char *from, char text[CELL_BYTES])
{
	const char *end = from + text_cut(from, CELL_BYTES - 1);
	size_t n = 0;

	while (from < end) {
		uint32_t letter = (unsigned char)*from;
		unsigned bytes = letter_read(from, &letter);

		if (letter < ' ' || letter == 0x7f || (bytes > 0 && letter_is_hidden(letter)))
			text[n++] = '?';
		else
			n = (size_t)((char *)mempcpy(text + n, from, MAX(bytes, 1)) - text);
		from += MAX(bytes, 1);
	}
	text[n] = '\0';
	return text;
}

const char *cell_write(const char *key, const json_t *value, char text[CELL_BYTES])
{
	if (json_is_string(value))
		(void)cell_clean(json_string_value(value), text);
	else if (json_is_integer(value))
		write_number(key, json_integer_value(value), text);
	else
		snprintf(text, CELL_BYTES, "%s",
			 json_is_true(value)    ? "yes"
			 : json_is_false(value) ? "no"
						: "-");
	return text;
}

int cell_width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void cell_title(const char *key, char title[CELL_TITLE_BYTES])
{
	const char *unit = unit_of(key);
	size_t n = MIN(strlen(key) - strlen(unit), (size_t)CELL_TITLE_BYTES - 1);

	if (*unit && *unit != '_') /* in front */
		key += strlen(unit);

	for (size_t i = 0; i < n; i++)
		title[i] = (char)toupper((unsigned char)key[i]);
	title[n] = '\0';
}
