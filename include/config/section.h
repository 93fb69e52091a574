/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SECTION_H
#define CONFIG_SECTION_H

/*
 * Checks within one section, across its directives. They report, and change
 * nothing but the defaults that depend on another directive's value. For
 * config_validate().
 */

#include <stdbool.h>

#include "config/config.h"
#include "config/diag.h"
#include "config/directive.h"

/* Reports which required directives are missing. Borrows all; @title is "[pool pg]". */
void section_report_missing(const struct config_location *set_at, enum config_section section,
			    const char *title, const struct config_location *location,
			    struct diag *diag);

/* @ask allows to look at this machine's addresses and limits. */
void section_check_listener(const struct listener_config *listener,
			    const struct global_config *global, struct diag *diag, bool ask);
/* Of a pool, the part that says how its backends are checked. */
void section_check_check(const struct pool_config *pool, struct diag *diag, bool ask);
void section_check_pool(struct pool_config *pool, struct diag *diag, bool ask);

#endif
