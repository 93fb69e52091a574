/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_REPORT_H
#define RELOAD_REPORT_H

/* What came of a reload, or would come of it, in lines for people. The last ones are kept. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/def.h"

#define REPORT_LINES_MAX 1000 /* the rest is counted */
#define REPORT_LINE_BYTES 512
#define REPORT_BY_BYTES 48
#define HISTORY_MAX 20

enum reload_kind { RELOAD_ALL, RELOAD_CERTS, RELOAD_PLAN, RELOAD_KINDS };
extern const char *const reload_kind_names[RELOAD_KINDS];

enum reload_outcome {
	RELOAD_DONE,
	RELOAD_UNCHANGED, /* there was nothing to do */
	RELOAD_FAILED,    /* nothing has changed */
	RELOAD_OUTCOMES,
};
extern const char *const reload_outcome_names[RELOAD_OUTCOMES];

struct reload_report {
	enum reload_kind kind;
	enum reload_outcome outcome;
	bool differs; /* something changed, or would: not all lines are warnings */
	time_t at;
	uint64_t took_ms;
	unsigned generation;      /* its number, once it is the newest; else 0 */
	char by[REPORT_BY_BYTES]; /* who wanted it */
	char **lines;
	size_t lines_n, lines_left_out;
};

void report_finish(struct reload_report *report);
/* Copied, cut off where it is too long. What finds no memory is counted as left out. */
void report_add(struct reload_report *report, const char *format, ...) PRINTF_LIKE(2, 3);
/* One line; @report is a struct reload_report, as in a config_diff_fn. */
void report_line(void *report, const char *line);
/* A line of @text each. */
void report_add_text(struct reload_report *report, const char *text);
/* Is it a line of this severity, as config/diag.h writes them? "warning", "error" */
bool report_line_is(const char *line, const char *severity);
/* Why it failed, with the place: the first mistake. NULL: it did not fail. */
const char *report_why(const struct reload_report *report);
/* Each line of it, warnings as such, and what came of it. */
void report_log(const struct reload_report *report);

/* Newest last. */
struct reload_history {
	struct reload_report all[HISTORY_MAX];
	size_t n;
	unsigned begun; /* ever */
};

/* Takes @report. */
void history_add(struct reload_history *history, struct reload_report *report);
void history_finish(struct reload_history *history);
/* The last one, or NULL. */
const struct reload_report *history_last(const struct reload_history *history);
/* The newest that failed, unless one since has read the same and was good; or NULL. */
const struct reload_report *history_failed(const struct reload_history *history);

#endif
