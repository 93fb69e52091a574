/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_SCREEN_H
#define CTL_TOP_SCREEN_H

/* The terminal of ringmainctl top, by ncurses: tables, of which one row is chosen. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

struct top_column {
	const char *key, *title;
	bool is_optional; /* it is shown where a row has a value */
};

/* The columns of rows of a kind: the first are shown where there is no room for all. */
struct top_table {
	const char *kind;
	const struct top_column *columns;
	size_t columns_n;
};

struct top_picture {
	const char *head, *rates; /* the first two lines */
	const struct top_table *tables;
	size_t tables_n;
	const json_t *rows; /* an array in the order of the tables, NULL for none; rows "attention"
			       are told on top, too */
	size_t chosen;      /* index in @rows */
	const char *detail; /* of the chosen row, in lines of its own above the foot; or "" */
	const char *foot;
	bool is_question, is_trouble; /* what the foot is */
};

/* False without a terminal that can do this. */
MUST_CHECK bool top_screen_open(void);
void top_screen_close(void);
void top_screen_draw(const struct top_picture *picture);

/* Is the terminal wide enough for @line? A question that is cut is not shown, no answer counts. */
MUST_CHECK bool top_screen_shows(const char *line);

enum top_key {
	TOP_KEY_NONE = -1, /* time is over */
	TOP_KEY_UP = 256,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_FIRST,
	TOP_KEY_LAST,
	TOP_KEY_NEXT,   /* to the next table */
	TOP_KEY_BEFORE, /* and back */
	TOP_KEY_ENTER,
	TOP_KEY_BACK,
	TOP_KEY_RESIZE,
};

/* A key within @ms, or until @fd, unless it is -1, is readable: one of these, or a character. */
int top_screen_key(int ms, int fd);

#endif
