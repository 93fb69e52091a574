/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

/* The functions that run the commands of words.h. */

#include "commands/words.h"

extern command_run_fn *const command_runs[COMMANDS];

#endif
