/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes where a PROXY header is expected. What is read must
 * not depend on how the bytes were cut, and must survive being written again.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "proto/proxyhdr.h"

#include <stdlib.h>
#include <string.h>

static bool is_same_text(struct proxyhdr_text a, struct proxyhdr_text b)
{
	return a.n == b.n && !a.bytes == !b.bytes && (a.n == 0 || !memcmp(a.bytes, b.bytes, a.n));
}

static void check_inside(struct proxyhdr_text text, const uint8_t *bytes, size_t n)
{
	CHECK(!text.bytes || (text.bytes >= bytes && text.bytes + text.n <= bytes + n));
	CHECK(text.n <= PROXYHDR_TEXT_MAX);
}

static void check_texts(const struct proxyhdr *hdr, const uint8_t *bytes)
{
	check_inside(hdr->alpn, bytes, hdr->bytes);
	check_inside(hdr->authority, bytes, hdr->bytes);
	check_inside(hdr->unique_id, bytes, hdr->bytes);
	check_inside(hdr->tls.version, bytes, hdr->bytes);
	check_inside(hdr->tls.cipher, bytes, hdr->bytes);
	check_inside(hdr->tls.common_name, bytes, hdr->bytes);
}

static void check_same(const struct proxyhdr *a, const struct proxyhdr *b)
{
	if (a->source.len > 0)
		CHECK(addr_is_equal(&a->source, &b->source));
	if (a->destination.len > 0)
		CHECK(addr_is_equal(&a->destination, &b->destination));
	CHECK(is_same_text(a->alpn, b->alpn));
	CHECK(is_same_text(a->authority, b->authority));
	CHECK(is_same_text(a->unique_id, b->unique_id));
	CHECK(a->tls.is_said == b->tls.is_said);
	CHECK(is_same_text(a->tls.version, b->tls.version));
	CHECK(is_same_text(a->tls.cipher, b->tls.cipher));
	CHECK(is_same_text(a->tls.common_name, b->tls.common_name));
	CHECK(a->tls.is_verified == b->tls.is_verified);
}

/* In its own version it says the same. A datagram's has no addresses any more, so nothing else. */
static void check_rewritten(const struct proxyhdr *hdr)
{
	uint8_t out[PROXYHDR_WRITE_BYTES_MAX];
	struct proxyhdr back;
	size_t n = proxyhdr_write(hdr, out, sizeof(out));

	CHECK(n > 0);
	CHECK(proxyhdr_read(&back, out, n) == PARSE_DONE);
	CHECK(back.bytes == n);
	CHECK(back.version == hdr->version);
	if (hdr->source.len > 0)
		check_same(hdr, &back);
	else
		CHECK(back.is_local);
}

/* A shorter piece asks for more; just the header is enough; none is changed by what follows. */
static void check_cuts(const struct proxyhdr *hdr, const uint8_t *bytes)
{
	struct proxyhdr other;

	CHECK(proxyhdr_read(&other, bytes, hdr->bytes) == PARSE_DONE);
	CHECK(other.bytes == hdr->bytes);
	check_same(hdr, &other);
	for (size_t n = 0; n < hdr->bytes; n += 1 + hdr->bytes / 64)
		CHECK(proxyhdr_read(&other, bytes, n) == PARSE_MORE);
	CHECK(proxyhdr_read(&other, bytes, hdr->bytes - 1) == PARSE_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyhdr hdr = { 0 };

	switch (proxyhdr_read(&hdr, data, size)) {
	case PARSE_DONE:
		CHECK(hdr.version == 1 || hdr.version == 2);
		CHECK(hdr.bytes > 0 && hdr.bytes <= size && hdr.bytes <= PROXYHDR_BYTES_MAX);
		CHECK(hdr.fault == PROXYHDR_FINE);
		check_texts(&hdr, data);
		check_cuts(&hdr, data);
		check_rewritten(&hdr);
		break;
	case PARSE_MORE:
		CHECK(size < PROXYHDR_BYTES_MAX);
		CHECK(size < PROXYHDR_V1_BYTES_MAX || data[0] != 'P');
		break;
	case PARSE_BAD:
		CHECK(hdr.fault > PROXYHDR_FINE && hdr.fault < PROXYHDR_FAULTS);
		break;
	}
	return 0;
}
