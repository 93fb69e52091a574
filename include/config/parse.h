/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H

/* From lines to structs: sections, keys, values; one file after the other. */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"
#include "config/defaults.h"
#include "config/diag.h"
#include "config/directive.h"
#include "config/reader.h"
#include "config/config_file.h"

#define PARSER_TITLE_BYTES (2 * CONFIG_NAME_BYTES + 64)

struct parser {
	struct config *config;
	struct diag *diag;
	struct reader reader;
	enum config_section kind;
	void *section; /* NULL: there is none yet, or one whose keys mean nothing */
	struct config_location *set_at;            /* of the section */
	struct defaults defaults[CONFIG_SECTIONS]; /* of listeners and of pools */
	struct defaults *into;                     /* the section is that one; or NULL */
	struct kept *pools;                        /* what config->pools say, one for each */
	struct kept *kept;                         /* that of the section, a pool; or NULL */
	bool has_head;                             /* this file had a section's head */
	char title[PARSER_TITLE_BYTES];            /* "[pool pg]" */
};

/* Keeps both until parser_finish(). */
void parser_init(struct parser *parser, struct config *config, struct diag *diag);
/* When all files are read: gives pools what those have that they are like, and each
 * section the defaults of its kind. */
void parser_finish(struct parser *parser);

/* Adds what @file says to the configuration; reports its mistakes. */
void parser_read(struct parser *parser, const struct config_file *file);

/* Room to remember where each directive was given; NULL, reported, when memory is short. */
MUST_CHECK struct config_location *parser_new_set_at(struct diag *diag);

#endif
