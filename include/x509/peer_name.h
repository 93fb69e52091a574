/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef X509_PEER_NAME_H
#define X509_PEER_NAME_H

/*
 * Who a backend has to be, a host name or an address, and whether its
 * certificate says that it is. For this floor.
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
 * Is the certificate for this one? For a host name its own count, and the last
 * common name where it has no alternative names at all. "*.example.com" is
 * good for any one label there (RFC 9525, 6.3); a star that is anything but
 * the whole first label, or has fewer than two labels behind it, stands for
 * nothing. For an address IP addresses alone count, by their bytes (RFC 6125,
 * B.5): never a DNS name or a common name that looks like one.
 */
MUST_CHECK bool peer_name_fits(const struct peer_name *name, const uint8_t *der, size_t bytes);

#endif
