/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_INEFFECTIVE_H
#define CONFIG_INEFFECTIVE_H

/* Directives that mean nothing without, or beside, another one: one of the two is not meant. */

#include "config/config.h"
#include "config/diag.h"

/* Warns of those that were given a value other than their default. */
void config_check_ineffective(const struct config *config, struct diag *diag);

#endif
