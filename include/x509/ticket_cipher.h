/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_TICKET_CIPHER_H
#define X509_TICKET_CIPHER_H

/*
 * Encrypts and decrypts a session ticket with one key: AES-256-GCM, with what
 * the ticket is bound to as associated data. From any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "x509/ticket_key.h"

#define TICKET_AAD_BYTES (32 + 256)

/* A ticket's parts, all borrowed; the text is encrypted and decrypted in place. */
struct ticket_parts {
	uint8_t *name;  /* of the key, TICKET_KEY_NAME_BYTES */
	uint8_t *nonce; /* 12 bytes are used */
	uint8_t *tag;   /* 16 bytes are used */
	uint8_t *text;
	size_t bytes;
};

/* Additional authenticated data: certificate and policy (a digest), then the server name. */
struct ticket_aad {
	uint8_t at[TICKET_AAD_BYTES];
	size_t bytes;
};

/* Writes the key's name, too. */
MUST_CHECK bool ticket_seal(const struct ticket_key *key, struct ticket_parts *ticket,
			    const struct ticket_aad *aad);
/* False: another key, other associated data, or changed. */
MUST_CHECK bool ticket_open(const struct ticket_key *key, struct ticket_parts *ticket,
			    const struct ticket_aad *aad);

#endif
