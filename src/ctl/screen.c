/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/screen.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/def.h"

#define CELL_BYTES 512
#define COLUMNS_MAX 64

/* ---- cells --------------------------------------------------------------- */

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

/* The two largest units that say something: 1h5m, 2d3h, 12s, 40ms. */
static void write_time(long long ms, char text[CELL_BYTES])
{
	static const struct {
		const char *name;
		long long ms;
	} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		long long rest = ms % units[i].ms;

		if (ms < units[i].ms)
			continue;
		if (i + 1 < ARRAY_LEN(units) && rest >= units[i + 1].ms)
			snprintf(text, CELL_BYTES, "%lld%s%lld%s", ms / units[i].ms, units[i].name,
				 rest / units[i + 1].ms, units[i + 1].name);
		else
			snprintf(text, CELL_BYTES, "%lld%s", ms / units[i].ms, units[i].name);
		return;
	}
	snprintf(text, CELL_BYTES, "%lldms", ms);
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

	if (strcmp(unit, "_ms") == 0)
		write_time(value, text);
	else if (strstr(unit, "bytes"))
		write_bytes(value, text);
	else
		snprintf(text, CELL_BYTES, "%lld%s", value, *unit ? "%" : "");
}

/* No control characters, of ASCII or of the second row of Unicode, which terminals obey, too. */
static void write_harmless(const char *from, char text[CELL_BYTES])
{
	const unsigned char *at = (const unsigned char *)from;
	size_t n = 0;

	for (; *at && n + 1 < CELL_BYTES; at++) {
		bool is_second = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

		text[n++] = *at < ' ' || *at == 0x7f || is_second ? '?' : (char)*at;
		at += is_second;
	}
	text[n] = '\0';
}

static const char *write_cell(const char *key, const json_t *value, char text[CELL_BYTES])
{
	if (json_is_string(value))
		write_harmless(json_string_value(value), text);
	else if (json_is_integer(value))
		write_number(key, json_integer_value(value), text);
	else
		snprintf(text, CELL_BYTES, "%s",
			 json_is_true(value)    ? "yes"
			 : json_is_false(value) ? "no"
						: "-");
	return text;
}

/* How many columns of the terminal it takes: letters of UTF-8, all as wide as one. */
static int width_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* ---- tables -------------------------------------------------------------- */

struct column {
	const char *key;
	char title[64];
	int width;
	bool is_number;
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n;
};

static void write_title(const char *key, char title[64])
{
	const char *unit = unit_of(key);
	size_t n = MIN(strlen(key) - strlen(unit), (size_t)63);

	if (*unit && *unit != '_') /* in front */
		key += strlen(unit);

	for (size_t i = 0; i < n; i++)
		title[i] = (char)toupper((unsigned char)key[i]);
	title[n] = '\0';
}

static struct column *column_of(struct table *t, const char *key)
{
	struct column *c = &t->columns[t->n];

	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->columns[i].key, key) == 0)
			return &t->columns[i];
	if (t->n == COLUMNS_MAX)
		return NULL;
	t->n++;
	*c = (struct column){ .key = key, .is_number = true };
	write_title(key, c->title);
	c->width = width_of(c->title);
	return c;
}

static void measure(struct table *t, json_t *row)
{
	char text[CELL_BYTES];
	const char *key;
	json_t *value;

	json_object_foreach(row, key, value)
	{
		struct column *c = strcmp(key, "row") == 0 ? NULL : column_of(t, key);

		if (!c)
			continue;
		c->width = MAX(c->width, width_of(write_cell(key, value, text)));
		c->is_number &= json_is_integer(value);
	}
}

static void print_padded(const char *text, const struct column *c, bool is_last)
{
	int spaces = c->width - width_of(text);

	if (c->is_number)
		printf("%*s%s", spaces, "", text);
	else if (is_last)
		fputs(text, stdout);
	else
		printf("%s%*s", text, spaces, "");
	fputs(is_last ? "\n" : "  ", stdout);
}

static void print_row(const struct table *t, const json_t *row)
{
	char text[CELL_BYTES];

	for (size_t i = 0; i < t->n; i++) {
		const json_t *value = json_object_get(row, t->columns[i].key);

		print_padded(value ? write_cell(t->columns[i].key, value, text) : "-",
			     &t->columns[i], i + 1 == t->n);
	}
}

static const char *kind_of(const json_t *rows, size_t i)
{
	const char *kind = json_string_value(json_object_get(json_array_get(rows, i), "row"));

	return kind ? kind : "";
}

static void show_table(const json_t *rows, size_t from, size_t to)
{
	static struct table t;

	t.n = 0;
	for (size_t i = from; i < to; i++)
		measure(&t, json_array_get(rows, i));
	for (size_t i = 0; i < t.n; i++)
		print_padded(t.columns[i].title, &t.columns[i], i + 1 == t.n);
	for (size_t i = from; i < to; i++)
		print_row(&t, json_array_get(rows, i));
}

/* The process is one thing: its facts stand in one line. */
static void show_facts(json_t *row)
{
	const char *between = "", *key;
	char text[CELL_BYTES], title[64];
	json_t *value;

	json_object_foreach(row, key, value)
	{
		if (strcmp(key, "row") == 0)
			continue;
		write_title(key, title);
		for (char *c = title; *c; c++)
			*c = *c == '_' ? ' ' : (char)tolower((unsigned char)*c);
		printf("%s%s %s", between, title, write_cell(key, value, text));
		between = ", ";
	}
	putchar('\n');
}

void screen_show(const json_t *rows)
{
	size_t n = json_array_size(rows), to;

	for (size_t from = 0; from < n; from = to) {
		for (to = from + 1; to < n && strcmp(kind_of(rows, from), kind_of(rows, to)) == 0;)
			to++;
		if (from > 0)
			putchar('\n');
		if (strcmp(kind_of(rows, from), "process") == 0)
			show_facts(json_array_get(rows, from));
		else
			show_table(rows, from, to);
	}
}

void screen_show_event(const json_t *row)
{
	char text[CELL_BYTES];
	const char *between = "", *key;
	json_t *value;

	json_object_foreach((json_t *)row, key, value)
	{
		if (strcmp(key, "row") == 0)
			continue;
		printf("%s%s=%s", between, key, write_cell(key, value, text));
		between = " ";
	}
	putchar('\n');
	fflush(stdout);
}
