/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

/*
 * What a TLS session is made from has two forms: a struct tls_server for a
 * listener that terminates TLS, a struct tls_client for a pool that speaks TLS
 * to its backends. Certificates, keys and policy are loaded and checked once,
 * then shared by all threads and never changed. On reload create new ones and
 * release the old: sessions hold what they were made from. Here is what both
 * have in common.
 */

#include "x509/certificate.h"

#define TLS_ALPN_MAX 16 /* ids in a list */

/* As on the wire; 0 in a configuration means the default. */
enum tls_version { TLS_ANY = 0, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

enum tls_verify {
	TLS_VERIFY_NONE,
	TLS_VERIFY_OPTIONAL, /* a client without a certificate is let in, with a bad one not */
	TLS_VERIFY_REQUIRE,
};

/* A client asks for a name that no certificate has, or for none. */
enum tls_unknown {
	TLS_UNKNOWN_DEFAULT, /* the first certificate */
	TLS_UNKNOWN_REJECT,  /* only for a name that is unknown: without SNI the first is used */
};

/* What both roles have. NULL and 0: the default. Borrowed during create only. */
struct tls_policy {
	enum tls_version version_min; /* 1.2; 1.3 when clients are verified */
	enum tls_version version_max; /* 1.3 */
	const char *ciphers; /* names with : between, best first; AEAD and forward secrecy only */
	const char *groups;  /* names with : between, best first: "X25519:P-256:P-384:P-521" */
	const char *alpn;    /* ids with , between, best first; NULL: not negotiated */
};

#endif
