/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FAKE_WIRE_H
#define FAKE_WIRE_H

/*
 * A peer's end of a connection, of which a test sees only the stream: what is
 * said before it, a PROXY header, PostgreSQL's preamble, a TLS handshake, and
 * the records of TLS, go by themselves whenever the peer reads or writes.
 *
 *	client: header -> SSLRequest, 'S' -> handshake -> start-up packet, answer -> stream
 *
 * A backend's end is the other side of the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/buf.h"
#include "net/addr.h"
#include "proto/pgsql.h"
#include "protocol/cancel_key.h"
#include "tls/stream.h"

/* How connections of one kind begin. */
struct wire_way {
	unsigned proxy; /* version of the PROXY header; a backend reads either */
	bool is_postgres;
	struct tls_client *as_client; /* in TLS, borrowed; NULL: in clear */
	struct tls_server *as_server;
};

enum wire_step {
	WIRE_PROXY_HEADER,
	WIRE_SSL_REQUEST,
	WIRE_HANDSHAKE,
	WIRE_STARTUP,
	WIRE_BEGUN,
};

struct wire {
	int fd;
	const struct wire_way *way;
	bool is_client;
	enum wire_step step;
	bool has_asked;       /* in this step */
	bool is_cancel;       /* PostgreSQL: this is a request to cancel, no session */
	bool is_in_clear;     /* whatever the way is: clients may cancel so */
	struct pgsql_key key; /* of the session, or of the one to be cancelled */
	struct addr source;   /* in the PROXY header; len 0: none, or not yet */
	struct tls_stream *tls;
	int read_error, write_error; /* -errno; they stay */
	bool wants_end;
	char head[128]; /* of a message of the preamble */
	size_t head_n;
	char in[BUF_BYTES]; /* received, and not yet understood or given to @tls */
	size_t in_n, in_at;
	char *out; /* still to be sent */
	size_t out_n;
};

/*
 * @fd and @way stay the caller's. A client says it is @source, if its way has
 * a header, and gives, as backends do, @key; or cancels it.
 */
struct wire *wire_create(int fd, bool is_client, const struct wire_way *way);
void wire_destroy(struct wire *w);

/* As ringmain sees it on the wire. */
struct cancel_key wire_cancel_key(const struct pgsql_key *key);

/* Lets go on what goes by itself. */
void wire_pump(struct wire *w);
bool wire_has_begun(const struct wire *w);

/* Bytes that were taken, 0 for none, or -errno. */
long wire_write(struct wire *w, const void *bytes, size_t n);
/* Bytes, 0 at the end of the stream (in TLS, close_notify), or -errno. Never waits. */
long wire_read(struct wire *w, void *ret_bytes, size_t n);
/* Ends the stream behind all that was written. */
void wire_end(struct wire *w);

#endif
