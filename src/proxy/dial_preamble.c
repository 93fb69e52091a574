/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes between the connection to a backend and the first byte of the
 * client, all of it within the deadline of the try:
 *
 *   PROXY header -> PostgreSQL's SSLRequest and its one-byte answer -> TLS handshake
 */
#include <errno.h>
#include <poll.h>

#include "base/check.h"
#include "net/sock.h"
#include "proto/pgsql.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/introduce.h"
#include "proxy/lane.h"
#include "proxy/side.h"
#include "tls/stream.h"

static void dial_on_sent(struct io_op *op, int res, unsigned flags);
static void dial_on_readable(struct io_op *op, int res, unsigned flags);

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

void dial_push(struct session *s)
{
	struct side *side = backend_side(s);

	if (!side->send.in_kernel)
		side->send.done = dial_on_sent;
	(void)side_push(side);
}

static void dial_on_sent(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);
	struct session *s = side_session(side);

	(void)flags;
	if (dial_op_returned(s))
		return;
	if (res < 0 && res != -EINTR) {
		dial_failed(s, res);
		return;
	}
	(void)introduce_sent(side, (uint32_t)MAX(res, 0));
	buf_queue_sent(&side->out, &s->engine->bufs, (uint32_t)MAX(res, 0));
	dial_push(s);
}

/* ---- TLS ----------------------------------------------------------------- */

static void receive(struct session *s)
{
	struct side *side = backend_side(s);

	side->recv.done = dial_on_readable;
	io_poll(s->engine->ring, &side->recv, side->fd, POLLIN | POLLRDHUP);
}

/* A send of the handshake may still be under way when the session begins to relay. */
static void tls_done(struct session *s)
{
	struct side *side = backend_side(s);

	dial_done(s);
	if (s->phase != SESSION_RELAYING)
		return;
	if (tls_stream_input_left(side->tls) > 0)
		crypt_decrypt(&s->lanes[LANE_DOWN]);
	lane_push(&s->lanes[LANE_DOWN]);
}

static void tls_go_on(struct session *s)
{
	struct side *side = backend_side(s);
	enum tls_result result = tls_stream_handshake(side->tls);

	dial_push(s);
	if (result == TLS_DONE) {
		tls_done(s);
	} else if (result == TLS_WANT_INPUT) {
		receive(s);
	} else if (tls_stream_lacks_memory(side->tls)) {
		dial_failed(s, -ENOMEM); /* of ours, or for what it had to say */
	} else {
		dial_note_detail(s, tls_stream_reason(side->tls));
		dial_failed(s, -EPROTO);
	}
}

static void tls_start(struct session *s)
{
	const struct pool_config *config = pool_config(s->pool);
	struct side *side = backend_side(s);
	const struct addr_spec *spec = &s->backend->config->spec;
	const char *name = config->tls_name || spec->is_unix ? NULL : spec->host;
	int err;

	err = tls_stream_connect(proxy_tls_client(s->engine->proxy, config), name, crypt_send, side,
				 &side->tls);
	if (err < 0)
		dial_failed(s, err);
	else
		tls_go_on(s);
}

static void tls_received(struct session *s, const void *bytes, size_t n)
{
	tls_stream_give(backend_side(s)->tls, bytes, n, s->engine->now_ms);
	tls_go_on(s);
}

/* Its turn comes: see dial_work(). */
static void dial_on_readable(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, recv));

	(void)flags;
	if (dial_op_returned(s))
		return;
	if (res < 0 && res != -EINTR && res != -EAGAIN)
		dial_failed(s, res);
	else
		list_append(&s->engine->handshakes_begun, &s->handshake);
}

void dial_work(struct session *s)
{
	struct buf_pool *pool = &s->engine->bufs;
	struct buf *buf = buf_get_or_piece(pool, &greet_queue_of(s)->share);
	int n = buf ? sock_read(backend_side(s)->fd, buf->bytes, buf_room(buf)) : -ENOMEM;

	if (n > 0)
		tls_received(s, buf->bytes, (size_t)n);
	else if (n == -EAGAIN || n == -EINTR)
		receive(s);
	else
		dial_failed(s, n < 0 ? n : -ECONNRESET);
	if (buf)
		buf_put(pool, buf);
}

/* ---- PostgreSQL ---------------------------------------------------------- */

static bool wants_ssl_request(const struct session *s)
{
	const struct pool_config *pool = pool_config(s->pool);

	if (pool->tls)
		return pool->protocol == PROTOCOL_POSTGRES && !pool->has_direct_tls;
	return s->asked_for_tls && s->listener->config->tls == TLS_MODE_PASSTHROUGH;
}

static void after_postgres(struct session *s)
{
	if (!pool_config(s->pool)->tls)
		dial_done(s);
	else
		tls_start(s);
}

static void dial_on_answer(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, recv));

	(void)flags;
	if (dial_op_returned(s))
		return;
	if (res == 1 && s->dial_answer == PGSQL_YES) {
		after_postgres(s);
		return;
	}
	if (res == 1)
		dial_note_detail(s, "the backend has no TLS");
	dial_failed(s, res < 0 ? res : -EPROTO);
}

/* Exactly one byte is read: what follows belongs to TLS. */
static void postgres_start(struct session *s)
{
	struct side *side = backend_side(s);
	uint8_t request[PGSQL_REQUEST_BYTES];

	pgsql_write_ssl_request(request);
	if (crypt_send(side, request, sizeof(request)) < 0) {
		dial_failed(s, -ENOMEM);
		return;
	}
	dial_push(s);
	side->recv.done = dial_on_answer;
	io_read(s->engine->ring, &side->recv, side->fd, &s->dial_answer, 1);
}

void dial_preamble(struct session *s)
{
	if (pool_config(s->pool)->send_proxy != PROXY_OFF) {
		int err = introduce_client(s);

		if (err < 0) {
			dial_failed(s, err);
			return;
		}
		dial_push(s);
	}
	if (wants_ssl_request(s))
		postgres_start(s);
	else
		after_postgres(s);
}
