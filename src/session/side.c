/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/side.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/sock.h"
#include "session/early_bytes.h"
#include "session/host.h"
#include "session/liveness.h"
#include "tls/stream.h"

static struct ring *ring_of(struct side *side)
{
	return side_session(side)->host->loop.ring;
}

static const struct phase_handlers *handlers_of(struct side *side)
{
	return session_handlers(side_session(side));
}

/* ---- completions --------------------------------------------------------- */

static void side_on_received(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, recv);
	struct buf_pool *pool = &side_session(side)->host->loop.bufs;
	struct buf *buf = flags & IO_HAS_BUFFER ? buf_received(pool, MAX(res, 0), flags) : NULL;

	if (buf && res > 0) {
		handlers_of(side)->received(side, buf, flags);
		return;
	}
	if (buf)
		buf_put(pool, buf);
	handlers_of(side)->ended(side, MIN(res, 0));
}

static void side_on_readable(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, recv);

	(void)flags;
	handlers_of(side)->readable(side, MIN(res, 0));
}

static void side_on_writable(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);

	(void)flags;
	handlers_of(side)->writable(side, MIN(res, 0));
}

static void side_on_connected(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);

	(void)flags;
	handlers_of(side)->connected(side, res);
}

/* Nothing that is sent before a session relays is payload. */
static void count_sent(struct side *side, uint32_t n)
{
	uint32_t own = MIN(n, side->own_bytes);

	side->own_bytes -= (uint16_t)own;
	if (!side->tls && side_session(side)->connected_ms > 0)
		side_count_payload(side, n - own);
}

static void side_on_sent(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, send);

	(void)flags;
	if (res > 0) {
		count_sent(side, (uint32_t)res);
		buf_queue_sent(&side->out, &side_session(side)->host->loop.bufs, (uint32_t)res);
	}
	handlers_of(side)->sent(side, res);
}

/* Found, not found, or too late: the target's own completion says what became of it. */
static void side_on_recv_cancelled(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, cancel_recv));

	(void)res;
	(void)flags;
	session_handlers(s)->returned(s);
}

static void side_on_send_cancelled(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, cancel_send));

	(void)res;
	(void)flags;
	session_handlers(s)->returned(s);
}

/* ---- requests ------------------------------------------------------------ */

void side_receive(struct side *side, uint32_t credit, bool wait)
{
	side->recv.done = side_on_received;
	io_recv(ring_of(side), &side->recv, side->fd, credit, wait);
}

void side_wait_readable(struct side *side)
{
	side->recv.done = side_on_readable;
	io_poll(ring_of(side), &side->recv, side->fd, POLLIN | POLLRDHUP);
}

void side_wait_writable(struct side *side)
{
	side->send.done = side_on_writable;
	io_poll(ring_of(side), &side->send, side->fd, POLLOUT);
}

void side_connect(struct side *side, const struct addr *addr)
{
	side->send.done = side_on_connected;
	io_connect(ring_of(side), &side->send, side->fd, addr);
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
	side->send.done = side_on_sent;
	io_send(ring_of(side), &side->send, side->fd, parts, n);
	liveness_expect(side);
	return true;
}

void side_cancel_recv(struct side *side)
{
	if (side->recv.in_kernel && !side->cancel_recv.in_kernel)
		io_cancel(ring_of(side), &side->cancel_recv, &side->recv);
}

void side_cancel(struct side *side)
{
	list_remove(&side->waiting);
	side_cancel_recv(side);
	if (side->send.in_kernel && !side->cancel_send.in_kernel)
		io_cancel(ring_of(side), &side->cancel_send, &side->send);
}

/* ---- what goes out ------------------------------------------------------- */

/* Room in the last buffer of side.out, or in a new one; NULL when there is none to be had. */
static struct buf *buffer_with_room(struct side *side, size_t n)
{
	struct buf *last = side->out.tail;

	if (last && !last->is_lent && buf_room(last) > 0)
		return last;
	return early_buffer(side_session(side), n);
}

int side_append(void *owner, const void *bytes, size_t n)
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

/* When it fits into the last buffer's rest, its own is free at once. */
void side_queue(struct side *side, struct buf *buf)
{
	struct buf_queue *q = &side->out;
	struct buf *last = q->tail;
	uint32_t n = buf_filled(buf);

	if (!last || last->is_lent || n > buf_room(last)) {
		buf_queue_append(q, buf);
		return;
	}
	memcpy(last->bytes + last->end, buf->bytes + buf->start, n);
	last->end += n;
	q->bytes += n;
	buf_put(&side_session(side)->host->loop.bufs, buf);
}

void side_note_payload(struct side *side)
{
	struct session *s = side_session(side);

	s->was_asked = side->index == SIDE_BACKEND;
	if (s->was_asked)
		s->has_spoken = true;
}

static void note_first_byte(const struct session *s)
{
	histogram_add(&session_counters(s)->first_byte_time,
		      s->host->loop.now_ms - s->connected_ms);
}

static void count_traffic(const struct session *s, uint8_t lane, uint64_t n)
{
	const unsigned part = s->host->worker % BACKEND_TRAFFIC_PARTS;
	struct backend_traffic *traffic = &s->backend->traffic[part];

	counters_add(&session_pool_counters(s)->bytes[lane], n);
	atomic_fetch_add_explicit(lane == LANE_UP ? &traffic->up : &traffic->down, n,
				  memory_order_relaxed);
}

void side_count_payload(struct side *side, uint64_t n)
{
	struct lane *lane = side_sink_of(side);
	struct session *s = side_session(side);

	if (lane->bytes == 0 && lane->index == LANE_DOWN && n > 0)
		note_first_byte(s);
	lane->bytes += n;
	counters_add(&session_counters(s)->bytes[lane->index], n);
	if (s->backend)
		count_traffic(s, lane->index, n);
}

/* ---- from open to closed ------------------------------------------------- */

void side_init(struct side *side, uint8_t index)
{
	side->fd = -1;
	side->index = index;
	list_init(&side->waiting);
	io_op_init(&side->recv, side_on_received);
	io_op_init(&side->send, side_on_sent);
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

static void drop_all(struct side *side)
{
	CHECK(!side_has_ops(side));
	buf_queue_clear(&side->out, &side_session(side)->host->loop.bufs);
	tls_stream_destroy(side->tls);
	side->tls = NULL;
}

void side_close(struct side *side)
{
	drop_all(side);
	if (side->fd < 0)
		return;
	if (side->closes_silently)
		sock_close_silent(side->fd);
	else if (side_sink_of(side)->is_clean)
		sock_close_orderly(side->fd);
	else
		sock_close_abort(side->fd);
	side->fd = -1;
}

void side_abandon(struct side *side)
{
	drop_all(side);
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

void side_wait_for_buffer(struct side *side)
{
	struct host *host = side_session(side)->host;

	if (!list_is_empty(&side->waiting))
		return;
	list_append(&host->waiting_for_buffer, &side->waiting);
	if (ring_buffers_available(host->loop.ring) ==
	    0) /* else one is offered at the turn's end */
		counters_add(&host->counters->buffer_waits, 1);
}

void side_resume(struct side *side)
{
	list_remove(&side->waiting);
	handlers_of(side)->resumed(side);
}
