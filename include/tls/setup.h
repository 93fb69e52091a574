/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_SETUP_H
#define TLS_SETUP_H

/*
 * What the library is told of a session before it begins: by what the client
 * offers, or whom we connect to. For this floor.
 */

#include <stdbool.h>

#include "base/def.h"

struct WOLFSSL;
struct WOLFSSL_CTX;
struct handshake;
struct identity;
struct peer_name;
struct policy;
struct tls_client;
struct tls_offer;

/* Which of an identity's contexts serves a client; @offer may be NULL. */
struct WOLFSSL_CTX *setup_context(const struct identity *identity, const struct tls_offer *offer);

/* @offer: what a client offers; NULL: we are the client. False: no memory. */
MUST_CHECK bool setup_alpn(struct WOLFSSL *ssl, const struct policy *policy,
			   const struct tls_offer *offer);

/*
 * Early data, which belong to a ticket of somebody else's, cannot be told from
 * what follows the handshake's keys; behind a HelloRetryRequest they can (RFC
 * 8446, 4.2.10). So the client is asked for a share that it has not sent.
 * True: there will be a retry, and what comes before its answer is to be
 * dropped.
 */
bool setup_drop_early_data(struct WOLFSSL *ssl, const struct tls_offer *offer,
			   const struct policy *policy);

/*
 * Who must answer, and what to ask for; @verify may be NULL where nobody is
 * verified. False: no memory.
 */
MUST_CHECK bool setup_names(struct WOLFSSL *ssl, const struct tls_client *client,
			    const struct peer_name *verify, struct handshake *handshake);

#endif
