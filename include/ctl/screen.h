/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

/*
 * Rows that ringmain sent, as people read them: those of one kind that follow
 * each other are a table, whose columns are their keys. Units are at the end
 * of a key, as everywhere in ringmain: an uptime_ms of 90000 is "UPTIME 1m30s".
 * What clients and backends wrote can do nothing to the terminal.
 */

#include <jansson.h>

/* @rows: an array of objects. */
void screen_show(const json_t *rows);
/* One row of an endless answer, as one line. */
void screen_show_event(const json_t *row);

#endif
