/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/ticket_crypt.h"

#include "x509/ticket_key.h"

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

bool ticket_encrypt(struct tls_tickets *t, struct ticket_parts *ticket,
		    const struct ticket_aad *aad)
{
	bool is_encrypted = false;
	struct ticket_key key;
	Aes aes;

	tls_tickets_first_key(t, &key);
	memcpy(ticket->name, key.name, TICKET_KEY_NAME_BYTES);
	if (make_random(ticket->nonce, NONCE_BYTES) && start_cipher(&aes, &key)) {
		is_encrypted = wc_AesGcmEncrypt(&aes, ticket->text, ticket->text,
						(word32)ticket->bytes, ticket->nonce, NONCE_BYTES,
						ticket->tag, TAG_BYTES, aad->at,
						(word32)aad->bytes) == 0;
		wc_AesFree(&aes);
	}
	explicit_bzero(&key, sizeof(key));
	return is_encrypted;
}

enum ticket_verdict ticket_decrypt(struct tls_tickets *t, struct ticket_parts *ticket,
				   const struct ticket_aad *aad)
{
	bool is_good = false, is_first = false;
	struct ticket_key key;
	Aes aes;

	if (!tls_tickets_find_key(t, ticket->name, &key, &is_first))
		return TICKET_REFUSED;
	if (start_cipher(&aes, &key)) {
		is_good = wc_AesGcmDecrypt(&aes, ticket->text, ticket->text, (word32)ticket->bytes,
					   ticket->nonce, NONCE_BYTES, ticket->tag, TAG_BYTES,
					   aad->at, (word32)aad->bytes) == 0;
		wc_AesFree(&aes);
	}
	explicit_bzero(&key, sizeof(key));
	if (!is_good)
		return TICKET_REFUSED;
	return is_first ? TICKET_GOOD : TICKET_GOOD_OLD_KEY;
}
