/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Where the log goes, and the form of its lines. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/expand.h"
#include "config/log_template.h"
#include "config/setting.h"
#include "config/value.h"

#define FILE_PREFIX "file:"
#define SYSLOG_PREFIX "syslog:"
#define SYSLOG_PORT 514

/* Those that are one word. */
static const char *const words[] = {
	[LOG_TO_STDERR] = "stderr",
	[LOG_TO_SYSLOG] = "syslog",
	[LOG_TO_JOURNALD] = "journald",
};

static bool read_word(const struct setting *s, struct log_config *log)
{
	for (size_t n = 0; n < ARRAY_LEN(words); n++) {
		if (words[n] && strcmp(words[n], s->text) == 0) {
			log->target = (enum log_target)n;
			return true;
		}
	}
	return false;
}

/* These report, and give false. */
static bool read_path(const struct setting *s, const char *prefix, struct log_config *log)
{
	log->path = strdup(s->text + strlen(prefix));
	if (!log->path)
		diag_no_memory(s->diag);
	return log->path != NULL;
}

static bool read_file(const struct setting *s, struct log_config *log)
{
	log->target = LOG_TO_FILE;
	if (s->text[strlen(FILE_PREFIX)] == '/')
		return read_path(s, FILE_PREFIX, log);
	setting_error(s, NULL, "the file needs a path that begins with /");
	return false;
}

/* ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT; no names, for they are not asked for again. */
static bool read_address(const char *text, struct addr *ret_addr)
{
	char with_port[ADDR_TEXT_BYTES];
	int n = snprintf(with_port, sizeof(with_port),
			 strchr(text, ':') && *text != '[' &&
					 strchr(text, ':') != strrchr(text, ':')
				 ? "[%s]:%d"
				 : "%s:%d",
			 text, SYSLOG_PORT);

	if (addr_parse(text, ret_addr))
		return !addr_is_unix(ret_addr) && addr_port(ret_addr) != 0;
	return n < (int)sizeof(with_port) && addr_parse(with_port, ret_addr) &&
	       !addr_is_unix(ret_addr);
}

static bool read_syslog(const struct setting *s, struct log_config *log)
{
	if (s->text[strlen(SYSLOG_PREFIX)] == '/') {
		log->target = LOG_TO_SYSLOG;
		return read_path(s, SYSLOG_PREFIX, log);
	}
	log->target = LOG_TO_SYSLOG_UDP;
	if (read_address(s->text + strlen(SYSLOG_PREFIX), &log->addr))
		return true;
	setting_error(s, NULL, "'%.60s' is no address of an IP host",
		      s->text + strlen(SYSLOG_PREFIX));
	return false;
}

static const char *suggestion(const char *text)
{
	if (strncmp(text, "/dev/log", strlen("/dev/log")) == 0)
		return "syslog";
	return *text == '/' ? "file:/PATH" : NULL;
}

static bool read_log(const struct setting *s, struct log_config *log)
{
	if (strncmp(s->text, FILE_PREFIX, strlen(FILE_PREFIX)) == 0)
		return read_file(s, log);
	if (strncmp(s->text, SYSLOG_PREFIX, strlen(SYSLOG_PREFIX)) == 0)
		return read_syslog(s, log);
	if (read_word(s, log))
		return true;
	setting_error(s, suggestion(s->text), "'%.60s' is none of these", s->text);
	return false;
}

static void set_log(const struct setting *s, void *section)
{
	struct log_config *log = &((struct global_config *)section)->log;
	struct log_config next = { .target = LOG_TO_STDERR };

	if (!read_log(s, &next))
		return;
	free(log->path);
	*log = next;
}

/* One word, which is in quotes as a whole or not at all. */
static void print_with_path(const struct log_config *log, FILE *to)
{
	char word[sizeof(SYSLOG_PREFIX) + PATH_MAX];

	snprintf(word, sizeof(word), "%s%s",
		 log->target == LOG_TO_FILE ? FILE_PREFIX : SYSLOG_PREFIX, log->path);
	expand_print(word, to);
}

static void print_log(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct log_config *log = &((const struct global_config *)section)->log;
	char text[ADDR_TEXT_BYTES];

	(void)d;
	(void)index;
	if (log->path) {
		print_with_path(log, to);
	} else if (log->target == LOG_TO_SYSLOG_UDP) {
		fprintf(to, SYSLOG_PREFIX "%s", addr_format(&log->addr, text));
	} else {
		fputs(words[log->target], to);
	}
}

static void release_log(const struct directive *d, void *section)
{
	struct log_config *log = &((struct global_config *)section)->log;

	(void)d;
	free(log->path);
	log->path = NULL;
}

const struct directive_type type_log = {
	.form = "stderr, file:/PATH, syslog, syslog:/PATH, syslog:ADDRESS[:PORT], journald",
	.set = set_log,
	.print = print_log,
	.release = release_log,
};

/* ---- log_format ----------------------------------------------------------- */

/* All fields, with commas between. */
static const char *list_fields(char text[512])
{
	size_t n = 0;

	for (int f = 0; f < LOG_FIELDS; f++)
		n += (size_t)snprintf(text + n, 512 - n, "%s%s", f ? ", " : "", log_field_names[f]);
	return text;
}

static void report_field(const struct setting *part)
{
	char name[64], fields[512];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(part->text + 1, "}"), part->text + 1);
	setting_error(part, text_nearest(name, log_field_names, LOG_FIELDS),
		      "a session has no field '%.60s', but %s", name, list_fields(fields));
}

static void report_template(const struct setting *s, const struct log_template_mistake *mistake)
{
	const struct setting part =
		setting_part(s, mistake->at, s->text + mistake->at, mistake->bytes);

	switch (mistake->kind) {
	case TEMPLATE_NO_MEMORY:
		diag_no_memory(s->diag);
		break;
	case TEMPLATE_UNKNOWN:
		report_field(&part);
		break;
	case TEMPLATE_OPEN:
		setting_error(&part, NULL, "'%.60s' has no '}'; a brace alone is '{{'",
			      s->text + mistake->at);
		break;
	case TEMPLATE_LONG:
		setting_error(
			s, NULL,
			"its texts beside the fields have %zu bytes, and may have %d: a line of "
			"the log has room for %d in all",
			mistake->bytes, LOG_TEMPLATE_BYTES_MAX, LOG_LINE_BYTES);
		break;
	case TEMPLATE_MANY:
		setting_error(s, NULL, "it has more than %d fields and texts between them",
			      LOG_TEMPLATE_PIECES_MAX);
		break;
	}
}

static void set_log_format(const struct setting *s, void *section)
{
	struct global_config *global = section;
	struct log_template_mistake mistake;
	struct log_template *t = NULL;
	int word = 0;

	while (word < LOG_FORMATS && strcmp(log_format_names[word], s->text) != 0)
		word++;
	if (word == LOG_FORMATS && !strchr(s->text, '{')) {
		setting_error(s, text_nearest(s->text, log_format_names, LOG_FORMATS),
			      "unknown value '%.60s'", s->text);
		return;
	}
	if (word == LOG_FORMATS) {
		t = log_template_create(s->text, &mistake);
		if (!t) {
			report_template(s, &mistake);
			return;
		}
	}
	log_template_destroy(global->log_template);
	global->log_template = t;
	global->log_format = t ? LOG_LOGFMT : (enum log_format)word;
}

static void print_log_format(const struct directive *d, const void *section, size_t index, FILE *to)
{
	const struct global_config *global = section;

	(void)d;
	(void)index;
	if (global->log_template)
		expand_print(global->log_template->text, to);
	else
		fputs(log_format_names[global->log_format], to);
}

static void release_log_format(const struct directive *d, void *section)
{
	struct global_config *global = section;

	(void)d;
	log_template_destroy(global->log_template);
	global->log_template = NULL;
}

const struct directive_type type_log_format = {
	.form = "logfmt, json, a text with {FIELD}s",
	.set = set_log_format,
	.print = print_log_format,
	.release = release_log_format,
};
