/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_SEAL_H
#define TLS_SEAL_H

/*
 * Sealing a session ticket with the keys of tls/tickets.h: AES-256-GCM, with
 * the bond, which says whom the ticket is for, as associated data. For this
 * floor, from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/tickets.h"

#define SEAL_NAME_BYTES 16
#define SEAL_BOND_BYTES (32 + 256)

/* A ticket's parts, all borrowed; the text is sealed and opened in place. */
struct seal {
	uint8_t *name;  /* of the key, SEAL_NAME_BYTES */
	uint8_t *nonce; /* 12 bytes are used */
	uint8_t *tag;   /* 16 bytes are used */
	uint8_t *text;
	size_t bytes;
};

/* Certificate and policy (a digest), then the server name. */
struct seal_bond {
	uint8_t at[SEAL_BOND_BYTES];
	size_t bytes;
};

enum seal_result {
	SEAL_OPENED,
	SEAL_OPENED_OLD, /* with a key that does not seal any more */
	SEAL_REFUSED,    /* unknown key, other bond, changed */
};

MUST_CHECK bool seal_close(struct tls_tickets *t, struct seal *seal, const struct seal_bond *bond);
MUST_CHECK enum seal_result seal_open(struct tls_tickets *t, struct seal *seal,
				      const struct seal_bond *bond);

#endif
