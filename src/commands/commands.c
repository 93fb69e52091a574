/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "commands/commands.h"

#include "commands/cmd.h"

command_run_fn *const command_runs[COMMANDS] = {
	[COMMAND_STATUS] = cmd_status,     [COMMAND_BACKEND] = cmd_backend,
	[COMMAND_LISTENER] = cmd_listener, [COMMAND_SESSIONS] = cmd_sessions,
	[COMMAND_ERRORS] = cmd_errors,     [COMMAND_KILL] = cmd_kill,
	[COMMAND_DENY] = cmd_deny,         [COMMAND_ROUTE] = cmd_route,
	[COMMAND_CERTS] = cmd_certs,       [COMMAND_FOLLOW] = cmd_follow,
	[COMMAND_TRACE] = cmd_trace,       [COMMAND_LOG] = cmd_log,
	[COMMAND_RELOAD] = cmd_reload,     [COMMAND_PLAN] = cmd_plan,
	[COMMAND_HISTORY] = cmd_history,   [COMMAND_HELP] = cmd_help,
	[COMMAND_COMPLETE] = cmd_complete,
};
