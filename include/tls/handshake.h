/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

/*
 * What the library's callbacks must know of one handshake, and what they find
 * out in it. The library knows it as the session's reading context, and as
 * the context of its check of certificates. For this floor.
 */

#include <stdbool.h>

#include "base/def.h"
#include "x509/peer_name.h"

struct WOLFSSL;
struct WOLFSSL_X509_STORE_CTX;

struct handshake {
	struct WOLFSSL *ssl; /* whose it is */
	char *name;     /* that the client asked for, or NULL; ours, until the handshake is over */
	char *peer;     /* common name in the peer's certificate, ours; NULL: it has shown none */
	char *identity; /* of that certificate, ours; NULL: nobody asked, or there is none */
	struct end_point *end_point; /* of it, ours; NULL: nobody asked, or there is none */
	struct peer_name *must_be;   /* ours, until the handshake is over; NULL: nobody says */
	int refusal;                 /* our own, of its certificate: a code of the library */
	bool is_expected; /* its certificate has been compared, and it is who it must be */
	bool peer_is_client;
	bool keeps_identity;
	bool keeps_end_point;
	bool has_good_ticket; /* the client's; the library may still have refused it */
	bool lacks_memory;
};

/* Makes it known to the library. It must not move while @ssl lives. */
void handshake_attach(struct handshake *h, struct WOLFSSL *ssl);
struct handshake *handshake_of(struct WOLFSSL *ssl);
/* Who the server must be: what its certificate is compared with. False: no memory. */
MUST_CHECK bool handshake_expect(struct handshake *h, const struct peer_name *name);
/* What is wrong with a certificate that is another's, as a code of the library. */
int handshake_misfit(const struct handshake *h);
/* What only the handshake needed. */
void handshake_forget_names(struct handshake *h);
void handshake_finish(struct handshake *h);

/* The library's callback: believes what it found, and looks at what it does not. */
int handshake_on_verify(int is_good, struct WOLFSSL_X509_STORE_CTX *store);
/* The same where nobody is verified. */
int handshake_on_unverified(int is_good, struct WOLFSSL_X509_STORE_CTX *store);

#endif
