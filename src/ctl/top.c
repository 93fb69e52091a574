/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/cell.h"
#include "ctl/top_action.h"
#include "ctl/top_detail.h"
#include "ctl/top_order.h"
#include "ctl/top_rows.h"
#include "ctl/top_screen.h"

#define LOOK_MS 1000
#define NAME_BYTES 256
#define LINE_BYTES 400
#define PAGE_ROWS 10
#define SESSIONS_SHOWN "1000"

static const struct top_column listener_columns[] = {
	{ "listener", "LISTENER" },       { "paused", "PAUSED" },     { "sessions", "SESSIONS" },
	{ "sessions_max", "OF", true },   { "new_per_s", "NEW/S" },   { "bytes_up_per_s", "UP/S" },
	{ "bytes_down_per_s", "DOWN/S" }, { "rejected", "REJECTED" }, { "pool", "POOL" },
	{ "addresses", "ADDRESSES" },
};

static const struct top_column pool_columns[] = {
	{ "pool", "POOL" },         { "ready", "READY" },       { "standby", "STANDBY" },
	{ "backends", "BACKENDS" }, { "sessions", "SESSIONS" }, { "queued", "WAITING" },
	{ "held", "HELD" },         { "balance", "BALANCE" },
};

static const struct top_column backend_columns[] = {
	{ "backend", "BACKEND" },         { "state", "STATE" },       { "role", "ROLE", true },
	{ "since_ms", "SINCE" },          { "sessions", "SESSIONS" }, { "pool", "POOL" },
	{ "override", "OVERRIDE", true }, { "new_per_s", "NEW/S" },   { "failures", "FAILURES" },
	{ "weight", "WEIGHT" },           { "address", "ADDRESS" },   { "why", "WHY", true },
};

static const struct top_column session_columns[] = {
	{ "id", "ID" },           { "client", "CLIENT" },
	{ "pool", "POOL" },       { "backend", "BACKEND" },
	{ "phase", "PHASE" },     { "age_ms", "AGE" },
	{ "idle_ms", "IDLE" },    { "bytes_up", "UP" },
	{ "bytes_down", "DOWN" }, { "bytes_per_s", "RATE" },
	{ "user", "USER" },       { "database", "DATABASE" },
	{ "tls", "TLS" },         { "listener", "LISTENER" },
	{ "address", "ADDRESS" }, { "sni", "SNI" },
};

static const struct top_column certificate_columns[] = {
	{ "listener", "CERTIFICATE OF" },
	{ "days_left", "DAYS LEFT" },
	{ "expires", "EXPIRES" },
	{ "file", "FILE" },
};

static const struct top_column change_columns[] = {
	{ "change", "LAST CHANGE" }, { "ago_ms", "AGO" },    { "state", "SINCE THEN" },
	{ "by", "BY", true },        { "why", "WHY", true },
};

static const struct top_column attention_columns[] = {
	{ "severity", "ATTENTION" },
	{ "attention", "WHAT" },
	{ "now", "NOW", true },
	{ "why", "WHY", true },
};

#define TABLE(kind, columns)                      \
	{                                         \
		kind, columns, ARRAY_LEN(columns) \
	}

static const struct top_table overview_tables[] = {
	TABLE("listener", listener_columns),       TABLE("pool", pool_columns),
	TABLE("backend", backend_columns),         TABLE("change", change_columns),
	TABLE("certificate", certificate_columns), TABLE("attention", attention_columns),
};

static const struct top_table session_tables[] = { TABLE("session", session_columns) };

struct top {
	struct top_rows rows;
	const struct top_order *order;
	bool is_over, shows_help;
	bool has_command; /* the words that were asked are to be said */
	uint64_t next_ms; /* when to look next */

	/* Of one listener, pool or backend; "": the overview is shown. */
	char option[16], of[NAME_BYTES];

	char chosen[NAME_BYTES]; /* by its name: rows come and go */
	char chosen_before[NAME_BYTES];

	char question[LINE_BYTES]; /* "": none */
	char asked[TOP_ACTION_WORDS_MAX][NAME_BYTES];
	size_t asked_n;
	char said[LINE_BYTES]; /* what came of the last command */
};

/* ---- rows ---------------------------------------------------------------- */

static bool shows_sessions(const struct top *t)
{
	return t->of[0] != '\0';
}

static const struct top_table *tables_of(const struct top *t, size_t *ret_n)
{
	*ret_n = shows_sessions(t) ? ARRAY_LEN(session_tables) : ARRAY_LEN(overview_tables);
	return shows_sessions(t) ? session_tables : overview_tables;
}

static void put_in_order(struct top *t)
{
	size_t n;
	const struct top_table *tables = tables_of(t, &n);

	if (t->rows.rows)
		top_order_apply(t->order, t->rows.rows, tables, n);
}

static void top_look(struct top *t)
{
	char *status[] = { (char[]){ "status" }, NULL };
	char *sessions[] = { (char[]){ "sessions" },
			     t->option,
			     t->of,
			     (char[]){ "--limit" },
			     (char[]){ SESSIONS_SHOWN },
			     (char[]){ "--sort" },
			     (char *)(uintptr_t)t->order->asked,
			     NULL };

	top_rows_ask(&t->rows, shows_sessions(t) ? sessions : status);
}

static bool is_shown(const struct top *t, const json_t *row)
{
	size_t n;
	const struct top_table *tables = tables_of(t, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(tables[i].kind, top_rows_text(row, "row")) == 0)
			return true;
	return false;
}

/* Of those that are shown, @steps from @index on. */
static size_t walk(const struct top *t, size_t index, int steps)
{
	size_t n = json_array_size(t->rows.rows), at = index;

	while (steps != 0 && (steps > 0 ? at + 1 < n : at > 0)) {
		at += steps > 0 ? 1 : (size_t)-1;
		if (!is_shown(t, json_array_get(t->rows.rows, at)))
			continue;
		index = at;
		steps -= steps > 0 ? 1 : -1;
	}
	return index;
}

static size_t chosen_index(const struct top *t)
{
	char name[NAME_BYTES];
	size_t first = 0, n;
	json_t *row;

	json_array_foreach(t->rows.rows, n, row)
	{
		top_rows_name(row, name, sizeof(name));
		if (is_shown(t, row) && strcmp(name, t->chosen) == 0)
			return n;
	}
	while (first < json_array_size(t->rows.rows) &&
	       !is_shown(t, json_array_get(t->rows.rows, first)))
		first++;
	return first;
}

static json_t *chosen_row(const struct top *t)
{
	return json_array_get(t->rows.rows, chosen_index(t));
}

static void choose(struct top *t, int steps)
{
	json_t *row = json_array_get(t->rows.rows, walk(t, chosen_index(t), steps));

	if (row)
		top_rows_name(row, t->chosen, sizeof(t->chosen));
}

/* To the first row of the table behind that of the chosen one, or in front of it. */
static void choose_table(struct top *t, int direction)
{
	const size_t rows_n = json_array_size(t->rows.rows);
	size_t n, table = 0, chosen = chosen_index(t);
	const struct top_table *tables = tables_of(t, &n);
	const char *kind = top_rows_text(json_array_get(t->rows.rows, chosen), "row");

	while (table < n && strcmp(tables[table].kind, kind) != 0)
		table++;
	for (size_t tries = 0; table < n && tries < n; tries++) {
		table = (table + n + (size_t)direction) % n;
		for (size_t i = 0; i < rows_n; i++) {
			json_t *row = json_array_get(t->rows.rows, i);

			if (strcmp(tables[table].kind, top_rows_text(row, "row")) != 0)
				continue;
			top_rows_name(row, t->chosen, sizeof(t->chosen));
			return;
		}
	}
}

/* ---- what is shown ------------------------------------------------------- */

static const char *cell(const json_t *row, const char *key, char text[CELL_BYTES])
{
	return cell_write(key, json_object_get(row, key), text);
}

static const json_t *first_of(const struct top *t, const char *kind)
{
	json_t *row;
	size_t n;

	json_array_foreach(t->rows.rows, n, row)
	{
		if (strcmp(top_rows_text(row, "row"), kind) == 0)
			return row;
	}
	return NULL;
}

static size_t count(const struct top *t, const char *kind)
{
	size_t n, found = 0;
	json_t *row;

	json_array_foreach(t->rows.rows, n, row)
	{
		found += strcmp(top_rows_text(row, "row"), kind) == 0;
	}
	return found;
}

static void write_head(const struct top *t, char head[LINE_BYTES])
{
	char version[CELL_BYTES], state[CELL_BYTES], up[CELL_BYTES], n[CELL_BYTES], max[CELL_BYTES];
	const json_t *process = first_of(t, "process");
	const json_t *left_out = first_of(t, "left_out");

	if (shows_sessions(t) && left_out)
		snprintf(head, LINE_BYTES, "sessions of %s %s: %zu of %lld, by %s", t->option + 2,
			 t->of, count(t, "session"), top_rows_number(left_out, "found"),
			 t->order->name);
	else if (shows_sessions(t))
		snprintf(head, LINE_BYTES, "sessions of %s %s: %zu, by %s", t->option + 2, t->of,
			 count(t, "session"), t->order->name);
	else if (process)
		snprintf(head, LINE_BYTES,
			 "ringmain %.30s %.20s, up %.20s, sessions %.20s of %.20s",
			 cell(process, "version", version), cell(process, "state", state),
			 cell(process, "uptime_ms", up), cell(process, "sessions", n),
			 cell(process, "sessions_max", max));
	else
		snprintf(head, LINE_BYTES, "ringmain");
}

static long long sum(const struct top *t, const char *kind, const char *key)
{
	long long all = 0;
	json_t *row;
	size_t n;

	json_array_foreach(t->rows.rows, n, row)
	{
		if (strcmp(top_rows_text(row, "row"), kind) == 0)
			all += top_rows_number(row, key);
	}
	return all;
}

static void write_rates(const struct top *t, char rates[LINE_BYTES])
{
	const char *kind = shows_sessions(t) ? "session" : "listener";
	json_t *up = json_integer(sum(t, kind, "bytes_up_per_s"));
	json_t *down = json_integer(sum(t, kind, "bytes_down_per_s"));
	char text_up[CELL_BYTES], text_down[CELL_BYTES], new[40] = "";

	if (!shows_sessions(t))
		snprintf(new, sizeof(new), "new %lld/s, ", sum(t, kind, "new_per_s"));
	snprintf(rates, LINE_BYTES, "%sup %.20s/s, down %.20s/s", new,
		 cell_write("bytes_up_per_s", up, text_up),
		 cell_write("bytes_down_per_s", down, text_down));
	json_decref(up);
	json_decref(down);
}

static const char *foot_of(const struct top *t)
{
	if (t->question[0])
		return t->question;
	if (t->rows.error[0])
		return t->rows.error;
	if (t->said[0])
		return t->said;
	if (t->shows_help)
		return shows_sessions(t) ? "sort: n)ame r)ate b)ytes a)ge i)dle"
					 : "sort: n)ame w)orst s)essions r)ate f)ailures a)ge";
	if (!shows_sessions(t))
		return "Tab on  Enter sessions  d drain  m maint  p pause  u undo  "
		       "x end  h sort  q quit";
	return "x end it  h sort  Left back  q quit";
}

static void draw(const struct top *t)
{
	char head[LINE_BYTES], rates[LINE_BYTES], detail[TOP_DETAIL_BYTES];
	size_t tables_n;
	const struct top_table *tables = tables_of(t, &tables_n);
	const struct top_picture picture = {
		.head = head,
		.rates = rates,
		.tables = tables,
		.tables_n = tables_n,
		.rows = t->rows.rows,
		.chosen = chosen_index(t),
		.detail = detail,
		.foot = foot_of(t),
		.is_question = t->question[0] != '\0',
		.is_trouble = t->rows.error[0] != '\0',
	};

	write_head(t, head);
	write_rates(t, rates);
	top_detail_write(chosen_row(t), detail);
	top_screen_draw(&picture);
}

/* ---- what is done -------------------------------------------------------- */

static void show(struct top *t, const char *option, const char *of)
{
	top_rows_forget(&t->rows);
	snprintf(t->option, sizeof(t->option), "%s", option);
	snprintf(t->of, sizeof(t->of), "%s", of);
	t->next_ms = 0;
}

static const char *name_of(const json_t *row, char name[NAME_BYTES])
{
	char whole[NAME_BYTES + 16];

	top_rows_name(row, whole, sizeof(whole));
	snprintf(name, NAME_BYTES, "%s", strchr(whole, ' ') + 1);
	return name;
}

static bool has_sessions(const json_t *row)
{
	const char *kind = top_rows_text(row, "row");

	return strcmp(kind, "listener") == 0 || strcmp(kind, "pool") == 0 ||
	       strcmp(kind, "backend") == 0;
}

/* From a listener, a pool or a backend to its sessions. */
static void enter(struct top *t)
{
	const json_t *row = chosen_row(t);
	char option[16], name[NAME_BYTES];

	if (!row || shows_sessions(t) || !has_sessions(row))
		return;
	memcpy(t->chosen_before, t->chosen, sizeof(t->chosen));
	snprintf(option, sizeof(option), "--%s", top_rows_text(row, "row"));
	show(t, option, name_of(row, name));
}

static void go_back(struct top *t)
{
	if (!shows_sessions(t))
		return;
	memcpy(t->chosen, t->chosen_before, sizeof(t->chosen));
	show(t, "", "");
}

static void top_ask(struct top *t, const struct top_action *action, const char *name)
{
	top_action_question(action, name, t->question, sizeof(t->question));
	for (t->asked_n = 0; action->words[t->asked_n]; t->asked_n++) {
		const char *word = action->words[t->asked_n];

		snprintf(t->asked[t->asked_n], NAME_BYTES, "%s",
			 strcmp(word, "%") == 0 ? name : word);
	}
}

static void answer(struct top *t, int key)
{
	t->has_command = (key == 'y' || key == 'Y') && top_screen_shows(t->question);
	t->question[0] = '\0';
}

static void say_command(struct top *t)
{
	char *words[TOP_ACTION_WORDS_MAX + 1] = { 0 };

	t->has_command = false;
	for (size_t n = 0; n < t->asked_n; n++)
		words[n] = t->asked[n];
	top_rows_command(&t->rows, words);
}

static void top_act(struct top *t, int key)
{
	const json_t *row = chosen_row(t);
	const struct top_action *action = row ? top_action_for(key, top_rows_text(row, "row"))
					      : NULL;
	char name[NAME_BYTES];

	if (action)
		top_ask(t, action, name_of(row, name));
	else
		top_action_where(key, t->said, sizeof(t->said));
}

static void sort_by(struct top *t, int key)
{
	t->order = top_order_of(key);
	put_in_order(t);
	t->next_ms = 0;
}

static void on_key(struct top *t, int key)
{
	t->said[0] = '\0';
	switch (key) {
	case 'q':
		t->is_over = true;
		break;
	case 'h':
	case '?':
		t->shows_help = !t->shows_help;
		break;
	case TOP_KEY_UP:
		choose(t, -1);
		break;
	case TOP_KEY_DOWN:
		choose(t, 1);
		break;
	case TOP_KEY_PAGE_UP:
		choose(t, -PAGE_ROWS);
		break;
	case TOP_KEY_PAGE_DOWN:
		choose(t, PAGE_ROWS);
		break;
	case TOP_KEY_FIRST:
		choose(t, -INT32_MAX);
		break;
	case TOP_KEY_LAST:
		choose(t, INT32_MAX);
		break;
	case TOP_KEY_NEXT:
		choose_table(t, 1);
		break;
	case TOP_KEY_BEFORE:
		choose_table(t, -1);
		break;
	case TOP_KEY_ENTER:
		enter(t);
		break;
	case TOP_KEY_BACK:
		go_back(t);
		break;
	case TOP_KEY_RESIZE:
		break;
	default:
		if (top_order_of(key))
			sort_by(t, key);
		else
			top_act(t, key);
	}
}

/* What was asked is answered, or never will be. */
static void on_answer(struct top *t)
{
	if (t->rows.is_command) {
		snprintf(t->said, sizeof(t->said), "%s", t->rows.error[0] ? t->rows.error : "done");
		t->rows.is_command = false;
		t->next_ms = 0;
		return;
	}
	if (t->rows.is_stale)
		t->next_ms = 0;
	put_in_order(t);
}

/* One question at a time. */
static void ask_next(struct top *t, uint64_t now_ms)
{
	if (top_rows_fd(&t->rows) >= 0)
		return;
	if (t->has_command) {
		say_command(t);
	} else if (now_ms >= t->next_ms) {
		t->next_ms = now_ms + LOOK_MS;
		top_look(t);
	}
}

static void run(struct top *t)
{
	while (!t->is_over) {
		const uint64_t now_ms = clock_now_ms();
		int key;

		ask_next(t, now_ms);
		draw(t);
		key = top_screen_key(now_ms < t->next_ms ? (int)(t->next_ms - now_ms) : LOOK_MS,
				     top_rows_fd(&t->rows));
		if (t->question[0] && key != TOP_KEY_NONE && key != TOP_KEY_RESIZE)
			answer(t, key);
		else if (key != TOP_KEY_NONE)
			on_key(t, key);
		if (top_rows_fd(&t->rows) >= 0 && top_rows_read(&t->rows))
			on_answer(t);
	}
}

bool top_run(const char *path)
{
	struct top top = { .order = top_order_of(0) };

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !top_screen_open()) {
		fprintf(stderr, "ringmainctl: top needs a terminal ($TERM)\n");
		return false;
	}
	top_rows_init(&top.rows, path);
	run(&top);
	top_screen_close();
	top_rows_free(&top.rows);
	return true;
}
