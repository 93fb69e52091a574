/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define NAME_BYTES 256
#define READ_BYTES 65536
/* When one has not answered for so long it is said. */
#define PATIENCE_MS 2000

void top_rows_init(struct top_rows *t, const char *path)
{
	*t = (struct top_rows){ .path = path };
}

static void hang_up(struct top_rows *t)
{
	if (t->is_open)
		link_close(&t->link);
	json_decref(t->coming);
	t->coming = NULL;
	t->is_open = t->is_asked = false;
	t->n = 0;
}

void top_rows_forget(struct top_rows *t)
{
	json_decref(t->rows);
	json_decref(t->before);
	t->rows = t->before = NULL;
	t->is_stale = t->is_asked;
}

void top_rows_free(struct top_rows *t)
{
	hang_up(t);
	top_rows_forget(t);
	free(t->bytes);
}

const char *top_rows_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

long long top_rows_number(const json_t *row, const char *key)
{
	if (strcmp(key, "bytes") == 0)
		return top_rows_number(row, "bytes_up") + top_rows_number(row, "bytes_down");
	return (long long)json_integer_value(json_object_get(row, key));
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
	else if (strcmp(kind, "certificate") == 0)
		snprintf(name, room, "certificate %s %s", top_rows_text(row, "listener"),
			 top_rows_text(row, "file"));
	else
		snprintf(name, room, "%s %s", kind, top_rows_text(row, kind));
}

/* ---- rates --------------------------------------------------------------- */

static void set_rate(json_t *row, const json_t *before, uint64_t ms, const char *key,
		     const char *rate_key)
{
	long long more = top_rows_number(row, key) - top_rows_number(before, key);

	if (json_object_get(row, key) && more >= 0 && ms > 0)
		json_object_set_new(row, rate_key, json_integer(more * 1000 / (long long)ms));
}

static void set_rates(json_t *row, const json_t *before, uint64_t ms)
{
	set_rate(row, before, ms, "total", "new_per_s");
	set_rate(row, before, ms, "bytes_up", "bytes_up_per_s");
	set_rate(row, before, ms, "bytes_down", "bytes_down_per_s");
	json_object_set_new(row, "bytes_per_s",
			    json_integer(top_rows_number(row, "bytes_up_per_s") +
					 top_rows_number(row, "bytes_down_per_s")));
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

/* ---- what is made of them ------------------------------------------------- */

#define CHANGES_MAX 6
#define START_MS 50 /* what is as old as the process has not changed */

static json_t *change_of(const json_t *row)
{
	char name[NAME_BYTES];
	json_t *change = json_object();

	snprintf(name, sizeof(name), "%s / %s", top_rows_text(row, "pool"),
		 top_rows_text(row, "backend"));
	json_object_set_new(change, "row", json_string("change"));
	json_object_set_new(change, "change", json_string(name));
	json_object_set(change, "ago_ms", json_object_get(row, "since_ms"));
	for (const char *const *key = (const char *const[]){ "state", "by", "why", NULL }; *key;
	     key++)
		if (json_object_get(row, *key))
			json_object_set(change, *key, json_object_get(row, *key));
	return change;
}

static json_t *reload_of(const json_t *process)
{
	json_t *change = json_object();

	json_object_set_new(change, "row", json_string("change"));
	json_object_set_new(change, "change", json_string("reload"));
	json_object_set(change, "ago_ms", json_object_get(process, "reload_age_ms"));
	json_object_set(change, "state", json_object_get(process, "reload_outcome"));
	if (json_object_get(process, "reload_error"))
		json_object_set(change, "why", json_object_get(process, "reload_error"));
	return change;
}

/* Takes @change; the newest are first. */
static void insert_change(json_t *changes, json_t *change)
{
	size_t at = 0;

	while (at < json_array_size(changes) &&
	       top_rows_number(json_array_get(changes, at), "ago_ms") <=
		       top_rows_number(change, "ago_ms"))
		at++;
	json_array_insert_new(changes, at, change);
	if (json_array_size(changes) > CHANGES_MAX)
		json_array_remove(changes, CHANGES_MAX);
}

/* What changed last, as rows behind the others. */
static void add_changes(json_t *rows)
{
	json_t *changes = json_array(), *row;
	long long up_ms = 0;
	size_t n;

	json_array_foreach(rows, n, row)
	{
		const char *kind = top_rows_text(row, "row");
		const json_t *since = json_object_get(row, "since_ms");

		if (strcmp(kind, "process") == 0)
			up_ms = top_rows_number(row, "uptime_ms");
		if (strcmp(kind, "process") == 0 && json_object_get(row, "reload_age_ms"))
			insert_change(changes, reload_of(row));
		if (strcmp(kind, "backend") == 0 && since &&
		    top_rows_number(row, "since_ms") + START_MS < up_ms)
			insert_change(changes, change_of(row));
	}
	json_array_extend(rows, changes);
	json_decref(changes);
}

/* ---- questions and answers ----------------------------------------------- */

static int open_link(struct top_rows *t)
{
	int err = t->is_open ? 0 : link_open(&t->link, t->path);

	if (err < 0)
		snprintf(t->error, sizeof(t->error), "%s: %s", t->path, strerror(-err));
	t->is_open = err == 0;
	return err;
}

static void ask(struct top_rows *t, char *const *words, bool is_command)
{
	if (t->is_asked || open_link(t) < 0)
		return;
	if (link_send(&t->link, words, false) < 0) {
		snprintf(t->error, sizeof(t->error), "no answer from %s", t->path);
		hang_up(t);
		return;
	}
	t->is_asked = true;
	t->is_stale = false;
	t->is_command = is_command;
	t->asked_ms = clock_now_ms();
	t->coming = json_array();
}

void top_rows_ask(struct top_rows *t, char *const *words)
{
	ask(t, words, false);
}

void top_rows_command(struct top_rows *t, char *const *words)
{
	ask(t, words, true);
}

int top_rows_fd(const struct top_rows *t)
{
	return t->is_asked ? t->link.fd : -1;
}

/* The last row: rows that are wanted are taken. */
static void end_answer(struct top_rows *t, const json_t *end)
{
	const bool is_good = strcmp(top_rows_text(end, "code"), "ok") == 0;
	json_t *rows = t->coming;

	t->coming = NULL;
	t->is_asked = false;
	snprintf(t->error, sizeof(t->error), "%s", is_good ? "" : top_rows_text(end, "error"));
	if (is_good && !t->is_command && !t->is_stale) {
		add_changes(rows);
		take_rows(t, rows);
	} else {
		json_decref(rows);
	}
}

/* Gives whether it was the last one. */
static bool take_line(struct top_rows *t, const char *line, size_t n)
{
	json_t *row = json_loadb(line, n, 0, NULL);
	const bool is_end = strcmp(top_rows_text(row, "row"), "end") == 0;

	if (is_end)
		end_answer(t, row);
	else if (json_is_object(row))
		json_array_append(t->coming, row);
	json_decref(row);
	return is_end;
}

static bool take_lines(struct top_rows *t)
{
	size_t from = 0;
	char *end;

	while (t->is_asked && (end = memchr(t->bytes + from, '\n', t->n - from))) {
		const size_t n = (size_t)(end - (t->bytes + from));

		(void)take_line(t, t->bytes + from, n);
		from += n + 1;
	}
	memmove(t->bytes, t->bytes + from, t->n - from);
	t->n -= from;
	return !t->is_asked;
}

static bool has_room(struct top_rows *t)
{
	char *bytes;

	if (t->n < t->room)
		return true;
	bytes = realloc(t->bytes, MAX(2 * t->room, READ_BYTES));
	if (!bytes)
		return false;
	t->bytes = bytes;
	t->room = MAX(2 * t->room, READ_BYTES);
	return true;
}

bool top_rows_read(struct top_rows *t)
{
	ssize_t n = -1;

	while (t->is_asked && has_room(t)) {
		n = recv(t->link.fd, t->bytes + t->n, t->room - t->n, MSG_DONTWAIT);
		if (n <= 0)
			break;
		t->n += (size_t)n;
		if (take_lines(t))
			return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (t->is_asked && clock_now_ms() - t->asked_ms > PATIENCE_MS)
			snprintf(t->error, sizeof(t->error), "no answer from %s yet", t->path);
		return false;
	}
	snprintf(t->error, sizeof(t->error), "no answer from %s", t->path);
	hang_up(t);
	return true;
}
