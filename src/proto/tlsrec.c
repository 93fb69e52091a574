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
