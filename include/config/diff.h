/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

/*
 * What differs between two configurations, in lines for people:
 *
 *	+ listener mqtt *:1883
 *	~ pool pg: backend pg2 weight 1 -> 3
 *	- pool old
 *	! workers 2 -> 4: takes effect at the next start
 *
 * Listeners, pools and backends are told apart by their names, and all else
 * is compared as it is written.
 */

#include "config/config.h"

#define CONFIG_DIFF_BYTES 512

typedef void config_diff_fn(void *owner, const char *line);

/* Calls @tell with each line, which holds until it returns, in the order of @then. */
void config_diff(const struct config *now, const struct config *then, config_diff_fn *tell,
		 void *owner);

#endif
