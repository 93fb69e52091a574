/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_TOP_ROWS_H
#define CTL_TOP_ROWS_H

/*
 * What ringmainctl top shows, asked for again and again: the rows of an
 * answer, and how fast their counters grow, by the answer before. Such rates
 * are keys that end with _per_s.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "ctl/link.h"

struct top_rows {
	const char *path; /* of the socket; the caller's */
	struct link link;
	bool is_open;
	bool is_asked, is_command; /* an answer is waited for; that to a command */
	bool is_stale;             /* nobody wants it any more */
	uint64_t asked_ms;
	char *bytes; /* of the answer, before their line is whole */
	size_t n, room;
	json_t *coming; /* rows of the answer that have come */
	json_t *rows;   /* array; NULL before the first answer */
	json_t *before; /* the rows of the answer before, by what they are of */
	uint64_t at_ms;
	char error[160]; /* why there is no newer answer; "" */
};

void top_rows_init(struct top_rows *t, const char *path);
void top_rows_free(struct top_rows *t);

/*
 * Asks, unless an answer is waited for. Nobody waits here: top_rows_read() is to be called when
 * @t->link.fd is readable, and now and then, until there is no question any more. When there is
 * no answer the rows stay, and error says why.
 */
void top_rows_ask(struct top_rows *t, char *const *words);
/* A command that changes something, in the same way: @t->error says what was wrong, or "". */
void top_rows_command(struct top_rows *t, char *const *words);
/* The descriptor that an answer comes from, or -1. */
int top_rows_fd(const struct top_rows *t);
/* Gives whether the answer is whole, or there will be none. */
bool top_rows_read(struct top_rows *t);
/* Other rows are asked for from now on: a question is void, and there is nothing to compare. */
void top_rows_forget(struct top_rows *t);

/* What a row is of: "backend out/b1", "session 17". */
void top_rows_name(const json_t *row, char *name, size_t room);
const char *top_rows_text(const json_t *row, const char *key);
/* 0 where there is none; "bytes" is that of both directions. */
long long top_rows_number(const json_t *row, const char *key);

#endif
