/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/screen.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/def.h"
#include "ctl/cell.h"

#define COLUMNS_MAX 64

/* ---- tables -------------------------------------------------------------- */

struct column {
	const char *key;
	char title[CELL_TITLE_BYTES];
	int width;
	bool is_number;
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n;
};

static void insert_column(struct table *t, size_t at, const char *key)
{
	struct column *c = &t->columns[at];

	memmove(c + 1, c, (t->n - at) * sizeof(*c));
	t->n++;
	*c = (struct column){ .key = key, .is_number = true };
	cell_title(key, c->title);
	c->width = cell_width(c->title);
}

/* A new one stands where its row has it: behind @at, the column of the member before it. */
static struct column *column_of(struct table *t, const char *key, size_t *at)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->columns[i].key, key) != 0)
		i++;
	if (i == t->n) {
		if (t->n == COLUMNS_MAX)
			return NULL;
		i = *at;
		insert_column(t, i, key);
	}
	*at = i + 1;
	return &t->columns[i];
}

static void measure(struct table *t, json_t *row)
{
	char text[CELL_BYTES];
	const char *key;
	json_t *value;
	size_t at = 0;

	json_object_foreach(row, key, value)
	{
		struct column *c = strcmp(key, "row") == 0 ? NULL : column_of(t, key, &at);

		if (!c)
			continue;
		c->width = MAX(c->width, cell_width(cell_write(key, value, text)));
		c->is_number &= json_is_integer(value);
	}
}

static void print_padded(const char *text, const struct column *c, bool is_last)
{
	int spaces = c->width - cell_width(text);

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

		print_padded(value ? cell_write(t->columns[i].key, value, text) : "-",
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
	char text[CELL_BYTES], title[CELL_TITLE_BYTES];
	json_t *value;

	json_object_foreach(row, key, value)
	{
		if (strcmp(key, "row") == 0)
			continue;
		cell_title(key, title);
		for (char *c = title; *c; c++)
			*c = *c == '_' ? ' ' : (char)tolower((unsigned char)*c);
		printf("%s%s %s", between, title, cell_write(key, value, text));
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

/* The value has its unit of time, and the name needs none beside it. */
static size_t name_bytes(const char *key)
{
	const size_t n = strlen(key), unit = strlen("_ms");

	return n > unit && strcmp(key + n - unit, "_ms") == 0 ? n - unit : n;
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
		printf("%s%.*s=%s", between, (int)name_bytes(key), key,
		       cell_write(key, value, text));
		between = " ";
	}
	putchar('\n');
	fflush(stdout);
}
