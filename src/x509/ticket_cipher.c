/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/ticket_cipher.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>

#include <string.h>
#include <sys/random.h>

#define NONCE_BYTES 12
#define TAG_BYTES 16

static bool make_random(void *out, size_t n)
{
	return getrandom(out, n, 0) == (ssize_t)n;
}

static bool start_cipher(Aes *aes, const struct ticket_key *key)
{
	if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
		return false;
	if (wc_AesGcmSetKey(aes, key->key, TICKET_KEY_BYTES) == 0)
		return true;
	wc_AesFree(aes);
	return false;
}

bool ticket_seal(const struct ticket_key *key, struct ticket_parts *ticket,
		 const struct ticket_aad *aad)
{
	bool is_encrypted;
	Aes aes;

	memcpy(ticket->name, key->name, TICKET_KEY_NAME_BYTES);
	if (!make_random(ticket->nonce, NONCE_BYTES) || !start_cipher(&aes, key))
		return false;
	is_encrypted = wc_AesGcmEncrypt(&aes, ticket->text, ticket->text, (word32)ticket->bytes,
					ticket->nonce, NONCE_BYTES, ticket->tag, TAG_BYTES, aad->at,
					(word32)aad->bytes) == 0;
	wc_AesFree(&aes);
	return is_encrypted;
}

bool ticket_open(const struct ticket_key *key, struct ticket_parts *ticket,
		 const struct ticket_aad *aad)
{
	bool is_good;
	Aes aes;

	if (!start_cipher(&aes, key))
		return false;
	is_good = wc_AesGcmDecrypt(&aes, ticket->text, ticket->text, (word32)ticket->bytes,
				   ticket->nonce, NONCE_BYTES, ticket->tag, TAG_BYTES, aad->at,
				   (word32)aad->bytes) == 0;
	wc_AesFree(&aes);
	return is_good;
}
