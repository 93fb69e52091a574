/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/foreign_line.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 16

struct words {
	char text[256];
	const char *at[WORDS_MAX];
	size_t n;
};

static const struct {
	const char *first, *second; /* NULL: any */
	const char *says;           /* with the word that has this number, counted from 0 */
	size_t word;
} lines[] = {
	{ "option", "tcplog", "leave it out, each session has its line in the log", 0 },
	{ "option", "httplog", "leave it out, each session has its line in the log", 0 },
	{ "option", "dontlognull", "did you mean 'log_empty = no' in a [listener NAME]?", 0 },
	{ "option", "dontlog-normal", "did you mean 'log_sessions = unusual' in a [listener NAME]?",
	  0 },
	{ "option", "pgsql-check", "did you mean 'check = postgres user=%s' in a [pool NAME]?", 3 },
	{ "option", "mysql-check", "did you mean 'check = mysql user=%s' in a [pool NAME]?", 3 },
	{ "option", "redis-check", "did you mean 'check = redis' in a [pool NAME]?", 0 },
	{ "option", "ldap-check", "did you mean 'check = ldap' in a [pool NAME]?", 0 },
	{ "option", "smtpchk", "did you mean 'check = smtp' in a [pool NAME]?", 0 },
	{ "option", "ssl-hello-chk", "did you mean 'check = tls' in a [pool NAME]?", 0 },
	{ "option", "tcp-check", "did you mean 'check = tcp' in a [pool NAME]?", 0 },
	{ "option", "httpchk", "did you mean 'check = http' in a [pool NAME]?", 0 },
	{ "option", NULL, "there is a directive for each, see ringmain.ini(5)", 0 },
	{ "log", "global", "leave it out, 'log' of [global] is for all", 0 },
	{ "log", "stdout", "did you mean 'log = stderr' in [global]?", 0 },
	{ "log", "stderr", "did you mean 'log = stderr' in [global]?", 0 },
	{ "log", NULL, "did you mean 'log = syslog:%s' in [global]?", 1 },
};

/* What stands behind a server's address. */
static const struct {
	const char *word, *ours;
	bool has_value, is_time;
	bool is_option; /* of the backend: behind its address here, too */
} options[] = {
	{ .word = "weight", .ours = " weight=%s", .has_value = true, .is_option = true },
	{ .word = "maxconn", .ours = " max_sessions=%s", .has_value = true, .is_option = true },
	{ .word = "backup", .ours = " backup", .is_option = true },
	{ .word = "check", .ours = "check = tcp" },
	{ .word = "inter", .ours = "check_interval = %s", .has_value = true, .is_time = true },
	{ .word = "fastinter",
	  .ours = "check_fast_interval = %s",
	  .has_value = true,
	  .is_time = true },
	{ .word = "fall", .ours = "check_fall = %s", .has_value = true },
	{ .word = "rise", .ours = "check_rise = %s", .has_value = true },
	{ .word = "slowstart", .ours = "slow_start = %s", .has_value = true, .is_time = true },
	{ .word = "send-proxy", .ours = "send_proxy = v1" },
	{ .word = "send-proxy-v2", .ours = "send_proxy = v2" },
	{ .word = "ssl", .ours = "tls = yes" },
};

static bool split_words(struct words *w, const char *line, size_t n)
{
	char *rest;

	if (n >= sizeof(w->text))
		return false;
	memcpy(w->text, line, n);
	w->text[n] = '\0';
	w->n = 0;
	for (char *word = strtok_r(w->text, " \t", &rest); word && w->n < WORDS_MAX;
	     word = strtok_r(NULL, " \t", &rest))
		w->at[w->n++] = word;
	return true;
}

/* Adds to a text what still has room there. */
static void add(char text[FOREIGN_LINE_BYTES], const char *format, const char *word)
{
	const size_t n = strlen(text);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text + n, FOREIGN_LINE_BYTES - n, format, word);
#pragma GCC diagnostic pop
}

static bool format_known(const struct words *w, char text[FOREIGN_LINE_BYTES])
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (strcasecmp(w->at[0], lines[i].first) != 0 ||
		    (lines[i].second && strcasecmp(w->at[1], lines[i].second) != 0))
			continue;
		text[0] = '\0';
		add(text, lines[i].says, lines[i].word < w->n ? w->at[lines[i].word] : "NAME");
		return true;
	}
	return false;
}

/* The number of what it says; ARRAY_LEN(options): nothing that is known. */
static size_t find_option(const char *word)
{
	size_t i = 0;

	while (i < ARRAY_LEN(options) && strcasecmp(options[i].word, word) != 0)
		i++;
	return i;
}

/* A time without a unit is in milliseconds there. */
static void add_option(char text[FOREIGN_LINE_BYTES], size_t which, const char *value)
{
	char time[64];

	snprintf(time, sizeof(time), "%s%s", value,
		 options[which].is_time && value[strspn(value, "0123456789")] == '\0' ? "ms" : "");
	add(text, options[which].ours, time);
}

/* "server NAME ADDRESS OPTION...": options of a backend stay, others are for all of the pool. */
static void format_server(const struct words *w, char text[FOREIGN_LINE_BYTES])
{
	char beside[FOREIGN_LINE_BYTES] = "";

	snprintf(text, FOREIGN_LINE_BYTES, "did you mean 'backend = %.100s %.100s", w->at[1],
		 w->at[2]);
	for (size_t i = 3; i < w->n; i++) {
		const size_t which = find_option(w->at[i]);
		const char *value = "";

		if (which == ARRAY_LEN(options))
			continue;
		if (options[which].has_value)
			value = i + 1 < w->n ? w->at[++i] : "N";
		if (options[which].is_option) {
			add_option(text, which, value);
			continue;
		}
		add(beside, "%s'", beside[0] ? ", " : "");
		add_option(beside, which, value);
		add(beside, "%s", "'");
	}
	add(text, "%s", beside[0] ? "', and for all of the pool " : "'");
	add(text, "%s?", beside);
}

bool foreign_line_format(const char *line, size_t n, char ret_text[FOREIGN_LINE_BYTES])
{
	struct words w;

	if (memchr(line, '=', n) || memchr(line, ';', n) || memchr(line, '{', n) ||
	    !split_words(&w, line, n) || w.n < 2)
		return false;
	if (w.n >= 3 && strcasecmp(w.at[0], "server") == 0) {
		format_server(&w, ret_text);
		return true;
	}
	return format_known(&w, ret_text);
}
