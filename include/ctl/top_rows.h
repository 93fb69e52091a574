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
	json_t *rows;   /* array; NULL before the first answer */
	json_t *before; /* the rows of the answer before, by what they are of */
	uint64_t at_ms;
	char error[160]; /* why there is no newer answer; "" */
};

void top_rows_init(struct top_rows *t, const char *path);
void top_rows_free(struct top_rows *t);

/* Says a command and takes its answer. When there is none, the rows stay, and error says why. */
void top_rows_ask(struct top_rows *t, char *const *words);
/* Other rows are asked for from now on: there is nothing to compare them with. */
void top_rows_forget(struct top_rows *t);
/* A command that changes something; @t->error says what was wrong, or "". */
void top_rows_command(struct top_rows *t, char *const *words);

/* What a row is of: "backend out/b1", "session 17". */
void top_rows_name(const json_t *row, char *name, size_t room);
const char *top_rows_text(const json_t *row, const char *key);

#endif
