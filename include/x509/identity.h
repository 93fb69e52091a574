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

enum identity_kind {
	IDENTITY_CN,          /* a common name of the subject, of which there may be several */
	IDENTITY_OU,          /* an organizational unit, the same */
	IDENTITY_DNS,         /* a subjectAltName: a host name, in lower case */
	IDENTITY_URI,         /* a subjectAltName: a URI, as SPIFFE's */
	IDENTITY_FINGERPRINT, /* SHA-256 of the certificate, in hexadecimal */
	IDENTITY_KINDS
};

/*
 * Of the certificate in @der. To be freed; NULL without memory. Names in
 * which a zero hides what is behind it, and those in the wide characters of
 * old, are not in it.
 */
MUST_CHECK char *identity_read(const uint8_t *der, size_t bytes);

/*
 * Does an item of this kind fit @pattern? Exactly, or by its beginning where
 * the pattern ends with a *; of a host name "*.example.com" means one label
 * more. @identity NULL: nobody, whom nothing fits.
 */
MUST_CHECK bool identity_fits(const char *identity, enum identity_kind kind, const char *pattern);

#endif
