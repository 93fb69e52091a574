/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

/*
 * Digests for what other protocols do with passwords. None of these is used
 * by TLS itself; SHA-1 is here for servers that know nothing else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define DIGEST_SHA1_BYTES 20
#define DIGEST_SHA256_BYTES 32

/* Part of what is hashed: parts are hashed as if they stood one behind the other. */
struct digest_part {
	const void *bytes;
	size_t n;
};

void digest_sha1(const struct digest_part *parts, size_t n, uint8_t out[DIGEST_SHA1_BYTES]);
void digest_sha256(const struct digest_part *parts, size_t n, uint8_t out[DIGEST_SHA256_BYTES]);

/* HMAC-SHA-256 (RFC 2104) of one text; @key may be of any size, also none. */
void digest_hmac(const struct digest_part *key, const struct digest_part *text,
		 uint8_t out[DIGEST_SHA256_BYTES]);

/* A password stretched: PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-256, one block of 32 bytes. */
void digest_stretch(const struct digest_part *password, const struct digest_part *salt,
		    unsigned count, uint8_t out[DIGEST_SHA256_BYTES]);

/* Are they equal? Takes the same time whatever differs. */
MUST_CHECK bool digest_equals(const void *a, const void *b, size_t n);

#endif
