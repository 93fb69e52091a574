/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_IDENTITY_H
#define X509_IDENTITY_H

/*
 * Whom a certificate names, and whether that is somebody whom a pattern
 * means. An identity is a text of items, each a letter for its kind, what the
 * certificate says, and a zero; a zero more ends it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define IDENTITY_FINGERPRINT_HEX 64
#define IDENTITY_HOST_BYTES 1024 /* with its NUL; DNS allows 253 */

enum identity_kind {
	IDENTITY_CN,          /* a common name of the subject, of which there may be several */
	IDENTITY_OU,          /* an organizational unit, the same */
	IDENTITY_DNS,         /* a subjectAltName: a host name, in lower case */
	IDENTITY_URI,         /* a subjectAltName: a URI, as SPIFFE's */
	IDENTITY_FINGERPRINT, /* SHA-256 of the certificate, in hexadecimal */
	IDENTITY_KINDS
};

/*
 * Of the certificate in @der. To be freed; NULL without memory. Names are in
 * UTF-8, however they are written there; of those that cannot be read
 * (x509/directory_string.h) it is known that there are some.
 */
MUST_CHECK char *identity_read(const uint8_t *der, size_t bytes);

/* Has it a name of this kind that cannot be read, so that nobody knows what it fits? */
MUST_CHECK bool identity_has_unreadable(const char *identity, enum identity_kind kind);

/* As host names are compared: in lower case, without a final dot. */
void identity_tidy_host(char *host);

/*
 * Does an item of this kind fit @pattern? Exactly, or by its beginning where
 * the pattern ends with a *; of a host name "*.example.com" means one label
 * more, and patterns are tidy. @identity NULL: nobody, whom nothing fits.
 */
MUST_CHECK bool identity_fits(const char *identity, enum identity_kind kind, const char *pattern);

#endif
