/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_DIAG_H
#define CONFIG_DIAG_H

/*
 * Collects the mistakes of a configuration and prints them as a compiler
 * does, in the order of files and lines:
 *
 *   pg.ini:14:7: error: [listener pg] relay: unknown value 'spice' (auto, ...
 *      14 | relay = spice
 *         |         ^~~~~
 *
 * Columns count bytes from 1. What a file or its name contains is printed
 * with control characters replaced: it may be anything. Where a password may
 * begin (config/secret.h) it is cut off, for logs have these messages, too. After so many
 * mistakes the rest is only counted.
 *
 * config_load() fills it, its caller prints and empties it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/def.h"
#include "config/config.h"
#include "config/config_file.h"

#define DIAG_ERRORS_MAX 50 /* that are kept and printed */
#define DIAG_WARNINGS_MAX 20

struct diag {
	struct diag_entry {
		size_t file; /* its index among the files */
		unsigned line, column;
		char *text; /* ready to print */
	} entries[DIAG_ERRORS_MAX + DIAG_WARNINGS_MAX];
	size_t entries_n;
	size_t errors_n, warnings_n; /* also those that were not kept */
	const struct config_file *files;
	size_t files_n;
	const struct config_file *list; /* of addresses, that is being read; or NULL */
	bool is_out_of_memory;
};

void diag_init(struct diag *diag);
/* Gives back what it holds; @diag is as after diag_init(). */
void diag_finish(struct diag *diag);

/*
 * Borrows the files that locations point into, in the order in which their
 * mistakes shall be printed, until the next call of this or diag_finish().
 * Others are read again for the line that a mistake is in.
 */
void diag_set_files(struct diag *diag, const struct config_file *files, size_t n);

/* Borrows a file that a directive names, until NULL is set; its mistakes are printed last. */
void diag_set_list(struct diag *diag, const struct config_file *list);

/* A mistake at @location, which may be NULL: nowhere in particular. Borrows everything. */
void diag_error(struct diag *diag, const struct config_location *location, const char *format, ...)
	PRINTF_LIKE(3, 4);
void diag_warning(struct diag *diag, const struct config_location *location, const char *format,
		  ...) PRINTF_LIKE(3, 4);
/* Memory ran out: an error that needs none. */
void diag_no_memory(struct diag *diag);

/* Would one more error be kept? If not, spare the work of wording it. */
bool diag_has_room(const struct diag *diag);
bool diag_has_errors(const struct diag *diag);

/* All that was kept, in order, and how many more there are. */
void diag_write(struct diag *diag, FILE *to);

#endif
