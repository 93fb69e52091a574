/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_BIND_CONFLICTS_H
#define CONFIG_BIND_CONFLICTS_H

/*
 * Which addresses does this process listen on itself? An address bound twice
 * would share its connections out at random (SO_REUSEPORT) or, where it is
 * `status` or `control` as well, be had by one of them alone; a backend that is
 * one of the listeners' would be an endless loop.
 */

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"

/*
 * Reports both, after config_resolve(). @ask allows to look for a backend's
 * address among this machine's, for listeners that are bound to any.
 */
void config_check_bind_conflicts(const struct config *config, struct diag *diag, bool ask);

#endif
