/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

/* What no single line can be blamed for: checks across directives and sections. */

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"

/*
 * Links listeners to their pools and reports what does not fit together.
 * @ask allows to look at this machine: its CPUs, its limits.
 */
void config_validate(struct config *config, struct diag *diag, bool ask);

/* How many workers "workers" means here, on this machine: at least 1. */
unsigned config_workers(const struct global_config *global);

#endif
