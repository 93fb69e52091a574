/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_HELLO_H
#define PROTO_HELLO_H

/*
 * A client's first TLS message, the ClientHello (RFC 8446, 4.1.2; RFC 5246,
 * 7.4.1.2), read from raw bytes: for routing by name without decrypting, for
 * the choice of a certificate, and as a strict filter in front of the TLS
 * library, which then sees no hello that is not well-formed. Numbers are
 * IANA's, as on the wire.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/hello_fault.h"
#include "proto/parse.h"

#define HELLO_NAME_BYTES 256 /* with its NUL; a DNS name has 253 at most */
#define HELLO_ALPN_BYTES 256
#define HELLO_NUMBERS_MAX 512 /* scanners offer every suite there is */

/* A list of numbers, GREASE values (RFC 8701) left out; those beyond the maximum are dropped. */
struct hello_numbers {
	uint16_t at[HELLO_NUMBERS_MAX];
	size_t n;
};

struct hello {
	enum hello_fault fault;
	size_t bytes; /* of the records that carry it; what follows is not looked at */
	char name[HELLO_NAME_BYTES];    /* SNI, lower case, without a final dot; "": none */
	bool has_odd_name;              /* it is no host name; printable all the same */
	uint8_t alpn[HELLO_ALPN_BYTES]; /* as on the wire: length, id, length, id; whole ids only */
	size_t alpn_bytes;
	struct hello_numbers versions; /* 0x0301 TLS 1.0 … 0x0304 TLS 1.3 */
	struct hello_numbers suites;
	struct hello_numbers signatures; /* empty: the extension is missing */
	struct hello_numbers groups;
	struct hello_numbers shares; /* groups that a key share came for */
	size_t shares_sent;          /* of any group */
	bool has_shares;             /* their extension is there, though it may have none */
	bool resumes;                /* offers a ticket or another pre-shared key */
	bool has_psk;                /* a pre-shared key of TLS 1.3 */
	bool has_psk_modes;          /* says how it would be used */
	bool is_psk_ke_only;         /* would resume only without a new key exchange */
	bool has_early_data;         /* application data follow the hello at once */
	size_t ticket_bytes;         /* of the extension session_ticket (RFC 5077), TLS 1.2's */
};

/*
 * Borrows @n bytes, of which the first is the connection's first. On DONE all
 * of *ret_hello is set, on BAD only its fault, on MORE nothing. BAD comes as
 * early as it can be told, MORE never at HELLO_BYTES_MAX or above.
 */
MUST_CHECK enum parse hello_read(const uint8_t *bytes, size_t n, struct hello *ret_hello);

/*
 * Keeps the name of @n bytes as it would be kept of a ClientHello. False when
 * it is not a host name.
 */
MUST_CHECK bool hello_set_name(struct hello *hello, const char *name, size_t n);

/*
 * The name to look for among those of routes and certificates: an odd one is
 * a name that nobody has, though a pattern might look like it; "": none.
 */
const char *hello_name_to_find(const struct hello *hello);

/* Does the client offer this ALPN id? */
bool hello_offers_alpn(const struct hello *hello, const char *id);

/* Is something missing that TLS 1.3 cannot do without (RFC 8446, 9.2 and 4.2.9)? */
bool hello_lacks_extension(const struct hello *hello);

#endif
