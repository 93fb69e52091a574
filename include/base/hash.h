/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_HASH_H
#define BASE_HASH_H

/*
 * One hash for tables, balancing and digests: XXH64, from libxxhash. The same
 * bytes and seed give the same value on every machine, of either byte order,
 * so several nodes agree on it.
 */

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed);
uint64_t hash_text(const char *text, uint64_t seed);

#endif
