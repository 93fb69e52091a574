/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_CONFIG_FILE_H
#define CONFIG_CONFIG_FILE_H

/*
 * The text of one configuration file, in memory as long as it is being
 * loaded: for the reader, which walks through it, and for messages, which
 * show the line they speak of. Only this and load.c touch the file system.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

#define CONFIG_FILE_BYTES_MAX (64u << 20) /* a file beyond is none that somebody wrote */
#define CONFIG_LINE_BYTES_MAX 4096u       /* of a line that means something to the reader */

struct config_file {
	const char *name; /* as messages call it; the caller's */
	char *text;
	size_t bytes;
	size_t *lines; /* where each begins */
	size_t lines_n;
};

/* Keeps a copy of @text, and @name. False when memory is short. */
MUST_CHECK bool config_file_copy(struct config_file *file, const char *name, const char *text,
				 size_t bytes);

/*
 * Reads the file @path, whose string it keeps. Returns NULL, or in a static
 * text what is wrong: it may be unreadable, a directory, or too large; or no
 * regular file, unless it @may_be_pipe, which is then read to its end, however
 * long that takes.
 */
MUST_CHECK const char *config_file_read(struct config_file *file, const char *path,
					bool may_be_pipe);

void config_file_finish(struct config_file *file);

/* Line @line, counted from 1, without LF or CRLF: where it begins, and in *ret_bytes its length. */
const char *config_file_line(const struct config_file *file, size_t line, size_t *ret_bytes);

#endif
