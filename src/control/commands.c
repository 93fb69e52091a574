/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/commands.h"

#include "control/cmd.h"

#define BACKEND_WORDS "ready|drain|maint|down|weight"

const struct command commands[] = {
	{
		.name = "status",
		.form = "",
		.help = "the process, its listeners, pools and backends",
		.run = cmd_status,
	},
	{
		.name = "backend",
		.form = "POOL/NAME " BACKEND_WORDS " [N] [--for TIME]",
		.help = "wish for a state or a weight of a backend, for a while or until undone",
		.params = { { "POOL/NAME", PARAM_BACKEND },
			    { BACKEND_WORDS, PARAM_CHOICE },
			    { "N", PARAM_TEXT } },
		.params_n = 3,
		.words_min = 2,
		.words_max = 3,
		.options = { { "for", { "TIME", PARAM_TEXT } } },
		.changes = true,
		.run = cmd_backend,
	},
	{
		.name = "help",
		.form = "[COMMAND]",
		.help = "the commands, or one of them",
		.params = { { "COMMAND", PARAM_COMMAND } },
		.params_n = 1,
		.words_max = 1,
		.run = cmd_help,
	},
	{
		.name = "complete",
		.form = "[WORD...]",
		.help = "what the last of these words may become, for shells",
		.params = { { "WORD", PARAM_TEXT } },
		.params_n = 1,
		.words_max = REQUEST_WORDS_MAX,
		.run = cmd_complete,
	},
};

const size_t commands_n = ARRAY_LEN(commands);
