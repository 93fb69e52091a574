/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_OFFER_H
#define TLS_OFFER_H

/*
 * What a client offers, in IANA's numbers, read from its ClientHello by
 * whoever makes a session. Borrowed while the session is created. With @name
 * "" and empty lists the default certificate is chosen.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/tlsrec.h"
#include "tls/context.h"

struct policy;

struct tls_numbers {
	const uint16_t *at;
	size_t n;
};

struct tls_offer {
	const char *name; /* SNI, lower case */
	struct tls_numbers versions, suites, signatures, groups, shares;
	const uint8_t *alpn; /* ids as on the wire: length, id, length, id; whole ones only */
	size_t alpn_bytes;
	size_t ticket_bytes;  /* of the ticket that it offers for TLS 1.2; 0: none */
	bool is_hello;        /* read from a ClientHello: what is missing is missing there */
	bool lacks_extension; /* that TLS 1.3 requires */
	bool has_psk;         /* of TLS 1.3 */
	bool is_psk_ke_only;
	bool has_early_data;
};

/* The rest is for this floor. */

/* Why no handshake can come of it. */
struct offer_refusal {
	const char *why; /* NULL: one can */
	enum tlsrec_alert alert;
};

/* Looks at what the library does not, or answers with a wrong alert. */
struct offer_refusal offer_refuse(const struct tls_offer *offer, const struct policy *policy);

/* What of an offer can be of use here, for words when a handshake fails. */
struct offer_fit {
	uint16_t version; /* the best of those offered; 0: nothing is known */
	bool version_fits;
};

void offer_fit_of(struct offer_fit *ret_fit, const struct tls_offer *offer,
		  const struct policy *policy);

/* Is @number in the list? Is any of @wanted, up to a zero? */
bool offer_has(const struct tls_numbers *numbers, uint16_t number);
bool offer_has_any(const struct tls_numbers *numbers, const uint16_t *wanted, size_t n);

/*
 * Cuts @list, our protocols with commas between, down to the first that is
 * offered: the library would prefer the client's order.
 */
void offer_choose_alpn(char *list, const struct tls_offer *offer);

#endif
