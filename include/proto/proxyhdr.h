/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_PROXYHDR_H
#define PROTO_PROXYHDR_H

/*
 * The PROXY protocol, versions 1 (a line of text) and 2 (binary): the first
 * bytes of a connection, in which a proxy says whom it speaks for. Its
 * specification is HAProxy's doc/proxy-protocol.txt. Whether a header is to
 * be expected is for the operator to say, never to be guessed from the bytes;
 * and only from senders that are trusted, since whoever may send one may
 * claim any address.
 *
 * Stricter or wider than other readers, on purpose:
 * - in version 1 each address may be of either family in a TCP6 line, as some
 *   senders write IPv4 clients of IPv6 sockets; never in a TCP4 line;
 * - a v4-mapped IPv6 address is read as the IPv4 address it stands for;
 * - what is not a stream (UDP) is accepted, its addresses are not believed;
 * - in version 2, LOCAL is skipped whole, and so is what is of an unspecified
 *   family, but for its checksum.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"
#include "proto/parse.h"

#define PROXYHDR_V1_BYTES_MAX 107 /* with CR and LF */
/* Of a header that is accepted; 16 bits could say 65551. Certificates as TLVs take 4 kB. */
#define PROXYHDR_BYTES_MAX 8192
#define PROXYHDR_TEXT_MAX 255 /* of ALPN, authority, names in the TLS part */
#define PROXYHDR_UNIQUE_ID_MAX 128
/* Whatever proxyhdr_write() may have to say fits. */
#define PROXYHDR_WRITE_BYTES_MAX 2048

enum proxyhdr_fault {
	PROXYHDR_FINE,
	PROXYHDR_SIGNATURE, /* begins like neither version */
	PROXYHDR_LINE_LENGTH,
	PROXYHDR_LINE_END,
	PROXYHDR_LINE_FAMILY,
	PROXYHDR_LINE_ADDRESS,
	PROXYHDR_LINE_PORT,
	PROXYHDR_VERSION,
	PROXYHDR_COMMAND,
	PROXYHDR_FAMILY,
	PROXYHDR_TOO_LONG,
	PROXYHDR_TOO_SHORT, /* for the addresses of its family */
	PROXYHDR_TLV_OVERRUN,
	PROXYHDR_TLV_LENGTH,
	PROXYHDR_CHECKSUM,
	PROXYHDR_FAULTS
};

/* Bytes in the header, or of whoever has one written; not a C string. */
struct proxyhdr_text {
	const uint8_t *bytes; /* NULL: not said */
	uint16_t n;
};

/* What is known of the client's own TLS. */
struct proxyhdr_tls {
	bool is_said;
	bool is_on;                   /* the client came over TLS */
	bool has_cert;                /* showed a certificate on this connection */
	bool has_cert_ever;           /* showed one in this TLS session, perhaps earlier */
	bool is_verified;             /* and it was verified */
	struct proxyhdr_text version; /* "TLSv1.3" */
	struct proxyhdr_text cipher;
	struct proxyhdr_text common_name; /* of the certificate's subject */
};

struct proxyhdr {
	enum proxyhdr_fault fault; /* after PARSE_BAD */
	uint8_t version;           /* 1 or 2 */
	size_t bytes;              /* of the whole header; what follows is the client's */

	/*
	 * LOCAL or UNKNOWN: the sender speaks for itself (a health check), or
	 * cannot say for whom. The socket's own addresses hold.
	 */
	bool is_local;
	struct addr source, destination; /* len 0: not said, the socket's own hold */

	struct proxyhdr_text alpn, authority, unique_id;
	struct proxyhdr_tls tls;
	bool has_checksum;
};

/*
 * Reads a header of either version from the first @n bytes of a connection,
 * which it borrows; on DONE the texts in *ret_hdr point into them. Sets only
 * the fault on BAD, nothing on MORE. MORE never at PROXYHDR_BYTES_MAX, or at
 * PROXYHDR_V1_BYTES_MAX bytes of a line. BAD comes as early as can be told.
 */
MUST_CHECK enum parse proxyhdr_read(struct proxyhdr *ret_hdr, const uint8_t *bytes, size_t n);

/* In words, for one log line: "longer than 8192 bytes". */
const char *proxyhdr_fault_text(enum proxyhdr_fault fault);

/*
 * Writes what @hdr says, in its version, to @out, and gives the number of
 * bytes; 0 when @max is too small. Borrows everything.
 *
 * Two v4-mapped addresses are written as IPv4, an IPv4 and an IPv6 one as two
 * IPv6 ones. What a version cannot say is left out: version 1 says UNKNOWN of
 * unix sockets and has no TLVs; is_local only counts in version 2, a health
 * check in version 1 gives its own addresses. Texts that are too long to be
 * true are left out. With has_checksum version 2 ends with its checksum.
 */
size_t proxyhdr_write(const struct proxyhdr *hdr, uint8_t *out, size_t max);

#endif
