/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_PEER_NAME_H
#define X509_PEER_NAME_H

/*
 * Who a backend has to be: a host name, which the library compares with a
 * certificate's, or an address, which is compared here. For this floor.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define PEER_NAME_BYTES 254 /* of a host name (RFC 1035, 2.3.4), and a zero */

struct peer_address {
	uint8_t at[16];
	uint8_t bytes; /* 4 or 16; 0: it is none */
};

struct peer_name {
	char host[PEER_NAME_BYTES]; /* without a final dot; "": it is an address */
	struct peer_address address;
};

/* Reads "db.example.com", "db.example.com.", "10.0.0.1", "fe80::1%eth0". False: too long. */
MUST_CHECK bool peer_name_read(struct peer_name *ret_name, const char *text);

/*
 * Does the certificate name this address? Its IP addresses alone count, by
 * their bytes (RFC 6125, B.5): never a DNS name or a common name that looks
 * like one.
 */
bool peer_address_fits(const struct peer_address *address, const uint8_t *der, size_t bytes);

#endif
