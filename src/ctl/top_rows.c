/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

#define NAME_BYTES 256
/* One that does not answer for so long is asked over another connection. */
#define PATIENCE_S 5

void top_rows_init(struct top_rows *t, const char *path)
{
	*t = (struct top_rows){ .path = path };
}

static void hang_up(struct top_rows *t)
{
	if (t->is_open)
		link_close(&t->link);
	t->is_open = false;
}

void top_rows_forget(struct top_rows *t)
{
	json_decref(t->rows);
	json_decref(t->before);
	t->rows = t->before = NULL;
}

void top_rows_free(struct top_rows *t)
{
	hang_up(t);
	top_rows_forget(t);
}

const char *top_rows_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

void top_rows_name(const json_t *row, char *name, size_t room)
{
	const char *kind = top_rows_text(row, "row");

	if (strcmp(kind, "session") == 0)
		snprintf(name, room, "session %lld",
			 (long long)json_integer_value(json_object_get(row, "id")));
	else if (strcmp(kind, "backend") == 0)
		snprintf(name, room, "backend %s/%s", top_rows_text(row, "pool"),
			 top_rows_text(row, "backend"));
	else
		snprintf(name, room, "%s %s", kind, top_rows_text(row, kind));
}

/* ---- rates --------------------------------------------------------------- */

static long long number_of(const json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static void set_rate(json_t *row, const json_t *before, uint64_t ms, const char *key,
		     const char *rate_key)
{
	long long more = number_of(row, key) - number_of(before, key);

	if (json_object_get(row, key) && more >= 0 && ms > 0)
		json_object_set_new(row, rate_key, json_integer(more * 1000 / (long long)ms));
}

static void set_rates(json_t *row, const json_t *before, uint64_t ms)
{
	set_rate(row, before, ms, "total", "new_per_s");
	set_rate(row, before, ms, "bytes_up", "bytes_up_per_s");
	set_rate(row, before, ms, "bytes_down", "bytes_down_per_s");
	json_object_set_new(row, "bytes_per_s",
			    json_integer(number_of(row, "bytes_up_per_s") +
					 number_of(row, "bytes_down_per_s")));
}

/* Keeps @rows for the next time, by their names. */
static json_t *by_name(json_t *rows)
{
	json_t *all = json_object(), *row;
	char name[NAME_BYTES];
	size_t n;

	json_array_foreach(rows, n, row)
	{
		top_rows_name(row, name, sizeof(name));
		json_object_set(all, name, row);
	}
	return all;
}

static void take_rows(struct top_rows *t, json_t *rows)
{
	uint64_t now_ms = clock_now_ms(), ms = now_ms - t->at_ms;
	char name[NAME_BYTES];
	json_t *row;
	size_t n;

	json_array_foreach(rows, n, row)
	{
		const json_t *before;

		top_rows_name(row, name, sizeof(name));
		before = json_object_get(t->before, name);
		if (before)
			set_rates(row, before, ms);
	}
	top_rows_forget(t);
	t->rows = rows;
	t->before = by_name(rows);
	t->at_ms = now_ms;
}

/* ---- questions and answers ----------------------------------------------- */

static int open_link(struct top_rows *t)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int err = t->is_open ? 0 : link_open(&t->link, t->path);

	if (err < 0) {
		snprintf(t->error, sizeof(t->error), "%s: %s", t->path, strerror(-err));
		return err;
	}
	t->is_open = true;
	(void)!setsockopt(t->link.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)!setsockopt(t->link.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return 0;
}

/* Gives the last row, the caller's; NULL when none came. */
static json_t *receive(struct top_rows *t, json_t *rows)
{
	json_t *row;

	while ((row = link_receive(&t->link))) {
		if (strcmp(top_rows_text(row, "row"), "end") == 0)
			return row;
		json_array_append_new(rows, row);
	}
	return NULL;
}

/* Gives the rows, the caller's, or NULL and why. */
static json_t *top_rows_fetch(struct top_rows *t, char *const *words)
{
	json_t *rows = json_array(), *end = NULL;
	bool is_good;

	t->error[0] = '\0';
	if (open_link(t) == 0 && link_send(&t->link, words, false) == 0)
		end = receive(t, rows);
	if (!end && !t->error[0])
		snprintf(t->error, sizeof(t->error), "no answer from %s", t->path);
	if (!end)
		hang_up(t);
	is_good = strcmp(top_rows_text(end, "code"), "ok") == 0;
	if (end && !is_good)
		snprintf(t->error, sizeof(t->error), "%s", top_rows_text(end, "error"));
	json_decref(end);
	if (is_good)
		return rows;
	json_decref(rows);
	return NULL;
}

void top_rows_ask(struct top_rows *t, char *const *words)
{
	json_t *rows = top_rows_fetch(t, words);

	if (rows)
		take_rows(t, rows);
}

void top_rows_command(struct top_rows *t, char *const *words)
{
	json_decref(top_rows_fetch(t, words));
}
