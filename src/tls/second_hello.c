/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/second_hello.h"

#include <stdlib.h>
#include <string.h>

/* RFC 8446, 4.1.3: what a ServerHello has for a random number when it is none. */
static const uint8_t retry_random[] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
					0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
					0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };

/* Of the record, of the message and of the version. */
#define BEFORE_RANDOM_BYTES (TLSREC_HEADER_BYTES + 4 + 2)

void second_hello_finish(struct second_hello *h)
{
	free(h->held);
	h->held = NULL;
	h->held_n = h->held_taken = 0;
}

bool second_hello_is_retry(const uint8_t *bytes, size_t n)
{
	enum { SERVER_HELLO = 2 };

	return n >= BEFORE_RANDOM_BYTES + sizeof(retry_random) && bytes[0] == TLSREC_HANDSHAKE &&
	       bytes[TLSREC_HEADER_BYTES] == SERVER_HELLO &&
	       memcmp(bytes + BEFORE_RANDOM_BYTES, retry_random, sizeof(retry_random)) == 0;
}

/* Passes over a record, or as much of it as there is. */
static void drop(struct second_hello *h, const uint8_t *bytes, size_t n, size_t *at)
{
	enum tlsrec_passed passed = TLSREC_PART;
	size_t from = *at;

	while (*at < n && passed != TLSREC_RECORD)
		*at += tlsrec_walk(&h->dropped, bytes + *at, n - *at, &passed);
	h->is_dropping = passed != TLSREC_RECORD;
	h->early_bytes += *at - from;
}

static bool hold(struct second_hello *h, const uint8_t *bytes, size_t n)
{
	uint8_t *held = realloc(h->held, h->held_n + n);

	if (!held)
		return false;
	memcpy(held + h->held_n, bytes, n);
	h->held = held;
	h->held_n += n;
	return true;
}

static enum second_hello_answer read_held(struct second_hello *h)
{
	struct hello hello;

	switch (hello_read(h->held, h->held_n, &hello)) {
	case PARSE_MORE:
		return SECOND_HELLO_MORE;
	case PARSE_DONE:
		h->is_awaited = false;
		if (!hello.has_psk || hello.has_psk_modes)
			return SECOND_HELLO_PASS;
		h->fault = HELLO_PSK_MODES;
		return SECOND_HELLO_BAD;
	default:
		h->fault = hello.fault;
		return SECOND_HELLO_BAD;
	}
}

enum second_hello_answer second_hello_look(struct second_hello *h, const uint8_t *bytes, size_t n,
					   size_t *at)
{
	while (*at < n) {
		if (h->is_dropping || (h->held_n == 0 && h->has_early_data &&
				       bytes[*at] == TLSREC_APPLICATION_DATA)) {
			drop(h, bytes, n, at);
			if (h->early_bytes > EARLY_DATA_BYTES_MAX)
				return SECOND_HELLO_FLOOD;
			continue;
		}
		if (h->held_n == 0 && bytes[*at] != TLSREC_HANDSHAKE)
			return SECOND_HELLO_PASS;
		if (!hold(h, bytes + *at, n - *at))
			return SECOND_HELLO_NO_MEMORY;
		*at = n;
		return read_held(h);
	}
	return SECOND_HELLO_MORE;
}
