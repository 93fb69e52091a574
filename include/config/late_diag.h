/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_LATE_DIAG_H
#define CONFIG_LATE_DIAG_H

/*
 * A mistake that shows only when the files have been read and closed, such as an address that
 * cannot be had: said as config/diag.h does, with the line, for which the file is read again.
 */

#include "base/def.h"
#include "config/config.h"
#include "config/diff.h"

/* Calls @tell with each line of it, which holds until it returns. @location: line 0 is nowhere. */
void late_diag_error(const struct config_location *location, config_diff_fn *tell, void *owner,
		     const char *format, ...) PRINTF_LIKE(4, 5);

#endif
