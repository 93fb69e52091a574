/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_SUBJECT_H
#define X509_SUBJECT_H

/*
 * Whom a certificate is made out to (RFC 5280, 4.1.2.4 and 4.1.2.6), attribute by attribute. Also
 * of certificates that the library refuses to read. Pure; for this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "x509/der.h"

struct subject {
	struct der sets; /* that are left, each of attributes */
	struct der set;  /* what is left of the last one */
	bool is_broken;  /* what is left is none of these */
};

/* An AttributeTypeAndValue; borrowed. */
struct subject_attribute {
	struct der oid, text;
	uint8_t tag; /* of the text's type */
};

/* Finds it in a whole certificate; false: that is no certificate. */
MUST_CHECK bool subject_find(const uint8_t *der, size_t bytes, struct subject *ret_subject);

/* Takes the next attribute; false: there is none that can be read. */
MUST_CHECK bool subject_next(struct subject *s, struct subject_attribute *ret_attribute);

/* Is this a common name? */
MUST_CHECK bool subject_is_common_name(const struct subject_attribute *attribute);

#endif
