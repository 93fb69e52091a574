/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_CERTIFICATE_H
#define X509_CERTIFICATE_H

/*
 * A certificate chain and its key, read from files and checked as far as that
 * can be done without a peer: readable, of a kind that is understood, leaf
 * first and in order, matching, in date, the key not open to everybody.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/def.h"
#include "x509/pem.h"
#include "x509/problem.h"

#define TLS_EXPIRY_WARNING_DAYS 14
#define TLS_PEER_NAME_BYTES 256    /* RFC 5280: a common name has 64 characters, in UTF-8 */
#define CERTIFICATE_NAMES_MAX 1024 /* as many as the library reads */
#define CERTIFICATE_PRINT_BYTES 32 /* SHA-256 */
#define CERTIFICATE_ISSUER_BYTES 128

/* PEM files: the chain, leaf first, and its key; @key NULL: the key is in @chain too. */
struct tls_files {
	const char *chain;
	const char *key;
};

/* Cheapest first for the server: this is the order of choice. */
enum key_kind { KEY_ECDSA_P256, KEY_ED25519, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA, KEY_KINDS };

struct certificate {
	char *chain; /* PEM, certificates only */
	size_t chain_bytes;
	struct pem_file key_file;
	struct pem_block key; /* in key_file */
	enum key_kind kind;
	uint8_t print[CERTIFICATE_PRINT_BYTES]; /* of the leaf */
	char *names[CERTIFICATE_NAMES_MAX];     /* lower case; "*.x" for wildcards */
	size_t names_n;
	time_t from;  /* since when all of the chain are valid; 0: unknown */
	time_t until; /* when the first of the chain expires; 0: unknown */
	char issuer[CERTIFICATE_ISSUER_BYTES]; /* of the leaf, "/O=x/CN=y", cut to fit */
};

/* Where it is named, and who will read it: what is said depends on that. */
struct certificate_setting {
	const char *key; /* in the INI file */
	bool is_for_backends;
};
extern const struct certificate_setting certificate_for_clients, certificate_for_backends;

/*
 * Loads and checks. False: there are errors in
 * @problems and nothing to finish. @now is the time of day.
 */
MUST_CHECK bool certificate_load(struct certificate *c, const struct tls_files *files,
				 const struct certificate_setting *setting, time_t now,
				 struct tls_problems *problems);

/* Wipes the key and frees everything. */
void certificate_finish(struct certificate *c);

/* What somebody who looks at a certificate wants to know; borrowed from whoever has it. */
struct certificate_facts {
	const uint8_t *print; /* SHA-256 */
	const uint8_t *chain; /* of all that is sent with it; the same */
	time_t from, until;   /* while it, and all that vouch for it, are valid; 0: unknown */
	const char *issuer;
	char *const *names;
	size_t names_n;
};

#define CERTIFICATE_TEXT_BYTES 160
/* Its first names, as far as there is room for them. Gives @text, or a static one. */
const char *certificate_names(const struct certificate_facts *c, char text[CERTIFICATE_TEXT_BYTES]);

struct WOLFSSL_CTX;

/* Puts chain and key into a context. False: the library refuses them. */
MUST_CHECK bool certificate_use(const struct certificate *c, struct WOLFSSL_CTX *ctx);

/*
 * The common name in a certificate's DER, the last of several, cut to fit, control characters
 * replaced; "" when there is none. Also of a certificate that is refused.
 */
void certificate_common_name(const uint8_t *der, size_t bytes, char *out, size_t size);

#endif
