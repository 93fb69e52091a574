/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

const char *const reload_kind_names[RELOAD_KINDS] = {
	[RELOAD_ALL] = "reload",
	[RELOAD_CERTS] = "reload certs",
	[RELOAD_PLAN] = "plan",
};

const char *const reload_outcome_names[RELOAD_OUTCOMES] = {
	[RELOAD_DONE] = "done",
	[RELOAD_UNCHANGED] = "nothing to do",
	[RELOAD_FAILED] = "failed",
};

void report_finish(struct reload_report *report)
{
	for (size_t n = 0; n < report->lines_n; n++)
		free(report->lines[n]);
	free(report->lines);
	*report = (struct reload_report){ 0 };
}

static bool take_line(struct reload_report *report, char *line)
{
	char **lines;

	if (!line || report->lines_n == REPORT_LINES_MAX)
		return false;
	lines = realloc(report->lines, (report->lines_n + 1) * sizeof(*lines));
	if (!lines)
		return false;
	report->lines = lines;
	lines[report->lines_n++] = line;
	return true;
}

void report_add(struct reload_report *report, const char *format, ...)
{
	char text[REPORT_LINE_BYTES], *line;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line = strdup(text);
	if (take_line(report, line))
		return;
	free(line);
	report->lines_left_out++;
}

void report_line(void *report, const char *line)
{
	report_add(report, "%s", line);
}

void report_add_text(struct reload_report *report, const char *text)
{
	while (*text) {
		int n = (int)strcspn(text, "\n");

		if (n > 0)
			report_add(report, "%.*s", n, text);
		text += n;
		text += *text == '\n';
	}
}

bool report_line_is(const char *line, const char *severity)
{
	const char *at = strstr(line, severity);

	return at && at[strlen(severity)] == ':' &&
	       (at == line || (at > line + 1 && at[-1] == ' ' && at[-2] == ':'));
}

const char *report_why(const struct reload_report *report)
{
	if (report->outcome != RELOAD_FAILED || report->lines_n == 0)
		return NULL;
	for (size_t n = 0; n < report->lines_n; n++)
		if (report_line_is(report->lines[n], "error"))
			return report->lines[n];
	return report->lines[report->lines_n - 1];
}

/* Lines of the file that a warning shows begin with a blank, and go with it. */
static enum log_level level_of(const char *text, enum log_level level, enum log_level before)
{
	if (level == LOG_ERROR)
		return level;
	if (text[0] == ' ')
		return before;
	return report_line_is(text, "warning") ? LOG_WARN : level;
}

/* What underlines the line before, "      | ^~~~~", is for people who read both. */
static bool is_caret(const char *line)
{
	line += strspn(line, " ");
	return line[0] == '|' && line[strspn(line, "| ^~")] == '\0';
}

void report_log(const struct reload_report *report)
{
	const enum log_level level = report->outcome == RELOAD_FAILED ? LOG_ERROR : LOG_INFO;
	enum log_level of_line = level;
	struct log_line line;

	for (size_t n = 0; n < report->lines_n; n++) {
		if (is_caret(report->lines[n]))
			continue;
		of_line = level_of(report->lines[n], level, of_line);
		if (!log_begin(&line, of_line, reload_kind_names[report->kind]))
			continue;
		log_text(&line, "plan", report->lines[n]);
		log_end(&line);
	}
	if (!log_begin(&line, level, reload_kind_names[report->kind]))
		return;
	log_text(&line, "outcome", reload_outcome_names[report->outcome]);
	log_text(&line, "by", report->by);
	if (report->generation > 0)
		log_u64(&line, "generation", report->generation);
	log_u64(&line, "took_ms", report->took_ms);
	log_end(&line);
}

void history_add(struct reload_history *history, struct reload_report *report)
{
	if (history->n == HISTORY_MAX) {
		report_finish(&history->all[0]);
		history->n--;
		memmove(&history->all[0], &history->all[1], history->n * sizeof(history->all[0]));
	}
	history->all[history->n++] = *report;
	*report = (struct reload_report){ 0 };
}

void history_finish(struct reload_history *history)
{
	while (history->n > 0)
		report_finish(&history->all[--history->n]);
}

const struct reload_report *history_last(const struct reload_history *history)
{
	return history->n > 0 ? &history->all[history->n - 1] : NULL;
}

const struct reload_report *history_failed(const struct reload_history *history)
{
	bool are_certs_good = false;

	for (size_t n = history->n; n-- > 0;) {
		const struct reload_report *r = &history->all[n];
		const bool is_all = r->kind == RELOAD_ALL;

		if (r->outcome == RELOAD_FAILED && (is_all || !are_certs_good))
			return r;
		if (r->outcome != RELOAD_FAILED && is_all)
			return NULL;
		are_certs_good |= r->outcome != RELOAD_FAILED;
	}
	return NULL;
}
