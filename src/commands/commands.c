/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands/commands.h"

#include "commands/cmd.h"

#define FILTERS                                                                      \
	"[--client CIDR] [--backend POOL/NAME] [--pool POOL] [--listener LISTENER] " \
	"[--older TIME] [--idle TIME]"
#define SORTS "bytes|age|idle|id|rate"
#define LEVELS "error|warn|info|debug"
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
		.form = "POOL/NAME " BACKEND_WORDS " [N] [--for TIME] [--over TIME]",
		.help = "wish for a state or a weight of a backend, for a while or until undone",
		.params = { { "POOL/NAME", PARAM_BACKEND },
			    { BACKEND_WORDS, PARAM_CHOICE },
			    { "N", PARAM_TEXT } },
		.params_n = 3,
		.words_min = 2,
		.words_max = 3,
		.options = { { "for", { "TIME", PARAM_TEXT } },
			     { "over", { "TIME", PARAM_TEXT } } },
		.changes = true,
		.run = cmd_backend,
	},
	{
		.name = "listener",
		.form = "LISTENER pause [refuse|wait] [--over TIME]|resume",
		.help = "take no new clients, and go on",
		.params = { { "LISTENER", PARAM_LISTENER },
			    { "pause|resume", PARAM_CHOICE },
			    { "refuse|wait", PARAM_CHOICE } },
		.params_n = 3,
		.words_min = 2,
		.words_max = 3,
		.options = { { "over", { "TIME", PARAM_TEXT } } },
		.changes = true,
		.run = cmd_listener,
	},
	{
		.name = "sessions",
		.form = FILTERS " [--sort " SORTS "] [--rates] [--limit N]",
		.help = "the sessions there are, or some of them",
		.options = { { "client", { "CIDR", PARAM_TEXT } },
			     { "backend", { "POOL/NAME", PARAM_BACKEND } },
			     { "pool", { "POOL", PARAM_POOL } },
			     { "listener", { "LISTENER", PARAM_LISTENER } },
			     { "older", { "TIME", PARAM_TEXT } },
			     { "idle", { "TIME", PARAM_TEXT } },
			     { "sort", { SORTS, PARAM_CHOICE } },
			     { "rates", { NULL, PARAM_TEXT } },
			     { "limit", { "N", PARAM_TEXT } } },
		.run = cmd_sessions,
	},
	{
		.name = "errors",
		.form = "",
		.help = "the last sessions that ended by something that went wrong",
		.run = cmd_errors,
	},
	{
		.name = "kill",
		.form = "[ID...] " FILTERS " [--all] [--reason TEXT] [--yes]",
		.help = "end sessions, which both sides see as a reset",
		.params = { { "ID", PARAM_TEXT } },
		.params_n = 1,
		.words_max = REQUEST_WORDS_MAX,
		.options = { { "client", { "CIDR", PARAM_TEXT } },
			     { "backend", { "POOL/NAME", PARAM_BACKEND } },
			     { "pool", { "POOL", PARAM_POOL } },
			     { "listener", { "LISTENER", PARAM_LISTENER } },
			     { "older", { "TIME", PARAM_TEXT } },
			     { "idle", { "TIME", PARAM_TEXT } },
			     { "all", { NULL, PARAM_TEXT } },
			     { "reason", { "TEXT", PARAM_TEXT } },
			     { "yes", { NULL, PARAM_TEXT } } },
		.changes = true,
		.run = cmd_kill,
	},
	{
		.name = "deny",
		.form = "[CIDR --for TIME|--undo [--listener LISTENER]]",
		.help = "keep clients out for a while; without words: who is kept out",
		.params = { { "CIDR", PARAM_TEXT } },
		.params_n = 1,
		.words_max = 1,
		.options = { { "for", { "TIME", PARAM_TEXT } },
			     { "listener", { "LISTENER", PARAM_LISTENER } },
			     { "undo", { NULL, PARAM_TEXT } } },
		.changes = true,
		.run = cmd_deny,
	},
	{
		.name = "log",
		.form = "level " LEVELS,
		.help = "log this and everything graver, until the next start",
		.params = { { "level", PARAM_CHOICE }, { LEVELS, PARAM_CHOICE } },
		.params_n = 2,
		.words_min = 2,
		.words_max = 2,
		.changes = true,
		.run = cmd_log,
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
