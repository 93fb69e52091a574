/* SPDX-License-Identifier: GPL-2.0-or-later */

/* log: how much is told, and to which file. */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "commands/cmd.h"
#include "admin/command.h"

static void set_level(struct call *call)
{
	const char *levels = call->command->params[1].form;
	int level;

	if (call->words_n < 2) {
		call_fail(call, REPLY_USAGE, NULL, "which level? %s", levels);
		return;
	}
	level = choice_find(levels, call->words[1]);
	if (level < 0) {
		(void)call_wrong_word(call, call->words[1], levels);
		return;
	}
	log_set_level((enum log_level)level);
	call_ok(call);
}

static void reopen(struct call *call)
{
	int err;

	if (call->words_n > 1) {
		call_fail(call, REPLY_USAGE, NULL, "there is nothing to say behind 'reopen'");
		return;
	}
	err = log_reopen();
	if (err == 0)
		call_ok(call);
	else if (err == -ENOTSUP)
		call_fail(call, REPLY_FAILED, NULL,
			  "the log is no file: whoever reads it keeps it");
	else
		call_fail(call, REPLY_FAILED, NULL, "the log's file stays as it was: %s",
			  log_reopen_why(err));
}

void cmd_log(struct call *call)
{
	const char *choices = call->command->params[0].form;

	if (choice_find(choices, call->words[0]) < 0)
		(void)call_wrong_word(call, call->words[0], choices);
	else if (strcmp(call->words[0], "level") == 0)
		set_level(call);
	else
		reopen(call);
}
