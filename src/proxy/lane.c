/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copying transport, and how a lane ends in either of the two.
 *
 *	pull: from.recv ──> lane_on_recv ──> to.out ──> push: to.send ──> lane_on_send
 *	  ^                                                                   |
 *	  └──────────────── room again: pull ────────────────────────────────┘
 *
 * One receive and one send may run at the same time, never two sends on one
 * socket. The kernel's error of a socket is told once, to whichever op comes
 * first; side.is_dead remembers it, so that the end of stream which the other
 * op then sees is not taken for a clean one.
 */
#include "proxy/lane.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "net/sock_error.h"
#include "proxy/ack_look.h"
#include "proxy/ask_around.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/greet.h"
#include "proxy/introduce.h"
#include "proxy/side.h"

static const unsigned next_states[] = {
	[LANE_OPEN] = BIT(LANE_FLUSHING) | BIT(LANE_DONE),
	[LANE_FLUSHING] = BIT(LANE_DONE),
	[LANE_DONE] = 0,
};

static void lane_on_room(struct io_op *op, int res, unsigned flags);

void lane_init(struct lane *lane, uint8_t index)
{
	lane->index = index;
	lane->depth = LANE_DEPTH_MIN;
	lane->state = LANE_OPEN;
}

void lane_enter(struct lane *lane, enum lane_state next)
{
	CHECK(next_states[lane->state] & BIT(next));
	lane->state = next;
}

void lane_count(struct lane *lane, uint64_t n)
{
	lane->bytes += n;
	counters_add(&session_counters(lane_session(lane))->bytes[lane->index], n);
}

/* ---- pull: ask for more -------------------------------------------------- */

static uint32_t lane_high_water(const struct lane *lane)
{
	return lane->depth * BUF_RECEIVE_BYTES;
}

static bool lane_wants_more(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct side *from = lane_from(lane);

	return s->phase == SESSION_RELAYING && lane->state == LANE_OPEN && !lane->is_spliced &&
	       !from->recv.in_kernel && side_backlog(lane_to(lane)) < lane_high_water(lane);
}

/* An O_NONBLOCK socket's receive would not wait: a poll does, and the receive follows it. */
static void lane_on_bytes(struct io_op *op, int res, unsigned flags)
{
	struct side *from = container_of(op, struct side, recv);
	struct session *s = side_session(from);

	(void)flags;
	from->recv.done = lane_on_recv;
	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (res < 0)
		lane_side_died(from, res, false);
	else
		io_recv(s->engine->ring, &from->recv, from->fd, 0, false);
}

static void lane_receive(struct lane *lane, uint32_t credit)
{
	struct side *from = lane_from(lane);
	struct ring *ring = lane_session(lane)->engine->ring;

	if (from->is_nonblocking && !lane->has_more) {
		from->recv.done = lane_on_bytes;
		io_poll(ring, &from->recv, from->fd, POLLIN | POLLRDHUP);
		return;
	}
	/* Kernels before 6.19 may lose the end of a unix socket's stream in a multishot receive. */
	if (!from->is_tcp || from->is_nonblocking)
		credit = 0;
	io_recv(ring, &from->recv, from->fd, credit, !lane->has_more);
}

/*
 * Few buffers are left, and one that waits for a slow reader is one that all
 * other sessions lack. So look for room at the destination before receiving:
 * what is received then is sent at once.
 */
static void lane_pull_carefully(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct side *to = lane_to(lane);

	if (s->phase != SESSION_RELAYING || to->send.in_kernel || !buf_queue_is_empty(&to->out))
		return;
	to->send.done = lane_on_room;
	io_poll(s->engine->ring, &to->send, to->fd, POLLOUT);
}

void lane_pull(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct side *to = lane_to(lane);

	if (!lane_wants_more(lane))
		return;
	if (splice_is_due(lane)) {
		if (buf_queue_is_empty(&to->out) && !to->send.in_kernel)
			splice_start(lane);
		return;
	}
	if (buf_pool_is_low(&s->engine->bufs))
		lane_pull_carefully(lane);
	else
		lane_receive(lane, lane_high_water(lane) - side_backlog(to));
}

/* ---- received ------------------------------------------------------------ */

static void lane_received(struct lane *lane, struct buf *buf, unsigned flags)
{
	struct session *s = lane_session(lane);
	uint32_t n = buf_filled(buf);

	lane->has_more = flags & IO_NONEMPTY;
	if (lane->has_more || n == BUF_RECEIVE_BYTES)
		lane->streak_bytes = MIN(lane->streak_bytes + n, LANE_STREAM_BYTES);
	else
		lane->streak_bytes = 0;
	session_moved(s, flags & IO_MORE);
	if (lane->state == LANE_DONE)
		buf_put(&s->engine->bufs, buf); /* its destination died meanwhile */
	else if (lane_from(lane)->tls)
		crypt_received(lane, buf);
	else
		side_deliver(lane_to(lane), buf);
	if (lane->streak_bytes > 0)
		engine_push_later(s->engine, lane);
	else
		lane_push(lane);
}

static void lane_receive_failed(struct lane *lane, int err)
{
	struct side *from = lane_from(lane);

	switch (-err) {
	case ENOBUFS:
		side_starve(from);
		break;
	case EAGAIN:
	case EINTR:
	case ECANCELED: /* to find out what has become of the connection */
		lane->has_more = false;
		break;
	default:
		lane_side_died(from, err, true);
	}
}

void lane_on_recv(struct io_op *op, int res, unsigned flags)
{
	struct side *from = container_of(op, struct side, recv);
	struct lane *lane = side_source_of(from);
	struct session *s = side_session(from);
	struct buf *buf = side_received(from, res, flags);

	if (s->phase == SESSION_CLOSING) {
		session_op_returned(s);
		return;
	}
	if (buf)
		lane_received(lane, buf, flags);
	else if (res == 0 && from->tls)
		crypt_ended(lane);
	else if (res == 0)
		lane_end_of_stream(lane);
	else
		lane_receive_failed(lane, res);
	if (list_is_empty(&from->starved))
		lane_pull(lane);
}

/* ---- push: send ---------------------------------------------------------- */

/* Everything was delivered: the end follows. */
static void lane_finish(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct lane *other = &s->lanes[!lane->index];
	struct side *to = lane_to(lane);

	if (lane->is_cut) {
		/* A reset would overtake what the other kernel has not acknowledged. */
		if (!s->owes_answer && sock_unsent_bytes(to->fd) == 0)
			session_close(s, s->why, s->by);
		return;
	}
	if (to->tls && !crypt_close(to))
		return; /* close_notify goes first */
	lane_enter(lane, LANE_DONE);
	lane->is_clean = true;
	if (other->state == LANE_DONE) {
		session_close(s, CLOSE_DONE, s->by); /* whose close(2) is the end of stream */
		return;
	}
	(void)shutdown(to->fd, SHUT_WR); /* fails only when the peer is gone, which recv tells */
	ack_look_expect(to);
	session_moved(s, false); /* the half-closed time begins */
	if (s->owes_answer)
		session_doom(s, s->why, s->by); /* no more: it has got it all */
	else
		session_set_deadline(s);
}

void lane_push(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (s->phase != SESSION_RELAYING || lane->state == LANE_DONE)
		return;
	if (side_push(lane_to(lane)))
		return;
	if (splice_holds_bytes(lane))
		splice_pump(lane);
	else if (lane->state == LANE_FLUSHING)
		lane_finish(lane);
}

/* Of what a socket took, what somebody sent; in TLS crypt.c counts what it encrypts. */
static void lane_count_sent(struct lane *lane, uint32_t n)
{
	struct side *to = lane_to(lane);

	if (!to->tls)
		lane_count(lane, n - introduce_sent(to, n));
}

static void lane_set_depth(struct lane *lane, uint32_t sent_bytes)
{
	const struct buf *left = lane_to(lane)->out.head;

	if (left && left->is_lent)
		lane->depth = LANE_DEPTH_MIN;
	else if (sent_bytes >= 2 * BUF_RECEIVE_BYTES)
		lane->depth = MIN(2 * lane->depth, LANE_DEPTH_MAX);
}

static void lane_sent(struct lane *lane, uint32_t n)
{
	struct session *s = lane_session(lane);

	session_moved(s, false);
	lane_count_sent(lane, n);
	counters_add(&s->engine->counters->bytes_copied, n);
	buf_queue_sent(&lane_to(lane)->out, &s->engine->bufs, n);
	lane_set_depth(lane, n);
}

/* What is received now can be sent at once. */
static void lane_on_room(struct io_op *op, int res, unsigned flags)
{
	struct side *to = container_of(op, struct side, send);
	struct lane *lane = side_sink_of(to);
	struct session *s = side_session(to);

	(void)flags;
	to->send.done = lane_on_send;
	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (res < 0)
		lane_side_died(to, res, false);
	else if (buf_queue_is_empty(&to->out) && lane_wants_more(lane))
		lane_receive(lane, 0);
	else
		lane_push(lane); /* something has come meanwhile, or the end */
}

void lane_on_send(struct io_op *op, int res, unsigned flags)
{
	struct side *to = container_of(op, struct side, send);
	struct lane *lane = side_sink_of(to);
	struct session *s = side_session(to);

	(void)flags;
	if (s->phase == SESSION_CLOSING) {
		if (res > 0)
			lane_count_sent(lane, (uint32_t)res);
		session_op_returned(s);
		return;
	}
	if (res < 0 && res != -EINTR) {
		lane_side_died(to, res, false);
		return;
	}
	if (res > 0)
		lane_sent(lane, (uint32_t)res);
	if (s->phase != SESSION_RELAYING) { /* an answer of our own */
		if (side_push(to))
			return;
		greet_on_sent(s);
		ask_around_on_sent(s);
		return;
	}
	lane_push(lane);
	lane_pull(lane);
}

/* ---- ends ---------------------------------------------------------------- */

void lane_end(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct lane *other = &s->lanes[!lane->index];

	if (lane->state != LANE_OPEN)
		return;
	lane->is_cut |= lane_from(lane)->is_dead;
	if (other->state == LANE_OPEN && !session_is_doomed(s))
		s->by = lane->index == LANE_UP ? BY_CLIENT : BY_BACKEND;
	lane_enter(lane, LANE_FLUSHING);
	if (s->phase == SESSION_DIALING)
		dial_on_client_end(s);
	lane_push(lane);
}

/*
 * The kernel tells of a reset once. A send that had moved some bytes before
 * it met the error reports those and keeps the error to itself (splice(2),
 * and io_uring's retry of a short send): reading then gives a plain end.
 */
void lane_end_of_stream(struct lane *lane)
{
	struct side *from = lane_from(lane);
	bool may_be_sent_to = lane_session(lane)->lanes[!lane->index].state != LANE_DONE;

	if (from->is_tcp && may_be_sent_to && sock_is_gone(from->fd))
		lane_side_died(from, -ECONNRESET, true);
	else
		lane_end(lane);
}

/*
 * Nothing more can be delivered through this lane; what waits in it is lost.
 * A unix socket tells its peer of a reset if it is closed while it has bytes
 * that nobody has read, and only then: what comes from now on stays in it.
 */
static void lane_break(struct lane *lane)
{
	struct side *from = lane_from(lane), *to = lane_to(lane);

	if (lane->state != LANE_DONE)
		lane_enter(lane, LANE_DONE);
	if (!to->send.in_kernel)
		buf_queue_clear(&to->out, &lane_session(lane)->engine->bufs);
	if (!from->is_tcp)
		side_cancel_recv(from);
}

static enum close_reason reason_of(const struct side *side, int err)
{
	bool is_client = side->index == SIDE_CLIENT;
	enum sock_fault fault = sock_fault_of(err);
	bool is_lost = fault == SOCK_FAULT_TIMEOUT || fault == SOCK_FAULT_UNREACHABLE ||
		       err == -ENETDOWN;

	if (err == -ENOMEM || err == -ENOBUFS)
		return CLOSE_NO_RESOURCES; /* of our own */
	if (fault == SOCK_FAULT_TLS)
		return is_client ? CLOSE_CLIENT_TLS : CLOSE_BACKEND_TLS;
	if (err == -ECONNABORTED)
		return is_client ? CLOSE_CLIENT_TRUNCATED : CLOSE_BACKEND_TRUNCATED;
	if (is_client)
		return is_lost ? CLOSE_CLIENT_LOST : CLOSE_CLIENT_RESET;
	return is_lost ? CLOSE_BACKEND_LOST : CLOSE_BACKEND_RESET;
}

void lane_side_died(struct side *side, int err, bool is_drained)
{
	struct session *s = side_session(side);
	struct lane *source = side_source_of(side);
	enum close_by by = side->index == SIDE_CLIENT ? BY_CLIENT : BY_BACKEND;
	enum close_reason why = reason_of(side, err);

	side->is_dead = true;
	session_doom(s, why, why == CLOSE_NO_RESOURCES ? BY_RINGMAIN : by);
	if (s->phase != SESSION_RELAYING) {
		session_close(s, s->why, s->by);
		return;
	}
	lane_break(side_sink_of(side));
	if (is_drained)
		lane_end(source);
	if (source->state == LANE_DONE)
		session_close(s, s->why, s->by);
	else if (side->recv.in_kernel)
		side_cancel_recv(side); /* it may not notice by itself: see session.c */
	else
		lane_pull(source);
}
