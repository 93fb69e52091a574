/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CRYPTO_BASE64_H
#define CRYPTO_BASE64_H

/* Bytes as text (RFC 4648, 4): the usual alphabet, padded, in one line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

/* Room for @n bytes as text, with its NUL. */
#define BASE64_ROOM(n) (((n) + 2) / 3 * 4 + 1)

/* Writes @n bytes and a NUL to @out, which has BASE64_ROOM(n) bytes; returns the text's length. */
size_t base64_encode(char *out, const void *bytes, size_t n);

/*
 * Reads @n characters into @out. False when they are not exactly what
 * base64_encode() would have written, or are more than @room bytes.
 */
MUST_CHECK bool base64_decode(const char *text, size_t n, uint8_t *out, size_t room, size_t *ret_n);

#endif
