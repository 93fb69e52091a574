/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

/*
 * The keys that session tickets are encrypted with (RFC 8446, 4.6.1; RFC 5077),
 * one set for the whole process: shared by all workers and listeners, kept
 * across a reload, and through a key file shared by several nodes. A ticket
 * is good only under the listener's policy, the certificate and the name that
 * it was issued for; whatever cannot be decrypted is a full handshake.
 *
 * The key file has one key a line, 96 hexadecimal digits (openssl rand -hex
 * 48), at most TLS_TICKET_KEYS_MAX. The first encrypts, all of them decrypt. To
 * change keys on several nodes: add the new one as the last line everywhere,
 * then move it to the top everywhere, then remove the oldest.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "x509/problem.h"
#include "x509/ticket_cipher.h"

#define TLS_TICKET_KEYS_MAX 8

/* A ticket is good for this long, and never longer than the key that encrypted it lives. */
#define TLS_TICKET_LIFE_S 3600

struct tls_tickets;

/* Random keys, or with @key_file those in it. NULL: out of memory, or see @problems. */
MUST_CHECK struct tls_tickets *tls_tickets_create(const char *key_file,
						  struct tls_problems *problems);

/* Counted: contexts hold their own. Accepts NULL. */
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets *t);

/*
 * Random keys: a new one encrypts from now on, the one before it still decrypts.
 * Call it every TLS_TICKET_LIFE_S, from one thread; workers go on meanwhile.
 * With a key file: reads it again; -EINVAL and no change when it is bad.
 */
MUST_CHECK int tls_tickets_rotate(struct tls_tickets *t, struct tls_problems *problems);

/* The rest is for this floor, from any thread. */

enum ticket_verdict {
	TICKET_GOOD,
	TICKET_GOOD_OLD_KEY, /* with a key that does not encrypt any more */
	TICKET_REFUSED,      /* unknown key, other associated data, changed */
};

MUST_CHECK bool tls_tickets_encrypt(struct tls_tickets *t, struct ticket_parts *ticket,
				    const struct ticket_aad *aad);
MUST_CHECK enum ticket_verdict tls_tickets_decrypt(struct tls_tickets *t,
						   struct ticket_parts *ticket,
						   const struct ticket_aad *aad);

#endif
