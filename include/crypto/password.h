/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

/*
 * A password that stands in a file, with what was computed of it: in memory
 * that is in no core dump, is never swapped out where the system allows it,
 * and is wiped before it is given back.
 */

#include "base/def.h"
#include "crypto/scram.h"

#define PASSWORD_BYTES 128 /* with its NUL */

struct password {
	char text[PASSWORD_BYTES];
	struct scram_cache cache;
};

/* An empty one. NULL without memory. */
MUST_CHECK struct password *password_create(void);
/* Accepts NULL. */
void password_destroy(struct password *p);

/*
 * Reads the first line of @file, which must be its only one. NULL: done, and
 * what was computed of another one is forgotten; else why not, in words that
 * live for ever, and @p is as it was.
 */
MUST_CHECK const char *password_read(struct password *p, const char *file);

#endif
