/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "admin/context.h"

#define CHOICES_MAX 32
#define CHOICES_BYTES 256
#define ERROR_BYTES 400

/* As long as a time may be in the configuration. */
#define OPTION_DAYS_MAX 365ull
#define MS_PER_DAY (24ull * 3600 * 1000)

/* ---- the end of a call --------------------------------------------------- */

static void finish(struct call *call)
{
	call->is_over = true;
	call->work = NULL;
	call->abandon = NULL;
	call->wrote(call);
}

void call_ok(struct call *call)
{
	reply_ok(call->reply);
	finish(call);
}

void call_fail(struct call *call, enum reply_code code, const char *hint, const char *format, ...)
{
	char error[ERROR_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(error, sizeof(error), format, args);
	va_end(args);
	reply_fail(call->reply, code, hint, "%s", error);
	finish(call);
}

void call_abandon(struct call *call)
{
	if (call->is_over)
		return;
	call->is_over = true;
	if (call->abandon)
		call->abandon(call);
	call->abandon = NULL;
	call->work = NULL;
}

/* ---- words --------------------------------------------------------------- */

/* Words with bars between, taken to pieces; the text is kept in @text. */
static unsigned split_choices(const char *choices, char text[CHOICES_BYTES],
			      const char *ret_words[CHOICES_MAX])
{
	unsigned n = 0;
	char *rest;

	if (!text_copy(text, CHOICES_BYTES, choices))
		return 0;
	for (char *word = strtok_r(text, "|", &rest); word && n < CHOICES_MAX;
	     word = strtok_r(NULL, "|", &rest))
		ret_words[n++] = word;
	return n;
}

int choice_find(const char *choices, const char *typed)
{
	const char *words[CHOICES_MAX];
	char text[CHOICES_BYTES];
	unsigned n = split_choices(choices, text, words);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(words[i], typed) == 0)
			return (int)i;
	return -1;
}

bool call_wrong_word(struct call *call, const char *typed, const char *choices)
{
	const char *words[CHOICES_MAX];
	char text[CHOICES_BYTES];
	unsigned n = split_choices(choices, text, words);

	call_fail(call, REPLY_USAGE, text_nearest(typed, words, n), "%s: '%.60s' is none of %s",
		  call->command->name, typed, choices);
	return false;
}

const char *call_option(const struct call *call, const char *name)
{
	for (unsigned n = 0; n < COMMAND_OPTIONS_MAX && call->command->options[n].name; n++)
		if (strcmp(call->command->options[n].name, name) == 0)
			return call->options[n];
	return NULL;
}

bool call_option_ms(struct call *call, const char *name, uint64_t *ret_ms)
{
	const char *typed = call_option(call, name);
	uint64_t ms;

	if (!typed)
		return true;
	if (!text_to_ms(typed, &ms)) {
		call_fail(call, REPLY_USAGE, NULL,
			  "--%s: '%.60s' is no duration (250ms, 30s, 10m, 2h, 1d)", name, typed);
		return false;
	}
	if (ms > OPTION_DAYS_MAX * MS_PER_DAY) {
		call_fail(call, REPLY_USAGE, NULL, "--%s: '%.60s' is more than %llud", name, typed,
			  OPTION_DAYS_MAX);
		return false;
	}
	*ret_ms = ms;
	return true;
}

bool call_option_span(struct call *call, const char *name, uint64_t *ret_ms)
{
	uint64_t ms = 1;

	if (!call_option_ms(call, name, &ms))
		return false;
	if (ms == 0) {
		call_fail(call, REPLY_USAGE, NULL, "--%s: '%.60s' is no time at all", name,
			  call_option(call, name));
		return false;
	}
	if (call_option(call, name))
		*ret_ms = ms;
	return true;
}

bool call_option_u64(struct call *call, const char *name, uint64_t *ret_value)
{
	const char *typed = call_option(call, name);

	if (!typed || text_to_u64(typed, ret_value))
		return true;
	call_fail(call, REPLY_USAGE, NULL, "--%s: '%.60s' is no number", name, typed);
	return false;
}

/* ---- from a line to a command -------------------------------------------- */

static const struct command *find_command(const struct control_context *x, const char *name)
{
	for (size_t n = 0; n < x->commands_n; n++)
		if (strcmp(x->commands[n].name, name) == 0)
			return &x->commands[n];
	return NULL;
}

/* Words of other balancers, and ours for the same. */
static const char *translate(const char *typed)
{
	static const struct {
		const char *theirs, *ours;
	} words[] = {
		{ "show", "status" },
		{ "stat", "status" },
		{ "stats", "status" },
		{ "set", "backend POOL/NAME" },
		{ "disable", "backend POOL/NAME maint" },
		{ "enable", "backend POOL/NAME ready" },
		{ "shutdown", "kill" },
		{ "ready", "backend POOL/NAME ready" },
		{ "drain", "backend POOL/NAME drain" },
		{ "maint", "backend POOL/NAME maint" },
		{ "weight", "backend POOL/NAME weight N" },
		{ "pause", "listener NAME pause" },
		{ "resume", "listener NAME resume" },
		{ "ban", "deny" },
	};

	for (size_t n = 0; n < ARRAY_LEN(words); n++)
		if (strcmp(typed, words[n].theirs) == 0)
			return words[n].ours;
	return NULL;
}

static void say_unknown_command(struct call *call, const char *typed)
{
	const char *ours = translate(typed);
	const struct control_context *x = call->context;
	const char *names[64];
	size_t n = MIN(x->commands_n, ARRAY_LEN(names));

	for (size_t i = 0; i < n; i++)
		names[i] = x->commands[i].name;
	call_fail(call, REPLY_UNKNOWN, ours ? ours : text_nearest(typed, names, n),
		  "there is no command '%.60s' (help lists them)", typed);
}

static int find_option(const struct command *command, const char *name, size_t n)
{
	for (int i = 0; i < COMMAND_OPTIONS_MAX && command->options[i].name; i++)
		if (strlen(command->options[i].name) == n &&
		    memcmp(command->options[i].name, name, n) == 0)
			return i;
	return -1;
}

static bool say_unknown_option(struct call *call, const char *typed)
{
	const char *names[COMMAND_OPTIONS_MAX], *near;
	char hint[64];
	size_t n = 0;

	while (n < COMMAND_OPTIONS_MAX && call->command->options[n].name) {
		names[n] = call->command->options[n].name;
		n++;
	}
	near = n > 0 ? text_nearest(typed + 2, names, n) : NULL;
	snprintf(hint, sizeof(hint), "--%s", near ? near : "");
	call_fail(call, REPLY_USAGE, near ? hint : NULL, "%s has no option '%.60s'%s%s",
		  call->command->name, typed, n > 0 ? "; it is: " : "",
		  n > 0 ? call->command->form : "");
	return false;
}

/* An empty one is none: who meant a name that turned out to be nothing did not mean all. */
static bool take_value(struct call *call, int i, const char *value)
{
	const struct command_option *option = &call->command->options[i];

	call->options[i] = value;
	if (value && value[0])
		return true;
	call_fail(call, REPLY_USAGE, NULL, "--%s needs a value: %s", option->name,
		  option->value.form);
	return false;
}

/* The option at word *n, and its value, which may be the next word. */
static bool take_option(struct call *call, unsigned *n)
{
	const struct request *r = &call->request;
	const char *typed = r->words[*n], *value = strchr(typed, '=');
	size_t name_n = value ? (size_t)(value - typed) - 2 : strlen(typed) - 2;
	int i = find_option(call->command, typed + 2, name_n);

	if (i < 0)
		return say_unknown_option(call, typed);
	if (call->options[i]) {
		call_fail(call, REPLY_USAGE, NULL, "--%s is given twice",
			  call->command->options[i].name);
		return false;
	}
	if (!call->command->options[i].value.form) {
		call->options[i] = "";
		if (value)
			call_fail(call, REPLY_USAGE, NULL, "--%s takes no value",
				  call->command->options[i].name);
		return !value;
	}
	if (value)
		return take_value(call, i, value + 1);
	return take_value(call, i, *n + 1 < r->words_n ? r->words[++*n] : NULL);
}

static bool is_option(const struct request *r, unsigned n)
{
	return !r->is_quoted[n] && strncmp(r->words[n], "--", 2) == 0 && r->words[n][2] != '\0';
}

static bool sort_words(struct call *call)
{
	const struct request *r = &call->request;

	for (unsigned n = 1; n < r->words_n; n++) {
		if (!is_option(r, n))
			call->words[call->words_n++] = r->words[n];
		else if (!take_option(call, &n))
			return false;
	}
	if (call->words_n >= call->command->words_min && call->words_n <= call->command->words_max)
		return true;
	call_fail(call, REPLY_USAGE, NULL, "%s%s: usage: %s %s",
		  call->words_n < call->command->words_min ? "something is missing behind "
							   : "there is too much behind ",
		  call->command->name, call->command->name, call->command->form);
	return false;
}

/*
 * Logged before it is run: a command may end its client, or the process. It may
 * be longer than a line of the log: then its end is missing, but not who and why.
 */
static void log_change(const struct call *call, const char *line, size_t n)
{
	char text[REQUEST_BYTES_MAX];
	struct log_line to;

	snprintf(text, sizeof(text), "%.*s", (int)MIN(n, sizeof(text) - 1), line);
	if (!log_begin(&to, LOG_INFO, "control"))
		return;
	log_u64(&to, "uid", call->peer.uid);
	log_u64(&to, "gid", call->peer.gid);
	log_i64(&to, "pid", call->peer.pid);
	log_text(&to, "reason", call_option(call, "reason"));
	log_text(&to, "command", text);
	log_end(&to);
}

void call_begin(struct call *call, const char *line, size_t n)
{
	const char *why;

	call->is_over = false;
	call->work = NULL;
	call->abandon = NULL;
	call->command = NULL;
	call->words_n = 0;
	memset(call->options, 0, sizeof(call->options));
	if (!request_parse(&call->request, line, n, &why)) {
		call_fail(call, REPLY_USAGE, NULL, "%s", why);
		return;
	}
	if (call->request.words_n == 0) {
		call_fail(call, REPLY_USAGE, "help", "there is no command");
		return;
	}
	call->command = find_command(call->context, call->request.words[0]);
	if (!call->command) {
		say_unknown_command(call, call->request.words[0]);
		return;
	}
	if (!sort_words(call))
		return;
	if (call->command->changes)
		log_change(call, line, n);
	call->context->runs[call->command - call->context->commands](call);
}
