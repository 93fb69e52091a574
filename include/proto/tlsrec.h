/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_TLSREC_H
#define PROTO_TLSREC_H

/*
 * TLS records (RFC 8446, 5; RFC 5246, 6.2): where in them a stream is, by the
 * five bytes in front of each, and the one record that ringmain writes
 * without keys, a fatal alert.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLSREC_HEADER_BYTES 5
#define TLSREC_ALERT_BYTES 7
#define TLSREC_PLAIN_BYTES_MAX 16384
#define TLSREC_SEALED_BYTES_MAX (TLSREC_PLAIN_BYTES_MAX + 256) /* in TLS 1.3: RFC 8446, 5.2 */

enum tlsrec_type {
	TLSREC_CHANGE_CIPHER_SPEC = 20,
	TLSREC_ALERT = 21,
	TLSREC_HANDSHAKE = 22,
	TLSREC_APPLICATION_DATA = 23,
};

/* Alerts (RFC 8446, 6) that ringmain itself sends. */
enum tlsrec_alert {
	TLSREC_UNEXPECTED_MESSAGE = 10,
	TLSREC_BAD_RECORD_MAC = 20,
	TLSREC_RECORD_OVERFLOW = 22,
	TLSREC_HANDSHAKE_FAILURE = 40,
	TLSREC_BAD_CERTIFICATE = 42,
	TLSREC_UNSUPPORTED_CERTIFICATE = 43,
	TLSREC_CERTIFICATE_REVOKED = 44,
	TLSREC_ILLEGAL_PARAMETER = 47,
	TLSREC_ACCESS_DENIED = 49,
	TLSREC_DECODE_ERROR = 50,
	TLSREC_DECRYPT_ERROR = 51,
	TLSREC_PROTOCOL_VERSION = 70,
	TLSREC_INTERNAL_ERROR = 80,
	TLSREC_MISSING_EXTENSION = 109,
	TLSREC_UNSUPPORTED_EXTENSION = 110,
	TLSREC_UNRECOGNIZED_NAME = 112,
	TLSREC_CERTIFICATE_REQUIRED = 116,
	TLSREC_NO_APPLICATION_PROTOCOL = 120,
};

/* A place in a stream of records. Zeroed: at its beginning. */
struct tlsrec {
	uint8_t header[TLSREC_HEADER_BYTES]; /* of the record that is passing, as far as it came */
	uint8_t header_bytes;
	uint16_t left; /* of its body */
};

enum tlsrec_passed {
	TLSREC_PART,   /* all @n bytes passed, and nothing became whole */
	TLSREC_HEADER, /* a header is whole: see @header; its body, if it has one, is next */
	TLSREC_RECORD, /* a body is whole, and with it its record */
};

/*
 * Moves on over as many of @n bytes as there are up to the next thing that
 * becomes whole. Returns how many, at least one of at least one.
 */
size_t tlsrec_walk(struct tlsrec *t, const uint8_t *bytes, size_t n, enum tlsrec_passed *ret_what);

/* Of the body, as a whole header says. */
static inline size_t tlsrec_length_in(const uint8_t header[TLSREC_HEADER_BYTES])
{
	return (size_t)header[3] << 8 | header[4];
}

static inline size_t tlsrec_body_bytes(const struct tlsrec *t)
{
	return tlsrec_length_in(t->header);
}

/* Is the body of a record that it is in, or right before? */
static inline bool tlsrec_is_in_body(const struct tlsrec *t)
{
	return t->header_bytes == TLSREC_HEADER_BYTES && t->left > 0;
}

enum tlsrec_look {
	TLSREC_NO_ALERT,
	TLSREC_ALERT_OR_LONG_DATA, /* Java pads it with 16 bytes: like 18 bytes of data */
	TLSREC_ALERT_OR_DATA,      /* from TLS 1.3 on it looks like two bytes of data */
	TLSREC_CERTAIN_ALERT,
};

/*
 * Do @n bytes of a stream that nobody here can open end in a record that is,
 * by its look, an encrypted alert, such as close_notify?
 */
enum tlsrec_look tlsrec_look_at_end(const uint8_t *bytes, size_t n);

/* Writes a fatal alert in clear: the answer to a client before any keys exist. */
void tlsrec_write_alert(uint8_t out[TLSREC_ALERT_BYTES], uint8_t alert);

#endif
