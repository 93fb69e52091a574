/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROTO_HELLO_RECORDS_H
#define PROTO_HELLO_RECORDS_H

/* The TLS records that carry a ClientHello, and the message that is in them. */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "proto/cursor.h"
#include "proto/hello_fault.h"
#include "proto/parse.h"

/* Not to be copied: it may point into itself. */
struct hello_message {
	enum hello_fault fault; /* on BAD */
	size_t wire_bytes;      /* of the records */
	struct cursor body;     /* behind its header; in the bytes it was read from, or in joined */
	uint8_t joined[HELLO_BYTES_MAX]; /* out of several records */
};

/* As hello_read(), but does not look into the message. */
MUST_CHECK enum parse hello_records_read(const uint8_t *bytes, size_t n,
					 struct hello_message *ret_message);

#endif
