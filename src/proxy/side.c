/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/side.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/ack_look.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/greet.h"
#include "proxy/lane.h"
#include "proxy/postgres.h"
#include "tls/stream.h"

static void side_on_cancelled(struct io_op *op, struct side *side)
{
	struct session *s = side_session(side);

	CHECK(!op->in_kernel);
	if (s->phase == SESSION_CLOSING || s->phase == SESSION_DIALING)
		dial_op_returned(s);
}

/* Found, not found, or too late: the target's own completion says what became of it. */
static void side_on_recv_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	side_on_cancelled(op, container_of(op, struct side, cancel_recv));
}

static void side_on_send_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)res;
	(void)flags;
	side_on_cancelled(op, container_of(op, struct side, cancel_send));
}

void side_init(struct side *side, uint8_t index)
{
	side->fd = -1;
	side->index = index;
	list_init(&side->starved);
	io_op_init(&side->recv, lane_on_recv);
	io_op_init(&side->send, lane_on_send);
	io_op_init(&side->cancel_recv, side_on_recv_cancelled);
	io_op_init(&side->cancel_send, side_on_send_cancelled);
}

void side_open(struct side *side, int fd, bool is_tcp)
{
	CHECK(side->fd < 0);
	side->fd = fd;
	side->is_tcp = is_tcp;
	side->is_dead = false;
	side->is_nonblocking = false;
	side->expects_ack = false;
}

bool side_push(struct side *side)
{
	struct iovec parts[IO_PARTS_MAX];
	unsigned n = 0;

	if (side->send.in_kernel)
		return true;
	for (struct buf *buf = side->out.head; buf && n < ARRAY_LEN(parts); buf = buf->next) {
		buf->is_lent = true;
		parts[n++] = (struct iovec){ buf->bytes + buf->start, buf_filled(buf) };
	}
	if (n == 0)
		return false;
	io_send(side_session(side)->engine->ring, &side->send, side->fd, parts, n);
	ack_look_expect(side);
	return true;
}

/* Behind what waits already: when it fits into the last buffer's rest, its own is free at once. */
static void queue_bytes(struct buf_queue *q, struct buf_pool *pool, struct buf *buf)
{
	struct buf *last = q->tail;
	uint32_t n = buf_filled(buf);

	if (!last || last->is_lent || n > buf_room(last)) {
		buf_queue_append(q, buf);
		return;
	}
	memcpy(last->bytes + last->end, buf->bytes + buf->start, n);
	last->end += n;
	q->bytes += n;
	buf_put(pool, buf);
}

void side_note_payload(struct side *side)
{
	struct session *s = side_session(side);

	s->was_asked = side->index == SIDE_BACKEND;
	if (s->was_asked)
		s->has_spoken = true;
}

/* Gives one piece for both, or NULL where they do not fit, or there is no memory. */
static struct buf *join(struct session *s, const struct buf *a, const struct buf *b)
{
	uint32_t n = buf_filled(a) + buf_filled(b);
	struct buf *both = NULL;

	if (n <= BUF_BYTES)
		both = buf_piece(&s->engine->bufs, &greet_queue_of(s)->share, n);
	if (!both)
		return NULL;
	memcpy(both->bytes, a->bytes + a->start, buf_filled(a));
	memcpy(both->bytes + buf_filled(a), b->bytes + b->start, buf_filled(b));
	both->end = n;
	return both;
}

/* In one piece with what waits already, if that fits: a step of the greeting looks at it. */
static void queue_waiting(struct side *side, struct buf *buf)
{
	struct session *s = side_session(side);
	struct buf_pool *pool = &s->engine->bufs;
	struct buf_queue *q = &side->waiting;
	struct buf *both = q->head && q->head == q->tail ? join(s, q->head, buf) : NULL;

	if (both) {
		buf_queue_clear(q, pool);
		buf_put(pool, buf);
		buf_queue_append(q, both);
	} else {
		buf_queue_append(q, buf_shrink(pool, &greet_queue_of(s)->share, buf));
	}
}

void side_deliver(struct side *side, struct buf *buf)
{
	struct session *s = side_session(side);
	struct buf_pool *pool = &s->engine->bufs;

	if (s->watch && side->index == SIDE_CLIENT)
		postgres_watch(s, buf);
	side_note_payload(side);
	if (!side->is_ready)
		queue_waiting(side, buf);
	else if (side->tls)
		crypt_write(side, buf);
	else
		queue_bytes(&side->out, pool, buf);
}

void side_become_ready(struct side *side)
{
	struct buf *buf;

	side->is_ready = true;
	while ((buf = buf_queue_take(&side->waiting)))
		side_deliver(side, buf);
}

struct buf *side_received(struct side *side, int res, unsigned flags)
{
	struct session *s = side_session(side);
	struct buf *buf;

	if (!(flags & IO_HAS_BUFFER))
		return NULL;
	buf = buf_received(&s->engine->bufs, MAX(res, 0), flags);
	if (res > 0 && s->phase != SESSION_CLOSING)
		return buf;
	buf_put(&s->engine->bufs, buf);
	return NULL;
}

void side_cancel_recv(struct side *side)
{
	struct ring *ring = side_session(side)->engine->ring;

	if (side->recv.in_kernel && !side->cancel_recv.in_kernel)
		io_cancel(ring, &side->cancel_recv, &side->recv);
}

void side_cancel(struct side *side)
{
	struct ring *ring = side_session(side)->engine->ring;

	list_remove(&side->starved);
	side_cancel_recv(side);
	if (side->send.in_kernel && !side->cancel_send.in_kernel)
		io_cancel(ring, &side->cancel_send, &side->send);
}

void side_close(struct side *side)
{
	struct engine *e = side_session(side)->engine;

	CHECK(!side_has_ops(side));
	buf_queue_clear(&side->out, &e->bufs);
	buf_queue_clear(&side->waiting, &e->bufs);
	tls_stream_destroy(side->tls);
	side->tls = NULL;
	if (side->fd < 0)
		return;
	if (side->is_forgotten)
		sock_close_silent(side->fd);
	else if (side_sink_of(side)->is_clean)
		sock_close_orderly(side->fd);
	else
		sock_close_abort(side->fd);
	side->fd = -1;
}

void side_drop_connection(struct side *side)
{
	CHECK(!side_has_ops(side));
	buf_queue_clear(&side->out, &side_session(side)->engine->bufs);
	tls_stream_destroy(side->tls);
	side->tls = NULL;
	if (side->fd >= 0)
		sock_close_abort(side->fd);
	side->fd = -1;
}

void side_set_nonblocking(struct side *side, bool is_nonblocking)
{
	int flags;

	if (side->is_nonblocking == is_nonblocking)
		return;
	flags = fcntl(side->fd, F_GETFL);
	flags = is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	if (fcntl(side->fd, F_SETFL, flags) == 0)
		side->is_nonblocking = is_nonblocking;
}

void side_starve(struct side *side)
{
	struct engine *e = side_session(side)->engine;

	if (!list_is_empty(&side->starved))
		return;
	list_append(&e->starved, &side->starved);
	if (ring_buffers_available(e->ring) == 0) /* else one is offered at the end of the turn */
		counters_add(&e->counters->starvations, 1);
}

void side_feed(struct side *side)
{
	list_remove(&side->starved);
	lane_pull(side_source_of(side));
}
