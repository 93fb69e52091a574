/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_DER_H
#define X509_DER_H

/*
 * A value behind the other of what is written in DER (X.690), for what the
 * library does not read. Pure; for this floor.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/def.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERAL_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0, /* [0], with values in it */
};

/* Borrowed bytes. */
struct der {
	const uint8_t *at, *end;
};

/* Moves @from behind the value at its beginning, and gives that; false: there is none. */
MUST_CHECK bool der_take(struct der *from, uint8_t *ret_tag, struct der *ret_value);

/* The same for a value of this kind; false, and nothing moved, where it is another one. */
bool der_enter(struct der *from, uint8_t tag, struct der *ret_value);

/* Are these the bytes? */
MUST_CHECK bool der_is(const struct der *value, const void *bytes, size_t n);

/* A UTCTime or GeneralizedTime as certificates have it (RFC 5280, 4.1.2.5); 0: it is neither. */
time_t der_time(struct der from);

#endif
