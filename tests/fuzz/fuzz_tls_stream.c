/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * A TLS stream over memory. The first byte says what to do with the others:
 *
 *   0x03  who reads them: 0 a server, 1 a client, 2 and 3 a server that has
 *         finished its handshake with an honest client; with 3 they are not
 *         read but say which bytes that the client sends are changed, three
 *         for each: place (two bytes), and what to flip
 *   0x04  TLS 1.2 instead of 1.3
 *   0xf8  the size of the segments they come in
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "tls/library.h"
#include "tls/certificates.h"
#include "tls/pair.h"

static struct tls_server *server;
static struct tls_client *clients[2];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tls_problems problems = { 0 };
	struct tls_tickets *tickets;
	struct tls_files files;

	(void)argc;
	(void)argv;
	CHECK(kit_make_certificates("one") == 0);
	CHECK(tls_library_start() == 0);
	tickets = tls_tickets_create(NULL, &problems);
	files = (struct tls_files){ kit_path("ecdsa.pem"), NULL };
	const struct tls_server_config config = {
		.policy.alpn = "postgresql,h2",
		.certificates = &files,
		.certificates_n = 1,
		.tickets = tickets,
	};
	CHECK(tls_server_create(&config, &problems, &server) == 0);
	tls_tickets_unref(tickets);
	for (unsigned i = 0; i < 2; i++) {
		const struct tls_client_config wanted = {
			.policy = { .version_max = i ? TLS_1_2 : TLS_1_3, .alpn = "h2" },
			.ca = kit_path("ca.crt"),
			.verify_name = "db1.example.com",
		};

		CHECK(tls_client_create(&wanted, &problems, &clients[i]) == 0);
	}
	kit_remove_certificates();
	return 0;
}

/* Reads until nothing is left or it is over. */
static enum tls_result drain(struct kit_side *side)
{
	static uint8_t plain[40000];
	enum tls_result result;
	size_t n;

	do {
		result = tls_stream_read(side->stream, plain, sizeof(plain), &n);
		CHECK(n <= sizeof(plain));
	} while (result == TLS_DONE);
	if (result != TLS_FAILED)
		CHECK(tls_stream_write(side->stream, "answer", 6) != TLS_WANT_INPUT);
	return result;
}

/* Handshake and then data; a stream that has ended must keep saying so. */
static enum tls_result feed(struct kit_side *side, bool *established)
{
	enum tls_result result = TLS_DONE;

	if (!*established)
		result = tls_stream_handshake(side->stream);
	if (result == TLS_DONE) {
		*established = true;
		result = drain(side);
	}
	CHECK(result != TLS_DONE);
	CHECK(result != TLS_WANT_INPUT || tls_stream_input_left(side->stream) == 0);
	return result;
}

static void feed_all(struct kit_side *side, bool established, const uint8_t *data, size_t size,
		     size_t chunk)
{
	enum tls_result result = TLS_WANT_INPUT;

	while (size > 0 && result == TLS_WANT_INPUT) {
		size_t n = MIN(size, chunk);

		tls_stream_give(side->stream, data, n, 0);
		result = feed(side, &established);
		data += n;
		size -= n;
	}
	CHECK(strlen(tls_stream_reason(side->stream)) > 0);
}

/* The client's bytes arrive changed. */
static void flip(struct kit_side *side, const uint8_t *data, size_t size)
{
	for (; size >= 3; data += 3, size -= 3) {
		size_t place = (size_t)data[0] << 8 | data[1];

		if (side->inbox_n > 0)
			side->inbox[place % side->inbox_n] ^= data[2];
	}
}

static void converse(struct kit_pair *p, unsigned mode, const uint8_t *data, size_t size)
{
	size_t chunk = p->chunk;
	struct kit_outcome o;
	bool established;

	if (mode == 3 && size > 0 && data[0] & 1) {
		/* Changed from the first byte on. */
		CHECK(kit_step(p, &p->client) == TLS_WANT_INPUT);
		flip(&p->server, data, size);
	}
	o = kit_handshake(p);
	established = o.client == TLS_DONE && o.server == TLS_DONE;
	if (established) {
		CHECK(tls_stream_write(p->client.stream, "question", 8) == TLS_DONE);
		flip(&p->server, mode == 3 ? data : NULL, mode == 3 ? size : 0);
		if (kit_give(p, &p->server) && feed(&p->server, &established) != TLS_WANT_INPUT)
			return;
	}
	if (mode == 2 && established)
		feed_all(&p->server, established, data, size, chunk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kit_pair p = { 0 };
	unsigned mode, is_12;

	if (size == 0)
		return 0;
	mode = data[0] & 3;
	is_12 = data[0] >> 2 & 1;
	p.chunk = data[0] >> 3 ? data[0] >> 3 : 20000;
	kit_join(&p);
	CHECK(tls_stream_accept(server, NULL, kit_send, &p.server, &p.server.stream) == 0);
	CHECK(tls_stream_connect(clients[is_12], NULL, kit_send, &p.client, &p.client.stream) == 0);
	if (mode == 1 && tls_stream_handshake(p.client.stream) != TLS_WANT_INPUT)
		abort();
	if (mode < 2)
		feed_all(mode == 0 ? &p.server : &p.client, false, data + 1, size - 1, p.chunk);
	else
		converse(&p, mode, data + 1, size - 1);
	kit_part(&p);
	return 0;
}
