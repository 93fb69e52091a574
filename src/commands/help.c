/* SPDX-License-Identifier: GPL-2.0-or-later */

/* What can be said here: help for people, complete for shells. */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "state/runtime.h"

static void tell_command(struct reply *r, const struct command *command)
{
	reply_row(r, "command");
	reply_text(r, "command", command->name);
	reply_text(r, "takes", command->form);
	reply_text(r, "does", command->help);
	reply_row_end(r);
}

void cmd_help(struct call *call)
{
	const struct control_context *x = call->context;
	bool is_found = false;

	for (size_t n = 0; n < x->commands_n; n++) {
		if (call->words_n > 0 && strcmp(call->words[0], x->commands[n].name) != 0)
			continue;
		tell_command(call->reply, &x->commands[n]);
		is_found = true;
	}
	if (is_found)
		call_ok(call);
	else
		call_fail(call, REPLY_UNKNOWN, NULL, "there is no command '%.60s'", call->words[0]);
}

/* ---- completion ---- */

/* A word that is begun: "--backend=pg" is "pg" behind ten bytes that stay. */
struct typed {
	const char *text;
	const char *before;
	int before_n;
};

/* Offers what begins with what was typed. */
static void offer(struct call *call, const struct typed *typed, const char *word)
{
	char whole[2 * CONFIG_NAME_BYTES + 64];

	if (strncmp(word, typed->text, strlen(typed->text)) != 0)
		return;
	snprintf(whole, sizeof(whole), "%.*s%s", typed->before_n, typed->before, word);
	reply_row(call->reply, "word");
	reply_text(call->reply, "word", whole);
	reply_row_end(call->reply);
}

static void offer_choices(struct call *call, const struct typed *typed, const char *choices)
{
	char text[256], *rest;

	if (!text_copy(text, sizeof(text), choices))
		return;
	for (char *word = strtok_r(text, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
		offer(call, typed, word);
}

static void offer_backends(struct call *call, const struct typed *typed, const struct pool *pool)
{
	const struct pool_config *config = pool_config(pool);
	char word[2 * CONFIG_NAME_BYTES + 1];

	for (size_t n = 0; n < config->backends_n; n++) {
		snprintf(word, sizeof(word), "%s/%s", config->name, config->backends[n].name);
		offer(call, typed, word);
	}
}

static void offer_param(struct call *call, const struct typed *typed, const struct param *param)
{
	const struct runtime *runtime = call->context->runtime;

	switch (param->kind) {
	case PARAM_TEXT:
		break;
	case PARAM_CHOICE:
		offer_choices(call, typed, param->form);
		break;
	case PARAM_COMMAND:
		for (size_t n = 0; n < call->context->commands_n; n++)
			offer(call, typed, call->context->commands[n].name);
		break;
	case PARAM_LISTENER:
		runtime_for_each_listener(runtime, l)
		{
			offer(call, typed, l->config->name);
		}
		break;
	case PARAM_POOL:
		runtime_for_each_pool(runtime, n)
		{
			offer(call, typed, pool_config(runtime->pools[n])->name);
		}
		break;
	case PARAM_BACKEND:
		runtime_for_each_pool(runtime, n)
		{
			offer_backends(call, typed, runtime->pools[n]);
		}
		break;
	}
}

static void offer_options(struct call *call, const struct typed *typed,
			  const struct command *command)
{
	char word[64];

	for (unsigned n = 0; n < COMMAND_OPTIONS_MAX && command->options[n].name; n++) {
		snprintf(word, sizeof(word), "--%s", command->options[n].name);
		offer(call, typed, word);
	}
}

static const struct command_option *option_named(const struct command *command, const char *word)
{
	for (unsigned n = 0; n < COMMAND_OPTIONS_MAX && command->options[n].name; n++)
		if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, command->options[n].name) == 0)
			return &command->options[n];
	return NULL;
}

static bool option_value_follows(const struct command *command, const char *word)
{
	const struct command_option *option = option_named(command, word);

	return option && option->value.form;
}

/* How many words of @words, which begin behind the command, are in front of the last. */
static unsigned index_of_last(const struct command *command, const char *const *words, unsigned n)
{
	unsigned index = 0;

	for (unsigned i = 0; i + 1 < n; i++) {
		if (strncmp(words[i], "--", 2) != 0)
			index++;
		else if (option_value_follows(command, words[i]))
			i++;
	}
	return index;
}

/* The option whose value the last word is, or begins behind its '='. */
static const struct command_option *option_of_last(const struct command *command,
						   const char *const *words, unsigned n,
						   struct typed *typed)
{
	const char *last = words[n - 1], *equals = strchr(last, '=');
	char name[64];

	*typed = (struct typed){ last, "", 0 };
	if (n > 1 && (option_value_follows(command, words[n - 2])))
		return option_named(command, words[n - 2]);
	if (!equals || (size_t)(equals - last) >= sizeof(name))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(equals - last), last);
	if (option_value_follows(command, name))
		*typed = (struct typed){ equals + 1, last, (int)(equals + 1 - last) };
	return typed->before_n > 0 ? option_named(command, name) : NULL;
}

static void complete_word(struct call *call, const struct command *command,
			  const char *const *words, unsigned n)
{
	struct typed typed;
	const struct command_option *option = option_of_last(command, words, n, &typed);
	unsigned index;

	if (option) {
		offer_param(call, &typed, &option->value);
		return;
	}
	offer_options(call, &typed, command);
	index = index_of_last(command, words, n);
	if (command->params_n > 0 && index < command->words_max)
		offer_param(call, &typed, &command->params[MIN(index, command->params_n - 1)]);
}

/* The words come in quotes, so that those that look like options are not taken for its own. */
void cmd_complete(struct call *call)
{
	const struct param any = { NULL, PARAM_COMMAND };
	const struct control_context *x = call->context;
	const struct request *r = &call->request;

	const struct typed first = { r->words_n == 2 ? r->words[1] : "", "", 0 };

	if (r->words_n <= 2)
		offer_param(call, &first, &any);
	for (size_t n = 0; n < x->commands_n && r->words_n > 2; n++)
		if (strcmp(x->commands[n].name, r->words[1]) == 0)
			complete_word(call, &x->commands[n], &r->words[2], r->words_n - 2);
	call_ok(call);
}
