/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t n, uint64_t seed)
{
	return XXH64(bytes, n, seed);
}

uint64_t hash_text(const char *text, uint64_t seed)
{
	return XXH64(text, strlen(text), seed);
}
