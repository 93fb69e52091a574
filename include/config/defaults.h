/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DEFAULTS_H
#define CONFIG_DEFAULTS_H

/*
 * A [defaults listener] or [defaults pool]: what all sections of that kind
 * have that do not say it themselves, in whatever file and order they stand.
 * The parser keeps what was good in it and, when all files are read, sets it
 * in each of them.
 */

#include "base/def.h"
#include "config/config.h"
#include "config/directive.h"
#include "config/kept.h"

struct defaults {
	enum config_section section;
	struct config_location location; /* of its head; line 0: there is none */
	struct config_location *set_at;  /* by row, as of any section */
	void *fields;                    /* a section of its own, to try values in */
	struct kept kept;
};

/* False, and reported, when memory is short. */
MUST_CHECK bool defaults_init(struct defaults *defaults, enum config_section section,
			      struct diag *diag);
void defaults_finish(struct defaults *defaults);

/* Tries a value, and keeps it when it is good. */
void defaults_set(struct defaults *defaults, const struct setting *s);

/* Sets in the section what it does not have already. */
void defaults_apply(const struct defaults *defaults, const struct kept_section *to,
		    struct diag *diag);

#endif
