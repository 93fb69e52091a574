/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

/*
 * Hands the lines of a file to inih's ini_parse_stream() in a form that it
 * cannot misread, and remembers where in the line everything stands.
 *
 * As distributions build it, inih counts no lines for its handler, cuts lines
 * at 200 bytes and section names at 49, takes an indented line for more of
 * the value before, and says nothing of a section without keys. Therefore:
 *
 * - leading blanks, comments, CR and a byte order mark are taken off here;
 * - a line that is neither "[section]" nor "key = value", is too long or is
 *   not text is reported here, and inih sees an empty one;
 * - a section's head travels as a pair, and its text, like every value, is to
 *   be taken from the reader: inih passes on as much as it can hold.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/diag.h"
#include "config/config_file.h"
#include "config/expand.h"

struct reader {
	const struct config_file *file;
	struct diag *diag;
	unsigned line;      /* that was read last */
	bool is_head;       /* it is the head of a section */
	bool has_lost_head; /* since it was cleared a head could not be read, and was reported */
	char text[CONFIG_LINE_BYTES_MAX + 1]; /* it, without comment and blanks around it */
	char *value;                          /* of the pair, or between the brackets */
	bool is_value_bad;                    /* it could not be read, and that was reported */
	struct expanded expanded;             /* the pair's value */
	struct config_location key_location;
	struct config_location value_location;
};

/* Keeps both as long as @reader is used. */
void reader_init(struct reader *reader, const struct config_file *file, struct diag *diag);

/* An ini_reader for ini_parse_stream(); @reader is a struct reader. */
char *reader_next(char *line, int bytes, void *reader);

#endif
