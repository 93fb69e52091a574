/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "proto/tlsrec.h"

#include "base/def.h"

#include <string.h>

static size_t walk_header(struct tlsrec *t, const uint8_t *bytes, size_t n,
			  enum tlsrec_passed *ret_what)
{
	size_t took = MIN(n, (size_t)(TLSREC_HEADER_BYTES - t->header_bytes));

	memcpy(t->header + t->header_bytes, bytes, took);
	t->header_bytes += (uint8_t)took;
	if (t->header_bytes == TLSREC_HEADER_BYTES) {
		t->left = (uint16_t)tlsrec_body_bytes(t);
		*ret_what = TLSREC_HEADER;
	}
	return took;
}

static size_t walk_body(struct tlsrec *t, size_t n, enum tlsrec_passed *ret_what)
{
	size_t took = MIN(n, t->left);

	t->left -= (uint16_t)took;
	if (t->left == 0)
		*ret_what = TLSREC_RECORD;
	return took;
}

size_t tlsrec_walk(struct tlsrec *t, const uint8_t *bytes, size_t n, enum tlsrec_passed *ret_what)
{
	*ret_what = TLSREC_PART;
	if (tlsrec_is_in_body(t))
		return walk_body(t, n, ret_what);
	if (t->header_bytes == TLSREC_HEADER_BYTES)
		t->header_bytes = 0;
	return walk_header(t, bytes, n, ret_what);
}

void tlsrec_write_alert(uint8_t out[TLSREC_ALERT_BYTES], uint8_t alert)
{
	const uint8_t record[TLSREC_ALERT_BYTES] = {
		TLSREC_ALERT, 3, 3, 0, 2, 2 /* fatal */, alert
	};

	memcpy(out, record, sizeof(record));
}

#define CONTENT_ALERT 21
#define CONTENT_DATA 23

/* What encryption makes of an alert's two bytes. */
static const struct {
	uint8_t content, body_bytes;
	enum tlsrec_look look;
} alerts[] = {
	/* TLS 1.3: the content's type, and a tag of 16 bytes; Java's sockets pad all they send */
	{ CONTENT_DATA, 19, TLSREC_ALERT_OR_DATA },
	{ CONTENT_DATA, 35, TLSREC_ALERT_OR_LONG_DATA },
	/* 1.2, GCM: a nonce of 8 bytes before, a tag behind */
	{ CONTENT_ALERT, 26, TLSREC_CERTAIN_ALERT },
	/* ChaCha20, which sends no nonce; CCM with a tag of 8 bytes */
	{ CONTENT_ALERT, 18, TLSREC_CERTAIN_ALERT },
	/* CBC, by its MAC: SHA-1, SHA-256, SHA-384 */
	{ CONTENT_ALERT, 48, TLSREC_CERTAIN_ALERT },
	{ CONTENT_ALERT, 64, TLSREC_CERTAIN_ALERT },
	{ CONTENT_ALERT, 80, TLSREC_CERTAIN_ALERT },
	/* SHA-1 behind what is encrypted */
	{ CONTENT_ALERT, 52, TLSREC_CERTAIN_ALERT },
};

static bool ends_in(const uint8_t *bytes, size_t n, uint8_t content, uint8_t body_bytes)
{
	const uint8_t header[] = { content, 3, 3, 0, body_bytes };
	size_t size = sizeof(header) + body_bytes;

	return n >= size && memcmp(bytes + n - size, header, sizeof(header)) == 0;
}

enum tlsrec_look tlsrec_look_at_end(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(alerts); i++)
		if (ends_in(bytes, n, alerts[i].content, alerts[i].body_bytes))
			return alerts[i].look;
	return TLSREC_NO_ALERT;
}
