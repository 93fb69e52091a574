/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * FAKE_RING. One session from its first byte to its last: PROXY header ->
 * PostgreSQL's preamble -> ClientHello -> dial -> preamble to the backend ->
 * relay. The first byte says how the listener and the pool are, see
 * bed_for(); each that follows is a step, its lower three bits which, the
 * others how much; see step().
 */

#include "fuzz/fuzz.h"

#include "base/check.h"
#include "fake/bed.h"
#include "proto/pgsql.h"
#include "proto/proxyhdr.h"
#include "tls/certificates.h"
#include "tls/pair.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define STREAM_BYTES_MAX 65536

/* Bytes that went one way, or are to. */
struct stream {
	uint8_t bytes[STREAM_BYTES_MAX];
	size_t n;
};

struct play {
	struct bed *st;
	const uint8_t *at; /* of the input, what is left */
	size_t left;
	bool has_proxy_header, is_postgres, has_header, is_in_tls;
	int client, backend;            /* -1: not there, or gone */
	struct stream up_sent, up_came; /* by the client; at the backend */
	struct stream down_sent, down_came;
};

static struct tls_client *tls_client;
static struct stream hello;

static int keep(void *owner, const void *bytes, size_t n)
{
	struct stream *s = owner;

	CHECK(s->n + n <= sizeof(s->bytes));
	memcpy(s->bytes + s->n, bytes, n);
	s->n += n;
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct tls_problems problems = { 0 };
	struct tls_client_config config = { .verify_name = "db1.example.com" };
	struct tls_stream *stream;

	(void)argc;
	(void)argv;
	CHECK(kit_make_certificates("one") == 0);
	atexit(kit_remove_certificates);
	CHECK(tls_library_start() == 0);
	config.ca = kit_path("ca.crt");
	CHECK(tls_client_create(&config, &problems, &tls_client) == 0);
	CHECK(tls_stream_connect(tls_client, NULL, keep, &hello, &stream) == 0);
	CHECK(tls_stream_handshake(stream) == TLS_WANT_INPUT);
	tls_stream_destroy(stream);
	return 0;
}

/* ---- the bed ----------------------------------------------------------- */

enum { TLS_NOWHERE, TLS_THROUGH, TLS_TO_US, TLS_FROM_US };

static void bed_for(struct play *p, uint8_t way)
{
	unsigned tls = way >> 2 & 3;
	char listener[512], pool[512];

	p->has_proxy_header = way & 1;
	p->is_postgres = way & 2;
	p->has_header = way & 0x10;
	p->is_in_tls = tls >= TLS_TO_US;
	snprintf(listener, sizeof(listener), "%s%s%s%s%s",
		 p->has_proxy_header ? "proxy_protocol = accept\n" : "",
		 p->is_postgres ? "protocol = postgres\n" : "",
		 tls == TLS_THROUGH ? "tls = passthrough\nno_sni = pool\nnot_tls = pool\n" : "",
		 tls == TLS_TO_US ? "tls = terminate\ncertificate = " : "",
		 tls == TLS_TO_US ? kit_path("ecdsa.pem") : "");
	snprintf(pool, sizeof(pool), "%s%s%s%s", p->has_header ? "send_proxy = v2\n" : "",
		 tls == TLS_FROM_US ? "tls = yes\ntls_name = x\ntls_ca = " : "",
		 tls == TLS_FROM_US ? kit_path("ca.crt") : "",
		 tls == TLS_FROM_US && p->is_postgres ? "\nprotocol = postgres" : "");
	p->st = bed_create(&(struct bed_options){
		.buffers = way & 0x20 ? 6 : 40,
		.listener_keys = listener,
		.pool_keys = pool,
		.backend_keys = way & 0x40 ? "max_sessions=1" : "",
		.is_unix = true,
		.without_credit = way & 0x80,
	});
	p->client = bed_client(p->st);
	p->backend = -1;
}

/* ---- the peers ----------------------------------------------------------- */

static void say(int fd, struct stream *sent, const void *bytes, size_t n)
{
	ssize_t took;

	if (fd < 0 || n > sizeof(sent->bytes) - sent->n)
		return;
	took = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (took <= 0)
		return;
	memcpy(sent->bytes + sent->n, bytes, (size_t)took);
	sent->n += (size_t)took;
}

/* The next bytes of the input, as many as there are. */
static void say_input(struct play *p, int fd, struct stream *sent, size_t n)
{
	n = MIN(n, p->left);
	say(fd, sent, p->at, n);
	p->at += n;
	p->left -= n;
}

static const uint8_t startup[] = "\0\0\0\x10\0\3\0\0user\0a\0";
static const uint8_t cancel[] = "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1key!";
static const uint8_t welcome[] = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\1key!Z\0\0\0\x05I";

static void say_header(struct play *p, uint8_t version)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001) };
	struct proxyhdr hdr = { .version = version };
	uint8_t bytes[PROXYHDR_WRITE_BYTES_MAX];

	addr_from_sockaddr(&hdr.source, (struct sockaddr *)&in, sizeof(in));
	hdr.destination = hdr.source;
	say(p->client, &p->up_sent, bytes, proxyhdr_write(&hdr, bytes, sizeof(bytes)));
}

/* What an honest client would say. */
static void client_says(struct play *p, unsigned what)
{
	uint8_t request[PGSQL_REQUEST_BYTES];

	pgsql_write_ssl_request(request);
	if (what == 0)
		say(p->client, &p->up_sent, hello.bytes, hello.n);
	else if (what <= 2)
		say_header(p, (uint8_t)what);
	else if (what == 3)
		say(p->client, &p->up_sent, request, sizeof(request));
	else if (what == 4)
		say(p->client, &p->up_sent, cancel, sizeof(cancel) - 1);
	else
		say(p->client, &p->up_sent, startup, sizeof(startup));
}

static void hear(int fd, struct stream *came)
{
	ssize_t n;

	while (fd >= 0 && came->n < sizeof(came->bytes)) {
		n = recv(fd, came->bytes + came->n, sizeof(came->bytes) - came->n, MSG_DONTWAIT);
		if (n <= 0)
			break;
		came->n += (size_t)n;
	}
}

static void accept_backend(struct play *p)
{
	int fd = bed_accept_at(p->st, 0);

	if (fd < 0)
		return;
	if (p->backend < 0 && p->up_came.n == 0)
		p->backend = fd;
	else
		bed_close(p->st, fd); /* another try of a request to cancel */
}

static void backend_does(struct play *p, unsigned what)
{
	accept_backend(p);
	hear(p->backend, &p->up_came);
	if (what == 1)
		say(p->backend, &p->down_sent, "S", 1);
	else if (what == 2)
		say(p->backend, &p->down_sent, "N", 1);
	else if (what == 3)
		say(p->backend, &p->down_sent, welcome, sizeof(welcome) - 1);
}

static void somebody_ends(struct play *p, unsigned what)
{
	int *fd = what & 1 ? &p->client : &p->backend;

	if (*fd < 0)
		return;
	if (what & 2) {
		shutdown(*fd, SHUT_WR);
	} else {
		hear(p->client, &p->down_came);
		hear(p->backend, &p->up_came);
		bed_close(p->st, *fd);
		*fd = -1;
	}
}

static void a_request_completes(unsigned which)
{
	static const int errors[] = { -EINTR, -ENOBUFS, -EAGAIN, -ECONNRESET };
	struct fake_request r;

	if (fake_requests() == 0)
		return;
	r = fake_request_at(which % fake_requests());
	if (which >= 24 && r.kind == FAKE_RECV)
		fake_complete(r.op, errors[which % ARRAY_LEN(errors)], 0);
	else
		fake_perform(r.op);
}

static void step(struct play *p, uint8_t byte)
{
	unsigned much = byte >> 3;

	switch (byte & 7) {
	case 0:
		say_input(p, p->client, &p->up_sent, much + 1);
		break;
	case 1:
		say_input(p, p->client, &p->up_sent, 16 * (much + 1));
		break;
	case 2:
		client_says(p, much);
		break;
	case 3:
		accept_backend(p);
		say_input(p, p->backend, &p->down_sent, much + 1);
		break;
	case 4:
		backend_does(p, much);
		break;
	case 5:
		bed_pass(p->st, much == 31 ? 60000 : much * 50);
		break;
	case 6:
		if (much == 0)
			bed_run(p->st);
		else
			a_request_completes(much);
		break;
	default:
		somebody_ends(p, much);
	}
}

/* ---- afterwards ---------------------------------------------------------- */

/* @came is what was sent behind the first @skipped bytes, or the beginning of it. */
static void check_prefix(const struct stream *sent, size_t skipped, const uint8_t *came, size_t n)
{
	CHECK(skipped + n <= sent->n);
	CHECK(memcmp(sent->bytes + skipped, came, n) == 0);
}

/* Without PostgreSQL, whose requests we answer ourselves, and outside of TLS. */
static void check_bytes(const struct play *p)
{
	const struct stream *up = &p->up_came;
	struct proxyhdr hdr;
	size_t skipped = 0, own = 0;

	if (p->is_postgres || p->is_in_tls)
		return;
	if (p->has_proxy_header && up->n > 0) {
		CHECK(proxyhdr_read(&hdr, p->up_sent.bytes, p->up_sent.n) == PARSE_DONE);
		skipped = hdr.bytes;
	}
	if (p->has_header && up->n > 0) {
		CHECK(proxyhdr_read(&hdr, up->bytes, up->n) == PARSE_DONE);
		own = hdr.bytes;
	}
	check_prefix(&p->up_sent, skipped, up->bytes + own, up->n - own);
}

/* All go; nothing may stay. */
static void finish(struct play *p)
{
	bed_run(p->st);
	backend_does(p, 0);
	bed_run(p->st);
	hear(p->client, &p->down_came);
	hear(p->backend, &p->up_came);
	check_bytes(p);
	for (unsigned n = 0; n < 4; n++)
		somebody_ends(p, n & 1);
	for (unsigned n = 0; n < 10 && bed_sessions(p->st) > 0; n++) {
		accept_backend(p);
		somebody_ends(p, 0);
		bed_run(p->st);
		bed_pass(p->st, 10000);
	}
	CHECK(bed_sessions(p->st) == 0);
	CHECK(bed_destroy(p->st) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct play p;

	if (size == 0)
		return 0;
	memset(&p, 0, sizeof(p));
	bed_for(&p, data[0]);
	p.at = data + 1;
	p.left = size - 1;
	while (p.left > 0) {
		p.left--;
		step(&p, *p.at++);
	}
	finish(&p);
	return 0;
}
