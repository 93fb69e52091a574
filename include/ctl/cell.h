/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_CELL_H
#define CTL_CELL_H

/*
 * A value that ringmain sent, as people read it. Units are at the end of a
 * key, as everywhere in ringmain: an uptime_ms of 90000 is "UPTIME 1m30s".
 * What clients and backends wrote can do nothing to the terminal.
 */

#include <jansson.h>

#define CELL_BYTES 512
#define CELL_TITLE_BYTES 64

/* Gives @text; "-" for a value that is none. */
const char *cell_write(const char *key, const json_t *value, char text[CELL_BYTES]);
/* A text as it is, but for what terminals obey and what shows nothing itself: a ? each. */
const char *cell_clean(const char *from, char text[CELL_BYTES]);
/* In capitals, without the unit. */
void cell_title(const char *key, char title[CELL_TITLE_BYTES]);
/* How many columns of the terminal it takes: letters of UTF-8, all as wide as one. */
int cell_width(const char *text);

#endif
