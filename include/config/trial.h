/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_TRIAL_H
#define CONFIG_TRIAL_H

/*
 * Would a directive take a value? So that what is suggested to somebody is
 * not the next mistake.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/directive.h"

#define TRIAL_BYTES 512

/*
 * Gives "KEY = VALUE" as @d takes it: with @value, or with what @d suggests
 * instead of it. False: neither, and @ret_text is what it says, "KEY: ...".
 */
MUST_CHECK bool trial_pair(const struct directive *d, const char *value,
			   char ret_text[TRIAL_BYTES]);

#endif
