/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * What TLS costs without any I/O: a client and a server of the TLS floor in
 * one thread, joined in memory. The server's and the client's CPU time are
 * told apart. From the top of the repository:
 *
 *      build/release/tests/load/tls
 */

#include "tls/library.h"
#include "tls/certificates.h"
#include "tls/pair.h"

#include <malloc.h>
#include <stdint.h>
#include <time.h>

#define BULK_BYTES (1u << 30)
#define HANDSHAKES 2000
#define SESSIONS 1000

struct setup {
	const char *name, *certificate;
	struct tls_policy policy;
	struct tls_tickets *tickets;
};

struct cost {
	double client_s, server_s;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "tls: %s\n", what);
	kit_remove_certificates();
	exit(1);
}

static void open_setup(const struct setup *setup, struct tls_server **server,
		       struct tls_client **client)
{
	struct tls_problems problems = { 0 };
	const struct tls_files files = { kit_path(setup->certificate), NULL };
	const struct tls_server_config s = { .policy = setup->policy,
					     .certificates = &files,
					     .certificates_n = 1,
					     .tickets = setup->tickets };
	const struct tls_client_config c = { .ca = kit_path("ca.crt"),
					     .verify_name = "db1.example.com" };

	if (tls_server_create(&s, &problems, server) != 0 ||
	    tls_client_create(&c, &problems, client) != 0)
		die(problems.n > 0 ? problems.at[0].text : "out of memory");
}

static void join(struct kit_pair *p, struct tls_server *server, struct tls_client *client)
{
	kit_join(p);
	if (tls_stream_accept(server, NULL, kit_send, &p->server, &p->server.stream) != 0 ||
	    tls_stream_connect(client, NULL, kit_send, &p->client, &p->client.stream) != 0)
		die("out of memory");
}

/* Handshake, with the time that each side takes added. */
static void shake(struct kit_pair *p, struct cost *cost)
{
	enum tls_result client = TLS_WANT_INPUT, server = TLS_WANT_INPUT;

	while (client != TLS_DONE || server != TLS_DONE) {
		double start = now_s(), middle;

		if (client == TLS_WANT_INPUT)
			client = kit_step(p, &p->client);
		middle = now_s();
		if (server == TLS_WANT_INPUT)
			server = kit_step(p, &p->server);
		cost->client_s += middle - start;
		cost->server_s += now_s() - middle;
		if (client == TLS_FAILED || server == TLS_FAILED)
			die(tls_stream_reason(client == TLS_FAILED ? p->client.stream
								   : p->server.stream));
	}
}

static void measure_handshakes(const struct setup *setup)
{
	struct tls_server *server;
	struct tls_client *client;
	struct cost cost = { 0 };

	open_setup(setup, &server, &client);
	for (unsigned i = 0; i < HANDSHAKES; i++) {
		struct kit_pair p = { 0 };
		double start = now_s();

		join(&p, server, client);
		cost.server_s += (now_s() - start) / 2;
		shake(&p, &cost);
		kit_part(&p);
	}
	printf("  %-28s %8.0f /s server  (%.3f ms; client %.3f ms)\n", setup->name,
	       HANDSHAKES / cost.server_s, cost.server_s * 1e3 / HANDSHAKES,
	       cost.client_s * 1e3 / HANDSHAKES);
	tls_server_unref(server);
	tls_client_unref(client);
}

static void measure_bulk(const struct setup *setup)
{
	static uint8_t plain[TLS_RECORD_BYTES], got[2 * TLS_RECORD_BYTES];
	struct tls_server *server;
	struct tls_client *client;
	struct kit_pair p = { 0 };
	struct cost cost = { 0 };
	double write_s = 0, read_s = 0;
	size_t n;

	open_setup(setup, &server, &client);
	join(&p, server, client);
	shake(&p, &cost);
	for (size_t done = 0; done < BULK_BYTES; done += sizeof(plain)) {
		double start = now_s(), middle;

		if (tls_stream_write(p.server.stream, plain, sizeof(plain)) != TLS_DONE)
			die("write failed");
		middle = now_s();
		if (kit_read(&p, &p.client, got, sizeof(got), &n) != TLS_WANT_INPUT)
			die("read failed");
		write_s += middle - start;
		read_s += now_s() - middle;
	}
	printf("  %-28s %8.0f MB/s write, %.0f MB/s read\n", setup->name,
	       BULK_BYTES / 1e6 / write_s, BULK_BYTES / 1e6 / read_s);
	kit_part(&p);
	tls_server_unref(server);
	tls_client_unref(client);
}

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Of one side only: the others are gone when it is read. */
static void measure_memory(const struct setup *setup, bool of_client)
{
	static struct tls_stream *idle[SESSIONS];
	struct tls_server *server;
	struct tls_client *client;
	struct cost cost;
	size_t before;

	open_setup(setup, &server, &client);
	before = heap_bytes();
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct kit_pair p = { 0 };
		struct kit_side *side = of_client ? &p.client : &p.server;
		char got[1];
		size_t n;

		join(&p, server, client);
		shake(&p, &cost);
		(void)!kit_read(&p, &p.client, got, sizeof(got), &n); /* its tickets */
		idle[i] = side->stream;
		side->stream = NULL;
		kit_part(&p);
	}
	printf("  %-28s %8.0f bytes an idle session (%s)\n", setup->name,
	       (double)(heap_bytes() - before) / SESSIONS, of_client ? "client" : "server");
	for (unsigned i = 0; i < SESSIONS; i++)
		tls_stream_destroy(idle[i]);
	tls_server_unref(server);
	tls_client_unref(client);
}

int main(void)
{
	static const struct setup handshakes[] = {
		{ "TLS 1.3 ECDSA P-256 X25519", "ecdsa.pem", { 0 }, NULL },
		{ "TLS 1.3 ECDSA P-256 P-256", "ecdsa.pem", { .groups = "P-256" }, NULL },
		{ "TLS 1.3 Ed25519 X25519", "ed25519.pem", { 0 }, NULL },
		{ "TLS 1.3 RSA-2048 X25519", "rsa.pem", { 0 }, NULL },
		{ "TLS 1.2 ECDSA P-256", "ecdsa.pem", { .version_max = TLS_1_2 }, NULL },
		{ "TLS 1.2 RSA-2048", "rsa.pem", { .version_max = TLS_1_2 }, NULL },
	};
	static const struct setup bulks[] = {
		{ "AES-128-GCM",
		  "ecdsa.pem",
		  { .ciphers = "TLS13-AES128-GCM-SHA256", .version_min = TLS_1_3 },
		  NULL },
		{ "AES-256-GCM",
		  "ecdsa.pem",
		  { .ciphers = "TLS13-AES256-GCM-SHA384", .version_min = TLS_1_3 },
		  NULL },
		{ "ChaCha20-Poly1305",
		  "ecdsa.pem",
		  { .ciphers = "TLS13-CHACHA20-POLY1305-SHA256", .version_min = TLS_1_3 },
		  NULL },
		{ "AES-128-GCM, TLS 1.2", "ecdsa.pem", { .version_max = TLS_1_2 }, NULL },
	};

	struct setup with_tickets = { .name = "TLS 1.3, tickets", .certificate = "ecdsa.pem" };
	struct tls_problems problems = { 0 };

	with_tickets.tickets = tls_tickets_create(NULL, &problems);
	if (tls_library_start() != 0 || kit_make_certificates("") != 0)
		die("no certificates: is the openssl command there?");
	printf("%s%s\nhandshakes\n", tls_library_version(),
	       tls_library_is_fast() ? "" : ", without this processor's instructions");
	for (size_t i = 0; i < ARRAY_LEN(handshakes); i++)
		measure_handshakes(&handshakes[i]);
	printf("bulk, 16 kB records\n");
	for (size_t i = 0; i < ARRAY_LEN(bulks); i++)
		measure_bulk(&bulks[i]);
	printf("memory\n");
	for (unsigned side = 0; side < 2; side++) {
		measure_memory(&handshakes[0], side);
		measure_memory(&with_tickets, side);
		measure_memory(&handshakes[4], side);
	}
	tls_tickets_unref(with_tickets.tickets);
	kit_remove_certificates();
	tls_library_stop();
	return 0;
}
