/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/crypt.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/engine.h"
#include "proxy/lane.h"
#include "proxy/side.h"
#include "tls/stream.h"

/* What is said before a session relays, if it is no more: the messages of a handshake. */
#define WORDS_BYTES 4096

/* One of the pool's, which is for those who relay; NULL without memory. */
static struct buf *new_buffer(struct session *s, size_t n)
{
	struct buf_pool *pool = &s->engine->bufs;

	if (s->phase == SESSION_RELAYING)
		return buf_get_or_piece(pool, &pool->spare);
	return buf_piece(pool, &greet_queue_of(s)->share,
			 (uint32_t)MIN(MAX(n, WORDS_BYTES), BUF_BYTES));
}

/* Room in the last buffer of side.out, or in a new one; NULL when there is none to be had. */
static struct buf *buffer_with_room(struct side *side, size_t n)
{
	struct buf *last = side->out.tail;

	if (last && !last->is_lent && buf_room(last) > 0)
		return last;
	return new_buffer(side_session(side), n);
}

int crypt_send(void *owner, const void *bytes, size_t n)
{
	struct side *side = owner;
	const char *from = bytes;

	while (n > 0) {
		struct buf *buf = buffer_with_room(side, n);
		uint32_t part;

		if (!buf)
			return -ENOMEM;
		part = (uint32_t)MIN(n, buf_room(buf));
		memcpy(buf->bytes + buf->end, from, part);
		buf->end += part;
		if (buf == side->out.tail)
			side->out.bytes += part;
		else
			buf_queue_append(&side->out, buf);
		from += part;
		n -= part;
	}
	return 0;
}

/* The stream of @side is broken: says why in the log and ends the session. */
static void crypt_failed(struct side *side, const char *why)
{
	struct session *s = side_session(side);

	if (!session_is_doomed(s))
		s->detail = why;
	if (tls_stream_lacks_memory(side->tls)) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return;
	}
	(void)side_push(side); /* an alert, if there is one */
	lane_side_died(side, -EPROTO, true);
}

/* ---- in ------------------------------------------------------------------ */

/* One call into the library. */
static enum tls_result decrypt_some(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct buf *plain = new_buffer(s, TLS_RECORD_BYTES);
	enum tls_result result;
	size_t n;

	if (!plain) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return TLS_WANT_INPUT;
	}
	result = tls_stream_read(lane_from(lane)->tls, plain->bytes, TLS_RECORD_BYTES, &n);
	plain->end = (uint32_t)n;
	if (n > 0)
		side_deliver(lane_to(lane), plain);
	else
		buf_put(&s->engine->bufs, plain);
	return result;
}

void crypt_decrypt(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct side *from = lane_from(lane);
	enum tls_result result;

	do
		result = decrypt_some(lane);
	while (result == TLS_DONE && s->phase != SESSION_CLOSING && lane->state == LANE_OPEN);

	if (s->phase == SESSION_CLOSING)
		return;
	(void)side_push(from); /* reading may answer: an alert, a KeyUpdate */
	if (result == TLS_CLOSED)
		lane_end(lane);
	else if (result == TLS_FAILED)
		crypt_failed(from, tls_stream_reason(from->tls));
}

void crypt_received(struct lane *lane, struct buf *buf)
{
	struct session *s = lane_session(lane);
	struct side *from = lane_from(lane);

	if (lane->state != LANE_OPEN) { /* after close_notify nothing counts */
		buf_put(&s->engine->bufs, buf);
		return;
	}
	tls_stream_give(from->tls, buf->bytes + buf->start, buf_filled(buf), s->engine->now_ms);
	crypt_decrypt(lane);
	buf_put(&s->engine->bufs, buf);
}

/* Is there, or will there be, anything for the client that says no more? */
static bool waits_for_answer(const struct session *s)
{
	const struct side *client = &s->sides[SIDE_CLIENT];

	if (s->lanes[LANE_DOWN].state == LANE_DONE ||
	    (s->phase != SESSION_RELAYING && s->phase != SESSION_DIALING))
		return false;
	return s->was_asked || client->send.in_kernel || side_backlog(client) > 0 ||
	       sock_unsent_bytes(client->fd) > 0 ||
	       sock_unread_bytes(s->sides[SIDE_BACKEND].fd) > 0;
}

/*
 * Without close_notify. Many a client ends its stream so and reads on; where
 * nothing is on the way to it, it has left. A backend that has ended so has
 * said what it had to say.
 */
void crypt_ended(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (lane->state != LANE_OPEN || lane_from(lane)->is_dead) {
		lane_end(lane);
	} else if (lane->index == LANE_UP && waits_for_answer(s)) {
		session_doom_when_answered(s, CLOSE_CLIENT_TRUNCATED, BY_CLIENT);
		lane->is_cut = true;
		lane_end(lane);
	} else {
		lane_side_died(lane_from(lane), -ECONNABORTED, true);
	}
}

/* ---- out ----------------------------------------------------------------- */

void crypt_write(struct side *side, struct buf *buf)
{
	struct session *s = side_session(side);
	uint32_t n = buf_filled(buf);
	enum tls_result result =
		tls_stream_write(side->tls, buf->bytes + buf->start, buf_filled(buf));

	buf_put(&s->engine->bufs, buf);
	if (result == TLS_DONE)
		lane_count(side_sink_of(side), n);
	else if (s->phase != SESSION_CLOSING)
		crypt_failed(side, tls_stream_reason(side->tls));
}

/* Without the close_notify, for which there was no memory, its end must not look like one. */
static bool cannot_close(struct side *side)
{
	if (!tls_stream_lacks_memory(side->tls))
		return false;
	crypt_failed(side, tls_stream_reason(side->tls));
	return true;
}

bool crypt_close(struct side *side)
{
	if (!side->is_tls_closed) {
		side->is_tls_closed = true;
		if (tls_stream_close(side->tls) != TLS_DONE)
			return !cannot_close(side); /* else it has failed already: nothing to say */
	}
	return !side_push(side);
}
