/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CERTIFICATE_SELECTION_H
#define TLS_CERTIFICATE_SELECTION_H

/*
 * Which of a listener's certificates a client gets: by the name it asks for,
 * an exact name before a wildcard, and among several for the same name the
 * one with the cheapest key that the client can verify. Pure. For this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "x509/certificate.h"
#include "tls/context.h"
#include "tls/offer.h"

/* One name of one certificate: "db1.example.com" or "*.example.com". */
struct certificate_name {
	const char *name;
	size_t certificate; /* which */
	enum key_kind kind; /* of its key */
};

/* Before the first certificate_select(). */
void certificate_sort(struct certificate_name *entries, size_t n);

/*
 * The best entry for the name in @offer among @n sorted ones, or NULL when no certificate
 * has that name. When the client can verify none of those that have it, the
 * first of them: the handshake then fails in words.
 */
const struct certificate_name *certificate_select(const struct certificate_name *entries, size_t n,
						  const struct tls_offer *offer,
						  enum tls_version max);

/* Can this client verify such a key, at the best version that both allow? */
bool certificate_fits(enum key_kind kind, const struct tls_offer *offer, enum tls_version max);

/*
 * Why a handshake with a certificate that does not fit must not go on, which the library does not
 * see (RFC 8422, 5.1), or has no words for.
 */
struct offer_refusal certificate_refuse(enum key_kind kind, const struct tls_offer *offer,
					enum tls_version max);

#endif
