/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_CA_SHARE_H
#define X509_CA_SHARE_H

/*
 * What several clients have in common while they are made from one
 * configuration: files of trusted certificates and of revocation lists, read
 * once, and contexts of the library with these in them. To read the system's
 * CAs takes some milliseconds, and pools that say the same of TLS, in files of
 * the same content, need it once. Contexts are counted: they live as long as a
 * client has them. For one thread.
 */

#include <stdint.h>

#include "base/def.h"
#include "x509/pem.h"

#define CA_SHARE_DIGEST_BYTES 32 /* SHA-256 */

struct WOLFSSL_CTX;
struct ca_share;

/* One that was read. */
struct ca_file {
	char *path;
	struct pem_file pem;
	uint8_t digest[CA_SHARE_DIGEST_BYTES];
	struct ca_file *next;
};

/* NULL without memory. */
MUST_CHECK struct ca_share *ca_share_create(void);
/* Clients keep what they have. Accepts NULL. */
void ca_share_destroy(struct ca_share *share);

/* NULL: it cannot be read, or there is no memory: an error about @key was added to @problems. */
MUST_CHECK const struct ca_file *ca_share_file(struct ca_share *share, const char *path,
					       const char *key, struct tls_problems *problems);

/* The context of all that @digest is of, with a reference for the caller; or NULL. */
MUST_CHECK struct WOLFSSL_CTX *ca_share_find(const struct ca_share *share,
					     const uint8_t digest[CA_SHARE_DIGEST_BYTES]);
/* Keeps a reference of @ctx for those who come. Without memory nobody finds it. */
void ca_share_add(struct ca_share *share, const uint8_t digest[CA_SHARE_DIGEST_BYTES],
		  struct WOLFSSL_CTX *ctx);

#endif
