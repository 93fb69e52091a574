/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

/* What sessions with clients are made from: see tls/context.h. */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "tls/context.h"
#include "tls/offer.h"
#include "x509/certificate.h"
#include "x509/problem.h"
#include "tls/tickets.h"

struct tls_server_config {
	struct tls_policy policy;
	const struct tls_files *certificates; /* the first is the default */
	size_t certificates_n;
	enum tls_unknown unknown_sni;
	enum tls_verify client_verify;
	const char *client_ca;       /* PEM file; needed when clients are verified */
	const char *client_crl;      /* PEM file with a list for every CA, or NULL */
	bool asks_identities;        /* tls_facts.identity is wanted */
	struct tls_tickets *tickets; /* a reference is taken; NULL: no resumption */
};

struct identity;
struct tls_server;

/*
 * Loads and checks everything. On success returns 0 and gives *ret_server, to
 * be released with unref; @problems may hold warnings then. Otherwise -EINVAL
 * with at least one error in @problems, or -ENOMEM. A server with verified
 * clients gives out no tickets: a resumed session would skip the check.
 */
MUST_CHECK int tls_server_create(const struct tls_server_config *config,
				 struct tls_problems *problems, struct tls_server **ret_server);

/* Counted; from any thread. Unref accepts NULL. */
struct tls_server *tls_server_ref(struct tls_server *s);
void tls_server_unref(struct tls_server *s);

/* Its certificates are those of its configuration: how many, and the n-th. */
size_t tls_server_certificates(const struct tls_server *s);
struct certificate_facts tls_server_certificate(const struct tls_server *s, size_t n);

/* Would tls_stream_accept() refuse this name? */
bool tls_server_knows(const struct tls_server *s, const char *name);

/* For this floor: the certificate for this client, or NULL: the name is rejected. */
struct identity *tls_server_choose(struct tls_server *s, const struct tls_offer *offer);

#endif
