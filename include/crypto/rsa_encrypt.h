/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTO_RSA_ENCRYPT_H
#define CRYPTO_RSA_ENCRYPT_H

/* A secret for the owner of an RSA key. */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define RSA_ENCRYPT_BYTES_MAX 512 /* of what comes out: a key of 4096 bits */
#define RSA_ENCRYPT_BITS_MIN 2048
#define RSA_ENCRYPT_PEM_BYTES_MAX 4096

/*
 * Encrypts @n bytes with OAEP and SHA-1 (RFC 8017, 7.1) for the PEM file
 * ("PUBLIC KEY") of @pem_bytes at @pem. Returns how many bytes it wrote to
 * @out; -EINVAL: no such key, or too short or long a one; -EMSGSIZE: too much
 * for this key; -ENOMEM.
 */
MUST_CHECK int rsa_encrypt(const char *pem, size_t pem_bytes, const uint8_t *plain, size_t n,
			   uint8_t out[RSA_ENCRYPT_BYTES_MAX]);

#endif
