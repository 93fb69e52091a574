/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

/* All commands of the control socket, in the order in which help shows them. */

#include "admin/command.h"

extern const struct command commands[];
extern const size_t commands_n;

#endif
