/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DUMP_H
#define CONFIG_DUMP_H

/* The configuration written back: `--dump` and the documentation's check. */

#include <stdio.h>

#include "config/config.h"

/* Everything that is in force, defaults included, as INI that loads to the same configuration. */
void config_dump(const struct config *config, FILE *to);

/*
 * The table of directives, a line each, fields separated by tabs: section,
 * key, default ("-" when there is none), what is allowed, marks ("required",
 * "repeatable", "formerly=OLD_KEY", separated by commas; or "-"), for what a
 * reload makes another value count ("now", "new sessions", "restart"), help.
 */
void config_print_directives(FILE *to);

#endif
