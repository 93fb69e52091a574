/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes as the beginning of a connection. What is right must
 * not depend on how it was cut: into segments, and into TLS records.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "proto/hello.h"
#include "proto/hello_retry.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEADER_BYTES 5

/* A copy of exactly that size, for the sanitizer. */
static enum parse read_exact(const uint8_t *bytes, size_t n, struct hello *hello)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum parse result;

	CHECK(copy);
	memcpy(copy, bytes, n);
	result = hello_read(copy, n, hello);
	free(copy);
	return result;
}

static void check_result(const struct hello *h, size_t size)
{
	CHECK(h->fault == HELLO_FINE);
	CHECK(h->bytes <= size && h->bytes <= HELLO_BYTES_MAX);
	CHECK(strlen(h->name) <= (h->has_odd_name ? HELLO_NAME_BYTES - 1 : 253));
	for (const char *c = h->name; *c; c++)
		CHECK(*c > ' ' && *c < 0x7f);
	CHECK(!h->has_odd_name || (h->name[0] && strcmp(hello_name_to_find(h), "?") == 0));
	CHECK(h->alpn_bytes <= HELLO_ALPN_BYTES);
	CHECK(h->versions.n <= HELLO_NUMBERS_MAX && h->suites.n <= HELLO_NUMBERS_MAX);
	CHECK(!hello_offers_alpn(h, ""));
}

static void check_same(const struct hello *a, const struct hello *b)
{
	CHECK(strcmp(a->name, b->name) == 0);
	CHECK(a->alpn_bytes == b->alpn_bytes);
	CHECK(memcmp(a->alpn, b->alpn, a->alpn_bytes) == 0);
	CHECK(a->versions.n == b->versions.n && a->suites.n == b->suites.n);
	CHECK(a->groups.n == b->groups.n && a->shares.n == b->shares.n);
	CHECK(a->resumes == b->resumes);
}

/* Every shorter one must ask for more, or say what the whole says. */
static void check_cuts(const uint8_t *data, size_t size, enum parse whole, const struct hello *h)
{
	size_t step = 1 + size / 64;

	for (size_t n = 0; n < size; n += step) {
		struct hello cut;
		enum parse result = read_exact(data, n, &cut);

		CHECK(result != PARSE_MORE || n < HELLO_BYTES_MAX);
		if (result == PARSE_DONE) {
			CHECK(whole == PARSE_DONE);
			check_same(&cut, h);
		}
		if (result == PARSE_BAD)
			CHECK(whole == PARSE_BAD);
	}
}

/* The same message in records of at most @piece bytes. */
static void check_records(const uint8_t *data, const struct hello *h, size_t piece)
{
	size_t left = h->bytes - RECORD_HEADER_BYTES, n = 0;
	const uint8_t *message = data + RECORD_HEADER_BYTES;
	static uint8_t wire[2 * HELLO_BYTES_MAX];
	struct hello again;

	/* Only of one that came in a single record, and has room for more headers. */
	if (((size_t)data[3] << 8 | data[4]) != left || left / piece + 1 > HELLO_RECORDS_MAX ||
	    left + RECORD_HEADER_BYTES * (left / piece + 1) > HELLO_BYTES_MAX)
		return;
	while (left > 0) {
		size_t part = left < piece ? left : piece;
		const uint8_t header[] = { 22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part };

		memcpy(wire + n, header, sizeof(header));
		memcpy(wire + n + sizeof(header), message, part);
		n += sizeof(header) + part;
		message += part;
		left -= part;
	}
	CHECK(read_exact(wire, n, &again) == PARSE_DONE);
	CHECK(again.bytes == n);
	check_same(&again, h);
}

/* What must not change in a second hello is a part of it, and not read from beyond it. */
static void check_constants(const uint8_t *data, size_t size)
{
	static uint8_t constants[HELLO_BYTES_MAX];
	uint8_t *copy = malloc(size);
	size_t n;

	CHECK(copy);
	memcpy(copy, data, size);
	n = hello_retry_constants(copy, size, constants);
	CHECK(n > 0 && n < size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello h;
	enum parse result = read_exact(data, size, &h);

	CHECK(result != PARSE_MORE || size < HELLO_BYTES_MAX);
	if (result == PARSE_BAD)
		CHECK(h.fault > HELLO_FINE && h.fault < HELLO_FAULTS);
	if (result == PARSE_DONE) {
		check_result(&h, size);
		check_constants(data, size);
		check_records(data, &h, 1 + size / 7);
		check_records(data, &h, 1 + size / 50);
	}
	check_cuts(data, size, result, &h);
	return 0;
}
