/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CTL_HELP_H
#define CTL_HELP_H

/* ringmainctl help: what can be said, which takes no ringmain that runs. */

#include <stdbool.h>

#include "base/def.h"

/* All commands, or the one that is named: as text, or as the rows that ringmain would send. */
void help_show(const char *command, bool is_json);
/* Is there one of this name? If not, *ret_near is the one that is probably meant, or NULL. */
MUST_CHECK bool help_has(const char *command, const char **ret_near);
/* A line for each command that begins so. */
void help_complete(const char *typed);

#endif
