/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

/*
 * What a TLS session is made from: certificates, keys and policy, loaded and
 * checked once, then shared by all threads and never changed. A listener that
 * terminates TLS has a struct tls_server, a pool that speaks TLS to its
 * backends a struct tls_client. On reload create new ones and release the
 * old: sessions hold what they were made from.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/problem.h"
#include "tls/tickets.h"

#define TLS_ALPN_MAX 16 /* ids in a list */
#define TLS_EXPIRY_WARNING_DAYS 14

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

/* PEM files: the chain, leaf first, and its key; @key NULL: the key is in @chain too. */
struct tls_files {
	const char *chain;
	const char *key;
};

/* What both roles have. NULL and 0: the default. Borrowed during create only. */
struct tls_policy {
	enum tls_version version_min; /* 1.2; 1.3 when clients are verified */
	enum tls_version version_max; /* 1.3 */
	const char *ciphers; /* names with : between, best first; AEAD and forward secrecy only */
	const char *groups;  /* names with : between, best first: "X25519:P-256:P-384:P-521" */
	const char *alpn;    /* ids with , between, best first; NULL: not negotiated */
};

struct tls_server_config {
	struct tls_policy policy;
	const struct tls_files *certificates; /* the first is the default */
	size_t certificates_n;
	enum tls_unknown unknown_sni;
	enum tls_verify client_verify;
	const char *client_ca;       /* PEM file; needed when clients are verified */
	const char *client_crl;      /* PEM file with a list for every CA, or NULL */
	struct tls_tickets *tickets; /* a reference is taken; NULL: no resumption */
};

struct tls_client_config {
	struct tls_policy policy;
	bool insecure;           /* do not verify: for tests, and warned of */
	const char *ca;          /* PEM file; NULL: the system's */
	const char *crl;         /* PEM file, or NULL */
	const char *verify_name; /* DNS name or IP address; NULL: given with each session */
	const char *sni; /* NULL: the name that is verified, if it is a DNS name; "": none */
	struct tls_files certificate; /* of ours; chain NULL: none */
};

struct tls_server;
struct tls_client;

/*
 * Load and check everything. On success returns 0 and gives *ret_…, to be
 * released with unref; @problems may hold warnings then. Otherwise -EINVAL
 * with at least one error in @problems, or -ENOMEM. A server with verified
 * clients gives out no tickets: a resumed session would skip the check.
 */
MUST_CHECK int tls_server_create(const struct tls_server_config *config,
				 struct tls_problems *problems, struct tls_server **ret_server);
MUST_CHECK int tls_client_create(const struct tls_client_config *config,
				 struct tls_problems *problems, struct tls_client **ret_client);

/* Counted; from any thread. Unref accepts NULL. */
struct tls_server *tls_server_ref(struct tls_server *s);
void tls_server_unref(struct tls_server *s);
struct tls_client *tls_client_ref(struct tls_client *c);
void tls_client_unref(struct tls_client *c);

/* Names that the certificates are good for, in no order, for logs; NULL past the last. */
const char *tls_server_name(const struct tls_server *s, size_t i);

/*
 * What a client offers, in IANA's numbers, read from its ClientHello by
 * whoever made the session. Borrowed while a session is created. With @name
 * "" and empty lists the default certificate is chosen.
 */
struct tls_numbers {
	const uint16_t *at;
	size_t n;
};

struct tls_offer {
	const char *name; /* SNI, lower case */
	struct tls_numbers versions, suites, signatures, groups;
	const uint8_t *alpn; /* ids as on the wire: length, id, length, id; whole ones only */
	size_t alpn_bytes;
	size_t ticket_bytes; /* of the ticket that it offers for TLS 1.2; 0: none */
};

/* Would tls_stream_accept() refuse this name? */
bool tls_server_knows(const struct tls_server *s, const char *name);

#endif
