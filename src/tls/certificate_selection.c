/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/certificate_selection.h"

#include "base/def.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* IANA's numbers of signature schemes (RFC 8446, 4.2.3) and groups. */
enum {
	SECP256R1 = 23,
	SECP384R1 = 24,
	SECP521R1 = 25,
	RSA_PKCS1_SHA256 = 0x0401,
	RSA_PKCS1_SHA384 = 0x0501,
	RSA_PKCS1_SHA512 = 0x0601,
	ECDSA_SHA256 = 0x0403,
	ECDSA_SHA384 = 0x0503,
	ECDSA_SHA512 = 0x0603,
	RSA_PSS_SHA256 = 0x0804,
	RSA_PSS_SHA384 = 0x0805,
	RSA_PSS_SHA512 = 0x0806,
	ED25519 = 0x0807,
};

#define SCHEMES_MAX 6

/*
 * What a client must offer for a key to be of use: one of the schemes; in
 * TLS 1.2, where a scheme says nothing of the curve, also the curve.
 */
static const struct {
	uint16_t tls13[SCHEMES_MAX], tls12[SCHEMES_MAX]; /* up to a zero */
	uint16_t curve;
} needs[] = {
	[KEY_ECDSA_P256] = { { ECDSA_SHA256 },
			     { ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512 },
			     SECP256R1 },
	[KEY_ED25519] = { { ED25519 }, { ED25519 }, 0 },
	[KEY_ECDSA_P384] = { { ECDSA_SHA384 },
			     { ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512 },
			     SECP384R1 },
	[KEY_ECDSA_P521] = { { ECDSA_SHA512 },
			     { ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512 },
			     SECP521R1 },
	[KEY_RSA] = { { RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512 },
		      { RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
			RSA_PSS_SHA384, RSA_PSS_SHA512 },
		      0 },
};

static_assert(ARRAY_LEN(needs) == KEY_KINDS, "every kind of key needs a row");

/* Suites of TLS 1.2 name the kind of key; those with AEAD and ECDHE (RFC 5289, RFC 7905). */
static const uint16_t ecdsa_suites[] = { 0xc02b, 0xc02c, 0xcca9 };
static const uint16_t rsa_suites[] = { 0xc02f, 0xc030, 0xcca8 };

static bool has_scheme(const struct tls_offer *offer, const uint16_t *schemes)
{
	return offer_has_any(&offer->signatures, schemes, SCHEMES_MAX);
}

/* What a client lacks for a key. */
enum misfit { FITS, NO_SUITE, NO_SCHEME, NO_CURVE };

static enum misfit find_misfit(enum key_kind kind, const struct tls_offer *offer,
			       enum tls_version max)
{
	const uint16_t *suites = kind == KEY_RSA ? rsa_suites : ecdsa_suites;

	if (max == TLS_1_3 && offer_has(&offer->versions, TLS_1_3))
		return has_scheme(offer, needs[kind].tls13) ? FITS : NO_SCHEME;
	if (!offer_has_any(&offer->suites, suites, ARRAY_LEN(ecdsa_suites)))
		return NO_SUITE;
	if (!has_scheme(offer, needs[kind].tls12))
		return NO_SCHEME;
	/* A client that names no groups takes any (RFC 8422, 4). */
	if (needs[kind].curve == 0 || offer->groups.n == 0 ||
	    offer_has(&offer->groups, needs[kind].curve))
		return FITS;
	return NO_CURVE;
}

bool certificate_fits(enum key_kind kind, const struct tls_offer *offer, enum tls_version max)
{
	return find_misfit(kind, offer, max) == FITS;
}

/* The library knows what suites there are; no schemes at all mean others (RFC 5246, 7.4.1.4.1). */
struct offer_refusal certificate_refuse(enum key_kind kind, const struct tls_offer *offer,
					enum tls_version max)
{
	enum misfit misfit = offer->is_hello ? find_misfit(kind, offer, max) : FITS;

	if (misfit == NO_SCHEME && offer->signatures.n > 0)
		return (struct offer_refusal){ "no signature scheme in common for the "
					       "certificate's key",
					       TLSREC_HANDSHAKE_FAILURE };
	if (misfit == NO_CURVE)
		return (struct offer_refusal){ "client does not take the curve of the "
					       "certificate's key",
					       TLSREC_HANDSHAKE_FAILURE };
	return (struct offer_refusal){ 0 };
}

static int compare(const void *left, const void *right)
{
	const struct certificate_name *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order == 0)
		order = (a->kind > b->kind) - (a->kind < b->kind);
	if (order == 0)
		order = (a->certificate > b->certificate) - (a->certificate < b->certificate);
	return order;
}

void certificate_sort(struct certificate_name *entries, size_t n)
{
	if (n > 0)
		qsort(entries, n, sizeof(*entries), compare);
}

/* The index of the first entry whose name is not before @name. */
static size_t lower_bound(const struct certificate_name *entries, size_t n, const char *name)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(entries[middle].name, name) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static const struct certificate_name *find_name(const struct certificate_name *entries, size_t n,
						const char *name, const struct tls_offer *offer,
						enum tls_version max)
{
	size_t first = lower_bound(entries, n, name);

	for (size_t i = first; i < n && strcmp(entries[i].name, name) == 0; i++) {
		if (certificate_fits(entries[i].kind, offer, max))
			return &entries[i];
	}
	return first < n && strcmp(entries[first].name, name) == 0 ? &entries[first] : NULL;
}

const struct certificate_name *certificate_select(const struct certificate_name *entries, size_t n,
						  const struct tls_offer *offer,
						  enum tls_version max)
{
	const struct certificate_name *entry = find_name(entries, n, offer->name, offer, max);
	const char *parent = strchr(offer->name, '.');
	char wildcard[256];

	/* A star stands for one whole label (RFC 6125, 6.4.3). */
	if (entry || !parent || strlen(parent) >= sizeof(wildcard) - 1)
		return entry;
	wildcard[0] = '*';
	memcpy(wildcard + 1, parent, strlen(parent) + 1);
	return find_name(entries, n, wildcard, offer, max);
}
