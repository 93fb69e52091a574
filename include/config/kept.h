/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_KEPT_H
#define CONFIG_KEPT_H

/*
 * Settings of one section that others have, too, if they do not say it
 * themselves: those of a [defaults ...] and of a pool that others are like.
 * They are kept as texts until all files are read, and then set again in each
 * of these sections, as if they stood there.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/directive.h"
#include "config/setting.h"

struct kept_setting;

struct kept {
	struct kept_setting *list; /* in the order of the file */
	size_t n;
};

/* Copies @s, a good value. */
void kept_add(struct kept *kept, const struct setting *s, bool has_variable);

/*
 * Sets in @section, which may be what is kept or more, what it does not have
 * already of its own or of another @origin: @set_at says so, and is told.
 * What is a list is taken whole or not at all. Borrows @title.
 */
struct kept_section {
	void *section;
	struct config_location *set_at;
	const char *title;
};
void kept_apply(const struct kept *kept, enum config_origin origin, const struct kept_section *to,
		struct diag *diag);

void kept_finish(struct kept *kept);

#endif
