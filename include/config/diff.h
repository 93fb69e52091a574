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
 * is compared as it is written. What takes a restart is compared with the configuration
 * that the process has started with, for as long as it differs.
 */

#include "config/config.h"

#define CONFIG_DIFF_BYTES 512

#define CONFIG_VALUE_BYTES 160 /* of one value in a line; the rest is cut off */
#define CONFIG_STARTED_MAX 8

/* What takes a restart (RELOAD_RESTART), as it is written, in the order of the directives. */
struct config_started {
	char values[CONFIG_STARTED_MAX][CONFIG_VALUE_BYTES];
};

/* The process starts with @config. */
void config_started_note(struct config_started *started, const struct config *config);

typedef void config_diff_fn(void *owner, const char *line);

/* Calls @tell with each line, which holds until it returns, in the order of @then. */
void config_diff(const struct config *now, const struct config *then,
		 const struct config_started *started, config_diff_fn *tell, void *owner);

/* The same of what waits for a restart alone, now that @config is in force: "workers 2 -> 4". */
void config_diff_pending(const struct config *config, const struct config_started *started,
			 config_diff_fn *tell, void *owner);

#endif
