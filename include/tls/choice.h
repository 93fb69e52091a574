/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_CHOICE_H
#define TLS_CHOICE_H

/*
 * Which of a listener's certificates a client gets: by the name it asks for,
 * an exact name before a wildcard, and among several for the same name the
 * one with the cheapest key that the client can verify. Pure. For this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/context.h"
#include "tls/policy.h"

/* Cheapest first for the server: this is the order of choice. */
enum key_kind { KEY_ECDSA_P256, KEY_ED25519, KEY_ECDSA_P384, KEY_ECDSA_P521, KEY_RSA, KEY_KINDS };

/* One name of one certificate: "db1.example.com" or "*.example.com". */
struct choice_entry {
	const char *name;
	size_t certificate; /* which */
	enum key_kind kind; /* of its key */
};

/* Before the first choice_find(). */
void choice_sort(struct choice_entry *entries, size_t n);

/*
 * The best entry for the name in @offer among @n sorted ones, or NULL when no certificate
 * has that name. When the client can verify none of those that have it, the
 * first of them: the handshake then fails in words.
 */
const struct choice_entry *choice_find(const struct choice_entry *entries, size_t n,
				       const struct tls_offer *offer, enum tls_version max);

/* Can this client verify such a key, at the best version that both allow? */
bool choice_fits(enum key_kind kind, const struct tls_offer *offer, enum tls_version max);

/* What of a client's offer can be of use here, for words when a handshake fails. */
struct choice_fit {
	uint16_t version; /* the best of those offered; 0: nothing is known */
	bool version_fits, group_fits;
};

void choice_fit_of(struct choice_fit *ret_fit, const struct tls_offer *offer,
		   const struct policy *policy);

/*
 * Cuts @list, our protocols with commas between, down to the first that is
 * offered: the library would prefer the client's order.
 */
void choice_of_alpn(char *list, const struct tls_offer *offer);

#endif
