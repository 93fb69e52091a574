/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/cell.h"
#include "ctl/top_rows.h"
#include "ctl/top_screen.h"

#define LOOK_MS 1000
#define NAME_BYTES 256
#define LINE_BYTES 400
#define WORDS_MAX 8
#define PAGE_ROWS 10
#define SESSIONS_SHOWN "1000"

static const struct top_column listener_columns[] = {
	{ "listener", "LISTENER" }, { "paused", "PAUSED" },       { "sessions", "SESSIONS" },
	{ "new_per_s", "NEW/S" },   { "bytes_up_per_s", "UP/S" }, { "bytes_down_per_s", "DOWN/S" },
	{ "rejected", "REJECTED" }, { "pool", "POOL" },           { "addresses", "ADDRESSES" },
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

#define TABLE(kind, columns)                      \
	{                                         \
		kind, columns, ARRAY_LEN(columns) \
	}

static const struct top_table overview_tables[] = {
	TABLE("listener", listener_columns),
	TABLE("pool", pool_columns),
	TABLE("backend", backend_columns),
};

static const struct top_table session_tables[] = { TABLE("session", session_columns) };

/* By which number backends and sessions are in order, the largest first. */
struct order {
	char key;
	const char *name, *of_backend, *of_session, *asked; /* asked: of ringmain's own orders */
};

static const struct order orders[] = {
	{ 'n', "name", NULL, NULL, "id" },
	{ 's', "sessions", "sessions", NULL, "id" },
	{ 'r', "rate", "new_per_s", "bytes_per_s", "bytes" },
	{ 'f', "failures", "failures", NULL, "id" },
	{ 'b', "bytes", NULL, "bytes", "bytes" },
	{ 'a', "age", "since_ms", "age_ms", "age" },
	{ 'i', "idle", NULL, "idle_ms", "idle" },
};

struct top {
	struct top_rows rows;
	const struct order *order;
	bool is_over, shows_help;

	/* Of one listener, pool or backend; "": the overview is shown. */
	char option[16], of[NAME_BYTES];

	char chosen[NAME_BYTES]; /* by its name: rows come and go */
	char chosen_before[NAME_BYTES];

	char question[LINE_BYTES]; /* "": none */
	char asked[WORDS_MAX][NAME_BYTES];
	size_t asked_n;
	char said[LINE_BYTES]; /* what came of the last command */
};

/* ---- rows ---------------------------------------------------------------- */

static bool shows_sessions(const struct top *t)
{
	return t->of[0] != '\0';
}

static const char *sort_key(const struct top *t)
{
	return shows_sessions(t) ? t->order->of_session : t->order->of_backend;
}

static long long number_of(const json_t *row, const char *key)
{
	if (strcmp(key, "bytes") == 0)
		return number_of(row, "bytes_up") + number_of(row, "bytes_down");
	return (long long)json_integer_value(json_object_get(row, key));
}

static int compare(const void *a, const void *b, void *key)
{
	long long x = number_of(*(json_t *const *)a, key), y = number_of(*(json_t *const *)b, key);

	return x < y ? 1 : x > y ? -1 : 0;
}

static bool is_ordered(const struct top *t, const json_t *row)
{
	return strcmp(top_rows_text(row, "row"), shows_sessions(t) ? "session" : "backend") == 0;
}

/* Backends are behind all others, and of sessions there is nothing else. */
static void put_in_order(struct top *t)
{
	size_t n = json_array_size(t->rows.rows), first = 0;
	json_t **all = calloc(n + 1, sizeof(json_t *));

	while (first < n && !is_ordered(t, json_array_get(t->rows.rows, first)))
		first++;
	for (size_t i = first; all && i < n; i++)
		all[i - first] = json_incref(json_array_get(t->rows.rows, i));
	if (all && first < n)
		qsort_r(all, n - first, sizeof(json_t *), compare, (void *)(uintptr_t)sort_key(t));
	for (size_t i = first; all && i < n; i++)
		json_array_set_new(t->rows.rows, i, all[i - first]);
	free(all);
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
	if (sort_key(t))
		put_in_order(t);
}

static bool is_shown(const struct top *t, const json_t *row)
{
	const struct top_table *tables = shows_sessions(t) ? session_tables : overview_tables;
	size_t n = shows_sessions(t) ? ARRAY_LEN(session_tables) : ARRAY_LEN(overview_tables);

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

/* ---- what is shown ------------------------------------------------------- */

static const char *cell(const json_t *row, const char *key, char text[CELL_BYTES])
{
	return cell_write(key, json_object_get(row, key), text);
}

static void write_head(const struct top *t, char head[LINE_BYTES])
{
	char version[CELL_BYTES], state[CELL_BYTES], up[CELL_BYTES], n[CELL_BYTES], max[CELL_BYTES];
	const json_t *process = json_array_get(t->rows.rows, 0);

	if (shows_sessions(t))
		snprintf(head, LINE_BYTES, "sessions of %s %s: %zu, by %s", t->option + 2, t->of,
			 json_array_size(t->rows.rows), t->order->name);
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
			all += number_of(row, key);
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

/* What there is to say of a backend, also where its columns have no room. */
static void write_backend(const json_t *row, char detail[LINE_BYTES])
{
	static const struct {
		const char *before, *key;
	} parts[] = {
		{ " at ", "address" },
		{ ": ", "state" },
		{ " for ", "since_ms" },
		{ ", by ", "by" },
		{ ": ", "why" },
		{ "; ", "role" },
		{ ", behind by ", "lag_ms" },
		{ ", behind by ", "lag_bytes" },
		{ "; the operator's override: ", "override" },
		{ ", for another ", "override_ends_ms" },
		{ "; its sessions end within ", "drain_ends_ms" },
	};
	size_t n = (size_t)snprintf(detail, LINE_BYTES, "%.60s/%.60s", top_rows_text(row, "pool"),
				    top_rows_text(row, "backend"));
	char text[CELL_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(parts) && n < LINE_BYTES; i++)
		if (json_object_get(row, parts[i].key))
			n += (size_t)snprintf(detail + n, LINE_BYTES - n, "%s%s", parts[i].before,
					      cell(row, parts[i].key, text));
}

/* How many could serve, and who waits for what. */
static void write_pool(const json_t *row, char detail[LINE_BYTES])
{
	long long standby = number_of(row, "standby"), held = number_of(row, "held");

	snprintf(detail, LINE_BYTES,
		 "%.60s: %lld of %lld ready, %lld standby; %lld waiting because all are full, "
		 "%lld held because no backend serves",
		 top_rows_text(row, "pool"), number_of(row, "ready"),
		 number_of(row, "backends") - standby, standby, number_of(row, "queued") - held,
		 held);
}

static void write_listener(const json_t *row, char detail[LINE_BYTES])
{
	snprintf(detail, LINE_BYTES, "%.60s on %.250s", top_rows_text(row, "listener"),
		 top_rows_text(row, "addresses"));
}

static void write_detail(const struct top *t, char detail[LINE_BYTES])
{
	static const struct {
		const char *kind;
		void (*write)(const json_t *row, char detail[LINE_BYTES]);
	} kinds[] = {
		{ "backend", write_backend },
		{ "pool", write_pool },
		{ "listener", write_listener },
	};
	const json_t *row = chosen_row(t);

	detail[0] = '\0';
	for (size_t n = 0; row && n < ARRAY_LEN(kinds); n++)
		if (strcmp(kinds[n].kind, top_rows_text(row, "row")) == 0)
			kinds[n].write(row, detail);
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
					 : "sort: n)ame s)essions r)ate f)ailures a)ge";
	if (!shows_sessions(t))
		return "Enter sessions  d drain  m maint  p pause  u undo  x end  h sort  q quit";
	return "x end it  h sort  Left back  q quit";
}

static void draw(const struct top *t)
{
	char head[LINE_BYTES], rates[LINE_BYTES], detail[LINE_BYTES];
	const struct top_picture picture = {
		.head = head,
		.rates = rates,
		.tables = shows_sessions(t) ? session_tables : overview_tables,
		.tables_n = shows_sessions(t) ? ARRAY_LEN(session_tables)
					      : ARRAY_LEN(overview_tables),
		.rows = t->rows.rows,
		.chosen = chosen_index(t),
		.detail = detail,
		.foot = foot_of(t),
		.is_question = t->question[0] != '\0',
		.is_trouble = t->rows.error[0] != '\0',
	};

	write_head(t, head);
	write_rates(t, rates);
	write_detail(t, detail);
	top_screen_draw(&picture);
}

/* ---- what is done -------------------------------------------------------- */

static void show(struct top *t, const char *option, const char *of)
{
	top_rows_forget(&t->rows);
	snprintf(t->option, sizeof(t->option), "%s", option);
	snprintf(t->of, sizeof(t->of), "%s", of);
	top_look(t);
}

static const char *name_of(const json_t *row, char name[NAME_BYTES])
{
	char whole[NAME_BYTES + 16];

	top_rows_name(row, whole, sizeof(whole));
	snprintf(name, NAME_BYTES, "%s", strchr(whole, ' ') + 1);
	return name;
}

/* From a listener, a pool or a backend to its sessions. */
static void enter(struct top *t)
{
	const json_t *row = chosen_row(t);
	char option[16], name[NAME_BYTES];

	if (!row || shows_sessions(t))
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

/* What keys do with a row of a kind: a question, then these words; % is its name. */
static const struct action {
	char key;
	const char *kind, *question, *words[WORDS_MAX];
} actions[] = {
	{ 'd',
	  "backend",
	  "Drain %s: no new sessions, those it has go on?",
	  { "backend", "%", "drain" } },
	{ 'm', "backend", "Take %s out for maintenance?", { "backend", "%", "maint" } },
	{ 'u', "backend", "Use %s again?", { "backend", "%", "ready" } },
	{ 'p', "listener", "Refuse new clients of %s?", { "listener", "%", "pause" } },
	{ 'u', "listener", "Let clients of %s in again?", { "listener", "%", "resume" } },
	{ 'x', "session", "End session %s?", { "kill", "%", "--yes" } },
	{ 'x', "backend", "End all sessions of %s?", { "kill", "--backend", "%", "--yes" } },
	{ 'x', "pool", "End all sessions of %s?", { "kill", "--pool", "%", "--yes" } },
	{ 'x', "listener", "End all sessions of %s?", { "kill", "--listener", "%", "--yes" } },
};

static void top_ask(struct top *t, const struct action *action, const char *name)
{
	const char *rest = strchr(action->question, '%') + 2;

	snprintf(t->question, sizeof(t->question), "%.*s%.200s%s [y/N]",
		 (int)(rest - 2 - action->question), action->question, name, rest);
	for (t->asked_n = 0; action->words[t->asked_n]; t->asked_n++) {
		const char *word = action->words[t->asked_n];

		snprintf(t->asked[t->asked_n], NAME_BYTES, "%s",
			 strcmp(word, "%") == 0 ? name : word);
	}
}

static void answer(struct top *t, int key)
{
	char *words[WORDS_MAX + 1] = { 0 };

	t->question[0] = '\0';
	if (key != 'y' && key != 'Y')
		return;
	for (size_t n = 0; n < t->asked_n; n++)
		words[n] = t->asked[n];
	top_rows_command(&t->rows, words);
	snprintf(t->said, sizeof(t->said), "%s", t->rows.error[0] ? t->rows.error : "done");
	top_look(t);
}

static void top_act(struct top *t, int key)
{
	const json_t *row = chosen_row(t);
	char name[NAME_BYTES];

	for (size_t n = 0; row && n < ARRAY_LEN(actions); n++)
		if (actions[n].key == key &&
		    strcmp(actions[n].kind, top_rows_text(row, "row")) == 0)
			top_ask(t, &actions[n], name_of(row, name));
}

static void sort_by(struct top *t, int key)
{
	for (size_t n = 0; n < ARRAY_LEN(orders); n++)
		if (orders[n].key == key)
			t->order = &orders[n];
	top_look(t);
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
	case TOP_KEY_ENTER:
		enter(t);
		break;
	case TOP_KEY_BACK:
		go_back(t);
		break;
	case TOP_KEY_RESIZE:
		break;
	default:
		if (strchr("nsrfbai", key))
			sort_by(t, key);
		else
			top_act(t, key);
	}
}

static void run(struct top *t)
{
	uint64_t next_ms = 0;

	while (!t->is_over) {
		uint64_t now_ms = clock_now_ms();
		int key;

		if (now_ms >= next_ms) {
			top_look(t);
			next_ms = now_ms + LOOK_MS;
		}
		draw(t);
		key = top_screen_key((int)(next_ms - MIN(now_ms, next_ms)));
		if (t->question[0] && key != TOP_KEY_NONE && key != TOP_KEY_RESIZE)
			answer(t, key);
		else if (key != TOP_KEY_NONE)
			on_key(t, key);
	}
}

bool top_run(const char *path)
{
	struct top top = { .order = &orders[0] };

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
