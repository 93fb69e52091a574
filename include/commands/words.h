/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMANDS_WORDS_H
#define COMMANDS_WORDS_H

/*
 * What each command of the control socket is called and takes, in the order in which help shows
 * them: words alone, which ringmainctl has, too, and shows without a ringmain that runs.
 */

#include "admin/command.h"

enum {
	COMMAND_STATUS,
	COMMAND_BACKEND,
	COMMAND_LISTENER,
	COMMAND_SESSIONS,
	COMMAND_ERRORS,
	COMMAND_KILL,
	COMMAND_DENY,
	COMMAND_ROUTE,
	COMMAND_CERTS,
	COMMAND_FOLLOW,
	COMMAND_TRACE,
	COMMAND_LOG,
	COMMAND_RELOAD,
	COMMAND_PLAN,
	COMMAND_HISTORY,
	COMMAND_HELP,
	COMMAND_COMPLETE,
	COMMANDS,
};

extern const struct command commands[COMMANDS];

#endif
