/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

/* What sessions with backends are made from: see tls/context.h. */

#include <stdbool.h>

#include "base/def.h"
#include "tls/context.h"
#include "x509/problem.h"

struct ca_share;

struct tls_client_config {
	struct tls_policy policy;
	bool insecure;           /* do not verify: for tests, and warned of */
	const char *ca;          /* PEM file; NULL: the system's */
	const char *crl;         /* PEM file, or NULL */
	const char *verify_name; /* DNS name or IP address; NULL: given with each session */
	const char *sni; /* NULL: the name that is verified, if it is a DNS name; "": none */
	struct tls_files certificate; /* of ours; chain NULL: none */
	bool no_tickets;              /* sessions are not resumed */
	struct ca_share *share;       /* with those made from the same configuration; NULL: alone */
};

struct tls_client;

/* As tls_server_create() does. */
MUST_CHECK int tls_client_create(const struct tls_client_config *config,
				 struct tls_problems *problems, struct tls_client **ret_client);

/* Counted; from any thread. Unref accepts NULL. */
struct tls_client *tls_client_ref(struct tls_client *c);
void tls_client_unref(struct tls_client *c);

#endif
