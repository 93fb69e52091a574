/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/def.h"
#include "proto/proxyhdr.h"

/* What a server says when it lets somebody in: AuthenticationOk, BackendKeyData, ReadyForQuery. */
#define WELCOME_BYTES 28
#define WELCOME_KEY_AT 14
#define SECRET_BYTES 4

#define CANCEL_BYTES 16
static const char cancel_head[] = { 0, 0, 0, CANCEL_BYTES, 4, (char)0xd2, 0x16, 0x2e };
static const char startup[] = "\0\0\0\x20\0\3\0\0user\0tester\0database\0d\0";
static_assert(sizeof(startup) == 0x20, "as its fourth byte says");

struct wire *wire_create(int fd, bool is_client, const struct wire_way *way)
{
	struct wire *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->fd = fd;
	w->is_client = is_client;
	w->way = way;
	return w;
}

void wire_destroy(struct wire *w)
{
	if (!w)
		return;
	tls_stream_destroy(w->tls);
	free(w->out);
	free(w);
}

/* ---- out ----------------------------------------------------------------- */

static int put(void *owner, const void *bytes, size_t n)
{
	struct wire *w = owner;
	char *out = realloc(w->out, w->out_n + n);

	CHECK(out);
	memcpy(out + w->out_n, bytes, n);
	w->out = out;
	w->out_n += n;
	return 0;
}

static void flush(struct wire *w)
{
	ssize_t sent = 0;

	if (w->write_error < 0)
		w->out_n = 0;
	if (w->out_n > 0)
		sent = send(w->fd, w->out, w->out_n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		w->write_error = -errno;
	if (sent > 0) {
		w->out_n -= (size_t)sent;
		memmove(w->out, w->out + sent, w->out_n);
	}
	if (w->wants_end && w->out_n == 0) {
		w->wants_end = false;
		shutdown(w->fd, SHUT_WR);
	}
}

static void write_plain(struct wire *w, const void *bytes, size_t n)
{
	if (!w->tls)
		put(w, bytes, n);
	else if (tls_stream_write(w->tls, bytes, n) != TLS_DONE)
		w->write_error = -EPROTO;
}

/* ---- in ------------------------------------------------------------------ */

/* Receives behind what is there: bytes, 0 at the end, or -errno. */
static long fill(struct wire *w)
{
	ssize_t got;

	if (w->in_at == w->in_n)
		w->in_at = w->in_n = 0;
	got = recv(w->fd, w->in + w->in_n, sizeof(w->in) - w->in_n, MSG_DONTWAIT);
	if (got > 0)
		w->in_n += (size_t)got;
	return got < 0 ? -errno : got;
}

static long take(struct wire *w, void *ret_bytes, size_t n)
{
	long got = w->in_at < w->in_n ? 1 : fill(w);

	if (got <= 0)
		return got;
	n = MIN(n, w->in_n - w->in_at);
	memcpy(ret_bytes, w->in + w->in_at, n);
	w->in_at += n;
	return (long)n;
}

/* Gives the stream more to read; 1, or -errno when there is nothing. */
static long give(struct wire *w)
{
	long got = w->in_at < w->in_n ? 1 : fill(w);

	if (got == 0)
		return -ECONNRESET; /* without close_notify */
	if (got > 0)
		tls_stream_give(w->tls, w->in + w->in_at, w->in_n - w->in_at, 0);
	w->in_at = w->in_n;
	return got < 0 ? got : 1;
}

static long decrypt(struct wire *w, void *ret_bytes, size_t size)
{
	enum tls_result result;
	size_t n;

	for (;;) {
		result = tls_stream_read(w->tls, ret_bytes, size, &n);
		if (n > 0)
			return (long)n;
		if (result == TLS_CLOSED)
			return 0;
		if (result == TLS_FAILED)
			return -EPROTO;
		if (result == TLS_WANT_INPUT) {
			long got = give(w);

			if (got < 0)
				return got;
		}
	}
}

static long read_plain(struct wire *w, void *ret_bytes, size_t n)
{
	return w->tls ? decrypt(w, ret_bytes, n) : take(w, ret_bytes, n);
}

/* Reads the head on to @n bytes of the preamble; true when they are there. */
static bool read_head(struct wire *w, size_t n)
{
	CHECK(n <= sizeof(w->head));
	while (w->head_n < n) {
		long got = read_plain(w, w->head + w->head_n, n - w->head_n);

		if (got <= 0) {
			if (got != -EAGAIN)
				w->read_error = got == 0 ? -EPIPE : (int)got;
			return false;
		}
		w->head_n += (size_t)got;
	}
	return true;
}

/* ---- the preamble -------------------------------------------------------- */

static void send_proxy_header(struct wire *w)
{
	struct proxyhdr hdr = { .version = (uint8_t)w->way->proxy,
				.source = w->source,
				.destination = w->source };
	uint8_t bytes[PROXYHDR_WRITE_BYTES_MAX];

	put(w, bytes, proxyhdr_write(&hdr, bytes, sizeof(bytes)));
}

static bool read_proxy_header(struct wire *w)
{
	struct proxyhdr hdr;
	enum parse parsed = proxyhdr_read(&hdr, (uint8_t *)w->in + w->in_at, w->in_n - w->in_at);

	while (parsed == PARSE_MORE) {
		long got = fill(w);

		if (got <= 0) {
			if (got != -EAGAIN)
				w->read_error = got == 0 ? -EPIPE : (int)got;
			return false;
		}
		parsed = proxyhdr_read(&hdr, (uint8_t *)w->in + w->in_at, w->in_n - w->in_at);
	}
	CHECK(parsed == PARSE_DONE);
	w->source = hdr.source;
	w->in_at += hdr.bytes;
	return true;
}

static bool pass_proxy_header(struct wire *w)
{
	if (w->way->proxy == 0)
		return true;
	if (w->is_client)
		send_proxy_header(w);
	return w->is_client || read_proxy_header(w);
}

static bool has_tls(const struct wire *w)
{
	if (w->is_in_clear)
		return false;
	return w->is_client ? w->way->as_client != NULL : w->way->as_server != NULL;
}

static bool ask_for_tls(struct wire *w)
{
	uint8_t request[PGSQL_REQUEST_BYTES];

	pgsql_write_ssl_request(request);
	if (!w->has_asked)
		put(w, request, sizeof(request));
	w->has_asked = true;
	if (!read_head(w, 1))
		return false;
	if (w->head[0] != PGSQL_YES)
		w->read_error = -EPROTO;
	return w->read_error == 0;
}

/* A request to cancel may come instead. */
static bool be_asked_for_tls(struct wire *w)
{
	uint8_t request[PGSQL_REQUEST_BYTES];
	const char yes = PGSQL_YES;

	if (!read_head(w, sizeof(request)))
		return false;
	if (memcmp(w->head, cancel_head, sizeof(cancel_head)) == 0) {
		w->is_cancel = w->is_in_clear = true;
		w->step = WIRE_STARTUP;
		return read_head(w, CANCEL_BYTES);
	}
	pgsql_write_ssl_request(request);
	CHECK(memcmp(w->head, request, sizeof(request)) == 0);
	put(w, &yes, 1);
	return true;
}

static bool pass_ssl_request(struct wire *w)
{
	if (!w->way->is_postgres || !has_tls(w))
		return true;
	return w->is_client ? ask_for_tls(w) : be_asked_for_tls(w);
}

static bool open_stream(struct wire *w)
{
	if (w->is_client)
		return tls_stream_connect(w->way->as_client, NULL, put, w, &w->tls) == 0;
	return tls_stream_accept(w->way->as_server, NULL, put, w, &w->tls) == 0;
}

static bool pass_handshake(struct wire *w)
{
	enum tls_result result;

	if (!has_tls(w))
		return true;
	if (!w->tls)
		CHECK(open_stream(w));
	while ((result = tls_stream_handshake(w->tls)) == TLS_WANT_INPUT) {
		long got = give(w);

		if (got < 0 && got != -EAGAIN)
			w->read_error = (int)got;
		if (got < 0)
			return false;
	}
	if (result != TLS_DONE)
		w->read_error = result == TLS_FAILED ? -EPROTO : -EPIPE;
	return result == TLS_DONE;
}

static void put_key(const struct wire *w, char to[4 + SECRET_BYTES])
{
	for (int n = 0; n < 4; n++)
		to[n] = (char)(w->key.process >> (24 - 8 * n));
	memcpy(to + 4, w->key.secret, SECRET_BYTES);
}

static void say_welcome(struct wire *w)
{
	char bytes[WELCOME_BYTES] = "R\0\0\0\x08\0\0\0\0K\0\0\0\x0c........Z\0\0\0\x05I";

	put_key(w, bytes + WELCOME_KEY_AT);
	write_plain(w, bytes, sizeof(bytes));
}

static void say_who(struct wire *w)
{
	char cancel[CANCEL_BYTES];

	if (!w->is_cancel) {
		write_plain(w, startup, (size_t)startup[3]);
		return;
	}
	memcpy(cancel, cancel_head, sizeof(cancel_head));
	put_key(w, cancel + sizeof(cancel_head));
	write_plain(w, cancel, sizeof(cancel));
}

/* Or told that no backend will have it. */
static bool be_welcomed(struct wire *w)
{
	if (!read_head(w, WELCOME_BYTES))
		return false;
	if (w->head[0] == 'E')
		w->read_error = -ECONNREFUSED;
	return w->read_error == 0;
}

static bool pass_startup(struct wire *w)
{
	if (!w->way->is_postgres)
		return true;
	if (w->is_client) {
		if (!w->has_asked)
			say_who(w);
		w->has_asked = true;
		return w->is_cancel || be_welcomed(w);
	}
	if (w->is_cancel)
		return read_head(w, CANCEL_BYTES);
	if (!read_head(w, 4) || !read_head(w, (size_t)w->head[3]))
		return false;
	w->is_cancel = memcmp(w->head, cancel_head, sizeof(cancel_head)) == 0;
	if (!w->is_cancel)
		CHECK(memcmp(w->head, startup, w->head_n) == 0);
	if (!w->is_cancel)
		say_welcome(w);
	return true;
}

static bool pass(struct wire *w)
{
	switch (w->step) {
	case WIRE_PROXY_HEADER:
		return pass_proxy_header(w);
	case WIRE_SSL_REQUEST:
		return pass_ssl_request(w);
	case WIRE_HANDSHAKE:
		return pass_handshake(w);
	case WIRE_STARTUP:
		return pass_startup(w);
	case WIRE_BEGUN:
		break;
	}
	return false;
}

void wire_pump(struct wire *w)
{
	while (w->read_error == 0 && w->step != WIRE_BEGUN && pass(w)) {
		w->step++;
		w->has_asked = false;
		w->head_n = 0;
	}
	flush(w);
}

bool wire_has_begun(const struct wire *w)
{
	return w->step == WIRE_BEGUN;
}

/* ---- the stream ---------------------------------------------------------- */

long wire_write(struct wire *w, const void *bytes, size_t n)
{
	ssize_t took;

	wire_pump(w);
	if (w->write_error < 0)
		return w->write_error;
	if (w->step != WIRE_BEGUN || w->out_n > 0)
		return 0;
	if (w->tls) {
		n = MIN(n, TLS_RECORD_BYTES);
		write_plain(w, bytes, n);
		flush(w);
		return (long)n;
	}
	took = send(w->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (took < 0 && errno != EAGAIN)
		w->write_error = -errno;
	return took < 0 ? w->write_error : took;
}

long wire_read(struct wire *w, void *ret_bytes, size_t n)
{
	long got;

	wire_pump(w);
	if (w->read_error < 0)
		return w->read_error;
	if (w->step != WIRE_BEGUN)
		return -EAGAIN;
	got = read_plain(w, ret_bytes, n);
	if (got < 0 && got != -EAGAIN)
		w->read_error = (int)got;
	flush(w);
	return got;
}

void wire_end(struct wire *w)
{
	if (w->tls && tls_stream_close(w->tls) != TLS_DONE)
		w->write_error = -EPROTO;
	w->wants_end = true;
	flush(w);
}

struct cancel_key wire_cancel_key(const struct pgsql_key *key)
{
	const uint32_t process = htonl(key->process);
	struct cancel_key bytes = { .n = (uint16_t)(sizeof(process) + key->secret_bytes) };

	memcpy(bytes.bytes, &process, sizeof(process));
	memcpy(bytes.bytes + sizeof(process), key->secret, key->secret_bytes);
	return bytes;
}
