/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TLSREC_H
#define PROTO_TLSREC_H

/*
 * A gate in front of the TLS library for the records of one direction of a
 * running stream (RFC 8446, 5; RFC 5246, 6.2): it looks at the five bytes of
 * each header as they pass, in spans of any size, and refuses what no honest
 * peer sends. It copies nothing and is a few dozen bytes in the session.
 * The ClientHello has a stricter gate of its own in proto/hello.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

#define TLSREC_HEADER_BYTES 5
#define TLSREC_ALERT_BYTES 7
#define TLSREC_PLAIN_BYTES_MAX 16384

/* Records that carry none of the application's bytes: an honest stream has a few in its life. */
#define TLSREC_CONTROL_PER_S_MAX 32

/* Alerts (RFC 8446, 6) that ringmain itself sends. */
enum tlsrec_alert {
	TLSREC_UNEXPECTED_MESSAGE = 10,
	TLSREC_RECORD_OVERFLOW = 22,
	TLSREC_HANDSHAKE_FAILURE = 40,
	TLSREC_ILLEGAL_PARAMETER = 47,
	TLSREC_DECODE_ERROR = 50,
	TLSREC_PROTOCOL_VERSION = 70,
	TLSREC_INTERNAL_ERROR = 80,
	TLSREC_UNRECOGNIZED_NAME = 112,
	TLSREC_NO_APPLICATION_PROTOCOL = 120,
};

enum tlsrec_fault {
	TLSREC_FINE,
	TLSREC_TYPE,
	TLSREC_VERSION,
	TLSREC_EMPTY,
	TLSREC_LENGTH,
	TLSREC_SHORT,
	TLSREC_FLOOD,
	TLSREC_FAULTS
};

struct tlsrec {
	uint8_t header[TLSREC_HEADER_BYTES];
	uint8_t header_bytes;
	bool established; /* application data flows: everything is encrypted */
	bool tls13;
	uint16_t left;         /* of the record's body */
	uint16_t control_n;    /* in the second that began at window_ms */
	uint32_t control_seen; /* what tlsrec_count_control() was told last, modulo 2^32 */
	uint64_t window_ms;
};

void tlsrec_init(struct tlsrec *t);

/* From the handshake's end on the rules are tighter. */
void tlsrec_establish(struct tlsrec *t, bool tls13);

/*
 * Looks at the next @n bytes of ciphertext, which it borrows, at @now_ms of a
 * clock that does not jump. Call it before the library gets them. After any
 * answer but TLSREC_FINE the stream is over.
 */
MUST_CHECK enum tlsrec_fault tlsrec_pass(struct tlsrec *t, const uint8_t *bytes, size_t n,
					 uint64_t now_ms);

/*
 * Only who decrypts knows a KeyUpdate or an empty record of TLS 1.3: tell the
 * total of records without application bytes so far. TLSREC_FLOOD or _FINE.
 */
MUST_CHECK enum tlsrec_fault tlsrec_count_control(struct tlsrec *t, uint64_t total,
						  uint64_t now_ms);

/* In words for a log line. */
const char *tlsrec_fault_text(enum tlsrec_fault fault);
enum tlsrec_alert tlsrec_fault_alert(enum tlsrec_fault fault);

/* Writes a fatal alert in clear: the answer to a client before any keys exist. */
void tlsrec_write_alert(uint8_t out[TLSREC_ALERT_BYTES], uint8_t alert);

#endif
