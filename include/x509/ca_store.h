/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_CA_STORE_H
#define X509_CA_STORE_H

/*
 * Whose certificates a context believes: certification authorities and their
 * revocation lists, from PEM files. For this floor.
 */

#include <stdbool.h>

#include "base/def.h"
#include "x509/problem.h"

struct WOLFSSL_CTX;
struct pem_file;

/*
 * Trusts every certificate in @path, or with NULL the system's. @setting is
 * the key in the INI file. False: there are errors in @problems.
 */
MUST_CHECK bool ca_store_load(struct WOLFSSL_CTX *ctx, const char *path, const char *setting,
			      struct tls_problems *problems);

/* From now on peers are checked against the lists in @path: every CA needs one. */
MUST_CHECK bool ca_store_load_crls(struct WOLFSSL_CTX *ctx, const char *path, const char *setting,
				   struct tls_problems *problems);

/* The same with a file that was read: ca_store_path(@path). */
MUST_CHECK bool ca_store_add(struct WOLFSSL_CTX *ctx, const struct pem_file *file, const char *path,
			     const char *setting, struct tls_problems *problems);
MUST_CHECK bool ca_store_add_crls(struct WOLFSSL_CTX *ctx, const struct pem_file *file,
				  const char *path, const char *setting,
				  struct tls_problems *problems);
/* The system's for NULL. */
const char *ca_store_path(const char *path);

#endif
