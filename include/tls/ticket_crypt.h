/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_TICKET_CRYPT_H
#define TLS_TICKET_CRYPT_H

/*
 * Encrypts and decrypts a session ticket with the keys of tls/tickets.h:
 * AES-256-GCM, with what the ticket is bound to as associated data. For this
 * floor, from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/tickets.h"

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

enum ticket_verdict {
	TICKET_GOOD,
	TICKET_GOOD_OLD_KEY, /* with a key that does not encrypt any more */
	TICKET_REFUSED,      /* unknown key, other associated data, changed */
};

MUST_CHECK bool ticket_encrypt(struct tls_tickets *t, struct ticket_parts *ticket,
			       const struct ticket_aad *aad);
MUST_CHECK enum ticket_verdict ticket_decrypt(struct tls_tickets *t, struct ticket_parts *ticket,
					      const struct ticket_aad *aad);

#endif
