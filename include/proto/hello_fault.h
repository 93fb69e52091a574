/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_HELLO_FAULT_H
#define PROTO_HELLO_FAULT_H

/* Why a ClientHello is refused, and how much of one there may be. */

#include <stdint.h>

/* On the wire, record headers included. Post-quantum key shares make 2 kB; nobody needs 16. */
#define HELLO_BYTES_MAX 16384
#define HELLO_RECORDS_MAX 64
#define HELLO_EXTS_MAX 64 /* today's browsers send under 20 */
#define HELLO_SHARES_MAX 16

enum hello_fault {
	HELLO_FINE,
	HELLO_NOT_TLS,
	HELLO_HTTP,
	HELLO_SSL2,
	HELLO_NOT_HELLO,
	HELLO_RECORD_VERSION,
	HELLO_RECORD_EMPTY,
	HELLO_RECORD_LENGTH,
	HELLO_RECORDS,
	HELLO_TOO_LONG,
	HELLO_TRAILING,
	HELLO_LENGTHS,
	HELLO_SESSION_ID,
	HELLO_COMPRESSION,
	HELLO_EXTENSIONS,
	HELLO_EXTENSION_TWICE,
	HELLO_NAME,
	HELLO_ALPN,
	HELLO_SHARES,
	HELLO_SHARE_TWICE,
	HELLO_PSK_NOT_LAST,
	HELLO_FRAGMENT_LENGTH,
	HELLO_RENEGOTIATION,
	HELLO_POINT_FORMATS,
	/* Never answered by hello_read(): of TLS 1.3, and of a second hello. */
	HELLO_LACKS_EXTENSION,
	HELLO_EARLY_DATA_AGAIN,
	HELLO_OTHER_SHARE,
	HELLO_CHANGED,
	HELLO_FAULTS
};

/* In words for a log line: "HTTP on a TLS port". */
const char *hello_fault_text(enum hello_fault fault);

/* The TLS alert (RFC 8446, 6) for it, or 0 when the peer does not speak TLS. */
uint8_t hello_fault_alert(enum hello_fault fault);

#endif
