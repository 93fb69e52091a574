/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

/*
 * One line of the control protocol, taken to pieces: words with blanks between,
 * and options in any place, --NAME VALUE, --NAME=VALUE or a --NAME alone. A
 * word in double quotes may have blanks in it; a backslash in front of a
 * double quote or of another backslash makes it one of the word's letters.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define REQUEST_BYTES_MAX 4096
#define REQUEST_WORDS_MAX 128

struct request {
	char text[REQUEST_BYTES_MAX];
	const char *words[REQUEST_WORDS_MAX]; /* in text; options are among them, as written */
	bool is_quoted[REQUEST_WORDS_MAX];    /* then it is no option */
	unsigned words_n;
};

/* Of @n bytes without their newline. False: *ret_why is a static text. */
MUST_CHECK bool request_parse(struct request *request, const char *line, size_t n,
			      const char **ret_why);

#endif
