/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_ENDPOINT_H
#define TLS_ENDPOINT_H

/*
 * What stands behind the names in tls/context.h. For this floor.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/choice.h"
#include "tls/context.h"
#include "tls/peer_name.h"
#include "tls/policy.h"

struct WOLFSSL;
struct WOLFSSL_CTX;
struct WOLFSSL_X509_STORE_CTX;

#define BOND_BYTES 32 /* SHA-256 */

/* One certificate of a server, with its key and the whole policy: a context of the library. */
struct identity {
	struct WOLFSSL_CTX *ctx;
	struct WOLFSSL_CTX *deaf_ctx; /* the same, without an ear for tickets */
	struct tls_server *server;    /* not counted: it holds this */
	char **names;
	size_t names_n;
	enum key_kind kind;
	uint8_t bond[BOND_BYTES]; /* certificate and policy, for tickets */
};

struct tls_server {
	atomic_uint refs;
	struct policy policy;
	struct identity *identities;
	size_t identities_n;
	struct choice_entry *names; /* of all identities, sorted */
	size_t names_n;
	enum tls_unknown unknown_sni;
	enum tls_verify client_verify;
	struct tls_tickets *tickets; /* NULL: none are given out */
};

struct tls_client {
	atomic_uint refs;
	struct policy policy;
	struct WOLFSSL_CTX *ctx;
	struct peer_name *verify; /* NULL: given with each session */
	char *sni;                /* NULL: the name that is verified */
	bool insecure;
};

/* The identity for this client, or NULL: the name is rejected. */
struct identity *server_choose(struct tls_server *s, const struct tls_offer *offer);

/* Sets what every context needs to serve a struct tls_stream (in stream.c). */
void stream_prepare(struct WOLFSSL_CTX *ctx);

/* Believes what the library found, and looks at what it does not (in stream.c). */
int stream_on_verify(int is_good, struct WOLFSSL_X509_STORE_CTX *store);

/* The name that this session's client asked for, during the handshake (in stream.c). */
const char *stream_asked_name(struct WOLFSSL *ssl);

/* This session's client has shown a ticket that opened (in stream.c). */
void stream_on_ticket_opened(struct WOLFSSL *ssl);

#endif
