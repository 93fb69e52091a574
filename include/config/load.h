/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

/*
 * From files to a checked configuration. All mistakes of all files go into a
 * diag; with one error there is no configuration.
 *
 *	struct diag diag;
 *
 *	diag_init(&diag);
 *	config = config_load(path, &diag, NULL, NULL);
 *	diag_write(&diag, stderr);
 *	diag_finish(&diag);
 */

#include <stddef.h>

#include "base/def.h"
#include "config/config.h"
#include "config/diag.h"

/*
 * What else there is to check, after all the rest and even if that found
 * mistakes: all of them are told at once. Borrows @config, reports to @diag.
 */
typedef void config_check_fn(const struct config *config, struct diag *diag, void *owner);

/*
 * Reads the file @path, or all *.ini in the directory @path in the order of
 * their bytes (names that begin with a dot excepted), and what these include. Resolves host names,
 * which blocks, and looks at this machine's addresses. Gives the
 * configuration, to be released with config_destroy(), or NULL. There may be
 * warnings in @diag, which the caller has initialised, either way. Calls
 * @more, unless it is NULL, with @owner.
 */
MUST_CHECK struct config *config_load(const char *path, struct diag *diag, config_check_fn *more,
				      void *owner);

/*
 * The same beside @known, which is in force: a host name that was resolved
 * for it and cannot be now keeps its address, with a warning.
 */
MUST_CHECK struct config *config_load_again(const char *path, struct diag *diag,
					    const struct config *known, config_check_fn *more,
					    void *owner);

/*
 * The same from memory, as if it were a file of that @name, asking neither
 * the file system nor the resolver nor what this machine is: host names and
 * "any" stay without an address (of length 0, or none).
 */
MUST_CHECK struct config *config_load_text(const char *name, const char *text, size_t bytes,
					   struct diag *diag);

/* Accepts NULL. */
void config_destroy(struct config *config);

#endif
