/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DIRECTIVE_H
#define CONFIG_DIRECTIVE_H

/*
 * The table of everything that can be written in a configuration. One row
 * feeds the parser, the defaults, --dump, the list of what exists and the
 * check of the manual page.
 *
 * To add a directive: a field in config.h, a row in directive.c, an entry in
 * etc/ringmain.ini.5 and a test. A value that is not a number, a duration, a
 * size, a word or a name needs a type of its own: a file like endpoint.c with
 * a struct directive_type in it, declared in value.h; tokens.h takes values of
 * several words to pieces. To give one another name: the new one as its key,
 * the old one as its old_key, and a line in the manual's list of those that
 * were renamed; a release later both go.
 */

#include <stddef.h>

#include "config/config.h"
#include "config/diag.h"
#include "config/directive_type.h"

extern const struct directive directives[];
extern const size_t directives_n;

/* The row of @key, or NULL. */
const struct directive *directive_find(enum config_section section, const char *key);

/* The row that was called @key before, or NULL. */
const struct directive *directive_find_old(enum config_section section, const char *key);

/* Gives every directive of @section that has a default its default. */
void directive_set_defaults(enum config_section section, void *to, struct diag *diag);

/* Gives back what the directives of a section allocated in @from. */
void directive_release(enum config_section section, void *from);

/*
 * Where @key was written; @set_at is the array in a section's struct. The line
 * is 0 where it is a default. CHECKs that there is such a key.
 */
const struct config_location *directive_location(const struct config_location *set_at,
						 enum config_section section, const char *key);

#endif
