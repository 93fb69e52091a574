/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * EVERY_PREFIX. Any bytes from a PostgreSQL client, and the same bytes from a
 * server whose key is being watched for.
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "proto/pgsql.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static enum parse read_exact(const uint8_t *bytes, size_t n, struct pgsql_packet *packet)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);
	enum parse result;

	CHECK(copy);
	memcpy(copy, bytes, n);
	result = pgsql_read(copy, n, packet);
	free(copy);
	return result;
}

static void check_packet(const struct pgsql_packet *p, size_t size)
{
	CHECK(p->fault == PGSQL_FINE);
	CHECK(p->bytes <= size && p->bytes <= PGSQL_STARTUP_BYTES_MAX);
	CHECK(strnlen(p->user, PGSQL_NAME_BYTES) < PGSQL_NAME_BYTES);
	CHECK(strnlen(p->database, PGSQL_NAME_BYTES) < PGSQL_NAME_BYTES);
	CHECK(p->key.secret_bytes <= PGSQL_SECRET_BYTES_MAX);
	if (p->kind == PGSQL_STARTUP)
		CHECK(p->major == 3 && p->user[0] != '\0' && p->database[0] != '\0');
}

static void check_cuts(const uint8_t *data, size_t size, enum parse whole)
{
	for (size_t n = 0; n < size; n += 1 + size / 64) {
		struct pgsql_packet cut;
		enum parse result = read_exact(data, n, &cut);

		CHECK(result != PARSE_MORE || n < PGSQL_STARTUP_BYTES_MAX);
		if (result != PARSE_MORE)
			CHECK(result == whole);
	}
}

static bool asks_for_encryption(const struct pgsql_packet *p)
{
	return p->kind == PGSQL_SSL_REQUEST || p->kind == PGSQL_GSS_REQUEST;
}

/*
 * A connection as the proxy would go through it, with a client that waits for
 * each answer: what follows a start-up packet or a request to cancel, and what
 * comes in TLS, is not for this parser.
 */
static void converse(const uint8_t *data, size_t size)
{
	unsigned asked = 0, packets = 0;
	struct pgsql_packet p = { .kind = PGSQL_SSL_REQUEST };

	while (asks_for_encryption(&p)) {
		size_t n = size < PGSQL_REQUEST_BYTES ? size : PGSQL_REQUEST_BYTES;
		enum parse result = pgsql_read_clear(data, n, &asked, &p);

		if (result != PARSE_DONE)
			result = pgsql_read_clear(data, size, &asked, &p);
		if (result != PARSE_DONE)
			return;
		CHECK(++packets <= 3); /* both requests, each once, and what they were for */
		data += p.bytes;
		size -= p.bytes;
	}
}

static enum parse watch_in_pieces(const uint8_t *data, size_t size, size_t piece,
				  struct pgsql_watch *w)
{
	enum parse result = PARSE_MORE;

	memset(w, 0, sizeof(*w));
	while (size > 0 && result == PARSE_MORE) {
		size_t n = size < piece ? size : piece;

		result = pgsql_watch(w, data, n);
		data += n;
		size -= n;
	}
	CHECK(w->key.secret_bytes <= PGSQL_SECRET_BYTES_MAX);
	return result;
}

static void check_watch(const uint8_t *data, size_t size)
{
	struct pgsql_watch whole, bytewise;
	enum parse a = watch_in_pieces(data, size, size, &whole);
	enum parse b = watch_in_pieces(data, size, 1, &bytewise);

	if (size > PGSQL_WATCH_BYTES_MAX)
		return;
	CHECK(a == b);
	CHECK(whole.has_key == bytewise.has_key);
	if (whole.has_key)
		CHECK(memcmp(&whole.key, &bytewise.key, sizeof(whole.key)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pgsql_packet p;
	enum parse result = read_exact(data, size, &p);

	if (result == PARSE_BAD)
		CHECK(p.fault > PGSQL_FINE && p.fault < PGSQL_FAULTS);
	if (result == PARSE_DONE)
		check_packet(&p, size);
	check_cuts(data, size, result);
	converse(data, size);
	check_watch(data, size);
	return 0;
}
