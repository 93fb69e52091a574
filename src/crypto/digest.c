/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "crypto/digest.h"

#include "base/check.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static_assert(DIGEST_SHA1_BYTES == WC_SHA_DIGEST_SIZE, "as the library has it");
static_assert(DIGEST_SHA256_BYTES == WC_SHA256_DIGEST_SIZE, "as the library has it");

/*
 * These calls fail only for a device that is not used here, or for arguments
 * that would be our own mistake; they need no memory.
 */
#define MUST(call) CHECK((call) == 0)

void digest_sha1(const struct digest_part *parts, size_t n, uint8_t out[DIGEST_SHA1_BYTES])
{
	wc_Sha sha;

	MUST(wc_InitSha(&sha));
	for (size_t i = 0; i < n; i++)
		MUST(wc_ShaUpdate(&sha, parts[i].bytes, (word32)parts[i].n));
	MUST(wc_ShaFinal(&sha, out));
	wc_ShaFree(&sha);
}

void digest_sha256(const struct digest_part *parts, size_t n, uint8_t out[DIGEST_SHA256_BYTES])
{
	wc_Sha256 sha;

	MUST(wc_InitSha256(&sha));
	for (size_t i = 0; i < n; i++)
		MUST(wc_Sha256Update(&sha, parts[i].bytes, (word32)parts[i].n));
	MUST(wc_Sha256Final(&sha, out));
	wc_Sha256Free(&sha);
}

/* ---- with a key ---------------------------------------------------------- */

/* HMAC with its two keys hashed already, so that each use costs half. */
struct keyed {
	wc_Sha256 inner, outer;
};

static void keyed_pad(wc_Sha256 *sha, const uint8_t key[WC_SHA256_BLOCK_SIZE], uint8_t pad)
{
	uint8_t block[WC_SHA256_BLOCK_SIZE];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	MUST(wc_InitSha256(sha));
	MUST(wc_Sha256Update(sha, block, sizeof(block)));
	explicit_bzero(block, sizeof(block));
}

static void keyed_init(struct keyed *k, const struct digest_part *key)
{
	uint8_t block[WC_SHA256_BLOCK_SIZE] = { 0 };

	if (key->n > sizeof(block))
		digest_sha256(key, 1, block);
	else if (key->n > 0)
		memcpy(block, key->bytes, key->n);
	keyed_pad(&k->inner, block, 0x36);
	keyed_pad(&k->outer, block, 0x5c);
	explicit_bzero(block, sizeof(block));
}

static void keyed_finish(struct keyed *k)
{
	wc_Sha256Free(&k->inner);
	wc_Sha256Free(&k->outer);
	explicit_bzero(k, sizeof(*k));
}

static void keyed_hash(struct keyed *k, const struct digest_part *parts, size_t n,
		       uint8_t out[DIGEST_SHA256_BYTES])
{
	wc_Sha256 sha;

	MUST(wc_Sha256Copy(&k->inner, &sha));
	for (size_t i = 0; i < n; i++)
		MUST(wc_Sha256Update(&sha, parts[i].bytes, (word32)parts[i].n));
	MUST(wc_Sha256Final(&sha, out));
	wc_Sha256Free(&sha);
	MUST(wc_Sha256Copy(&k->outer, &sha));
	MUST(wc_Sha256Update(&sha, out, DIGEST_SHA256_BYTES));
	MUST(wc_Sha256Final(&sha, out));
	wc_Sha256Free(&sha);
}

void digest_hmac(const struct digest_part *key, const struct digest_part *text,
		 uint8_t out[DIGEST_SHA256_BYTES])
{
	struct keyed k;

	keyed_init(&k, key);
	keyed_hash(&k, text, 1, out);
	keyed_finish(&k);
}

void digest_stretch(const struct digest_part *password, const struct digest_part *salt,
		    unsigned count, uint8_t out[DIGEST_SHA256_BYTES])
{
	static const uint8_t first_block[] = { 0, 0, 0, 1 };
	const struct digest_part start[] = { *salt, { first_block, sizeof(first_block) } };
	uint8_t round[DIGEST_SHA256_BYTES];
	const struct digest_part again = { round, sizeof(round) };
	struct keyed k;

	CHECK(count > 0);
	keyed_init(&k, password);
	keyed_hash(&k, start, ARRAY_LEN(start), round);
	memcpy(out, round, sizeof(round));
	for (unsigned i = 1; i < count; i++) {
		keyed_hash(&k, &again, 1, round);
		for (size_t b = 0; b < sizeof(round); b++)
			out[b] ^= round[b];
	}
	keyed_finish(&k);
	explicit_bzero(round, sizeof(round));
}

bool digest_equals(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	unsigned differs = 0;

	for (size_t i = 0; i < n; i++)
		differs |= x[i] ^ y[i];
	return differs == 0;
}
