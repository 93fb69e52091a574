/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONFIG_TLS_FILES_H
#define CONFIG_TLS_FILES_H

/*
 * What was in the files that TLS is made from besides listeners' certificates: CAs,
 * revocation lists, certificates of ours for backends, ticket keys. A digest of
 * each is kept, so that it can be told which are others after a reload.
 */

#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "config/directive_type.h"
#include "crypto/digest.h"

struct tls_file {
	char *path;
	uint8_t digest[DIGEST_SHA256_BYTES];
};

/* All zero: none. */
struct tls_files_read {
	struct tls_file *all;
	size_t n;
};

/* The file that @d, a row of @section's, names; NULL: none, or it is not one of these. */
const char *tls_file_named(const struct directive *d, const void *section);
/* Whom a pool's backends are believed by, if it names no file: the system's; or NULL. */
const char *tls_file_of_system(const struct pool_config *pool);

/*
 * Reads those of @config. What cannot be read, or finds no memory, is left out: whoever makes
 * something of it says why.
 */
void tls_files_read(struct tls_files_read *files, const struct config *config);
void tls_files_finish(struct tls_files_read *files);
/* NULL: it was not read. */
const struct tls_file *tls_files_find(const struct tls_files_read *files, const char *path);

#endif
