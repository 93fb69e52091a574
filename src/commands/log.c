/* SPDX-License-Identifier: GPL-2.0-or-later */

/* log: how much is told. */

#include "base/log.h"
#include "commands/cmd.h"
#include "admin/command.h"

void cmd_log(struct call *call)
{
	const char *levels = call->command->params[1].form;
	int level;

	if (choice_find(call->command->params[0].form, call->words[0]) < 0) {
		(void)call_wrong_word(call, call->words[0], call->command->params[0].form);
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
