/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_NAMES_H
#define CONFIG_NAMES_H

/*
 * Names of listeners, pools or backends, sorted: to find one, and to find
 * those that are given twice, without looking at every other each time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "config/config.h"
#include "config/diag.h"

struct named {
	const char *name;
	const struct config_location *location;
	size_t index; /* in the order of the file */
};

struct names {
	struct named *list;
	size_t n;
};

/* Memory for @n of them, to be filled by the caller. False, reported, when it is short. */
MUST_CHECK bool names_init(struct names *names, size_t n, struct diag *diag);
void names_finish(struct names *names);

void names_sort(struct names *names);

/* Of sorted names: the first of that name, or NULL. */
const struct named *names_find(const struct names *names, const char *name);

/* Of sorted names: reports those given before, as @before NAME @after. */
void names_report_twice(const struct names *names, const char *before, const char *after,
			struct diag *diag);

/* The name that was probably meant with @typed, or NULL. */
const char *names_nearest(const struct names *names, const char *typed);

#endif
