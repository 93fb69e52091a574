/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_ENDPOINT_H
#define TLS_ENDPOINT_H

/*
 * What stands behind the names in tls/server.h and tls/client.h. For this floor.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/certificate_selection.h"
#include "tls/context.h"
#include "x509/peer_name.h"
#include "tls/policy.h"

struct WOLFSSL_CTX;
struct resume_store;
struct tls_tickets;

#define TICKET_DIGEST_BYTES 32 /* SHA-256 */

/* One certificate of a server, with its key and the whole policy: a context of the library. */
struct identity {
	struct WOLFSSL_CTX *ctx;
	struct WOLFSSL_CTX *no_tickets_ctx; /* the same, which looks at no ticket */
	struct tls_server *server;          /* not counted: it holds this */
	char **names;
	size_t names_n;
	enum key_kind kind;
	time_t from, until; /* while it and its chain are valid; 0: unknown */
	char issuer[CERTIFICATE_ISSUER_BYTES];
	uint8_t ticket_digest[TICKET_DIGEST_BYTES]; /* of certificate and policy */
	uint8_t print[CERTIFICATE_PRINT_BYTES];     /* of the certificate */
	uint8_t chain[CERTIFICATE_PRINT_BYTES];     /* of all that is sent with it */
};

struct tls_server {
	atomic_uint refs;
	struct policy policy;
	struct identity *identities;
	size_t identities_n;
	struct certificate_name *names; /* of all identities, sorted */
	size_t names_n;
	enum tls_unknown unknown_sni;
	enum tls_verify client_verify;
	bool asks_identities;
	struct tls_tickets *tickets; /* NULL: none are given out */
};

struct tls_client {
	atomic_uint refs;
	struct policy policy;
	struct WOLFSSL_CTX *ctx;
	struct peer_name *verify;    /* NULL: given with each session */
	char *sni;                   /* NULL: the name that is verified */
	struct resume_store *resume; /* NULL: every handshake is a full one */
	bool insecure;
};

#endif
