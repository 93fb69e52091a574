/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

/*
 * The text of one configuration file, in memory as long as it is being
 * loaded: for the reader, which walks through it, and for messages, which
 * show the line they speak of. Only this and load.c touch the file system.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define SOURCE_BYTES_MAX (64u << 20) /* a file beyond is none that somebody wrote */
#define SOURCE_LINE_BYTES_MAX 4096u  /* of a line that means something to the reader */

struct source {
	const char *name; /* as messages call it; the caller's */
	char *text;
	size_t bytes;
	size_t *lines; /* where each begins */
	size_t lines_n;
};

/* Keeps a copy of @text, and @name. False when memory is short. */
MUST_CHECK bool source_from_text(struct source *source, const char *name, const char *text,
				 size_t bytes);

/*
 * Reads the file @path, whose string it keeps. Returns NULL, or in a static
 * text what is wrong: it may be unreadable, a directory, or too large; or no
 * regular file, unless it @may_be_pipe, which is then read to its end, however
 * long that takes.
 */
MUST_CHECK const char *source_from_file(struct source *source, const char *path, bool may_be_pipe);

void source_finish(struct source *source);

/* Line @line, counted from 1, without LF or CRLF: where it begins, and in *ret_bytes its length. */
const char *source_line(const struct source *source, size_t line, size_t *ret_bytes);

#endif
