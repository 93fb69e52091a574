/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copying transport, and how a lane ends in either of the two.
 *
 *	pull: from.recv ──> lane_received ──> to.out ──> push: to.send ──> lane_sent
 *	  ^                                                                   |
 *	  └──────────────── room again: pull ────────────────────────────────┘
 *
 * One receive and one send may run at the same time, never two sends on one
 * socket. The kernel's error of a socket is told once, to whichever op comes
 * first; side.is_dead remembers it, so that the end of stream which the other
 * op then sees is not taken for a clean one.
 */
#include "relay/lane.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "relay/deadline.h"
#include "relay/early_end.h"
#include "relay/idle_watch.h"
#include "relay/splice.h"
#include "relay/tls_end.h"
#include "relay/tls_io.h"
#include "relay/cancel_watch.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/liveness.h"
#include "session/refusing.h"
#include "session/side.h"
#include "tls/stream.h"

static const unsigned next_states[] = {
	[LANE_OPEN] = BIT(LANE_FLUSHING) | BIT(LANE_DONE),
	[LANE_FLUSHING] = BIT(LANE_DONE),
	[LANE_DONE] = 0,
};

void lane_init(struct lane *lane, uint8_t index)
{
	lane->index = index;
	lane->depth = LANE_DEPTH_MIN;
	lane->state = LANE_OPEN;
}

/* The only function that changes a lane's state. */
static void lane_enter(struct lane *lane, enum lane_state next)
{
	CHECK(next_states[lane->state] & BIT(next));
	lane->state = next;
}

/* ---- pull: ask for more -------------------------------------------------- */

static uint32_t lane_high_water(const struct lane *lane)
{
	return lane->depth * BUF_RECEIVE_BYTES;
}

static bool lane_wants_more(struct lane *lane)
{
	struct session *s = lane_session(lane);

	return session_relays(s) && lane->state == LANE_OPEN && !lane->is_spliced &&
	       !s->sides[lane->index].recv.in_kernel &&
	       s->sides[!lane->index].out.bytes < lane_high_water(lane);
}

/* An O_NONBLOCK socket's receive would not wait: a poll does, and the receive follows it. */
static void lane_receive(struct lane *lane, uint32_t credit)
{
	struct side *from = lane_from(lane);

	if (from->is_nonblocking && !lane->has_more) {
		side_wait_readable(from);
		return;
	}
	/* Kernels before 6.19 may lose the end of a unix socket's stream in a multishot receive. */
	if (!from->is_tcp || from->is_nonblocking)
		credit = 0;
	side_receive(from, credit, !lane->has_more);
}

/*
 * Few buffers are left, and one that waits for a slow reader is one that all
 * other sessions lack. So look for room at the destination before receiving:
 * what is received then is sent at once.
 */
static void lane_pull_carefully(struct lane *lane)
{
	struct side *to = lane_to(lane);

	if (!to->send.in_kernel && buf_queue_is_empty(&to->out))
		side_wait_writable(to);
}

static void lane_splice(struct lane *lane)
{
	int err;

	switch (splice_pump(lane, &err)) {
	case SPLICE_WAITS:
		break;
	case SPLICE_DRAINED:
		lane_push(lane);
		break;
	case SPLICE_STOPPED:
		lane_pull(lane);
		break;
	case SPLICE_SOURCE_ENDED:
		lane_ended(lane_from(lane), 0);
		break;
	case SPLICE_SOURCE_FAILED:
		lane_side_died(lane_from(lane), err, true);
		break;
	case SPLICE_SINK_FAILED:
		lane_side_died(lane_to(lane), err, false);
		break;
	}
}

void lane_pull(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct side *to = lane_to(lane);

	if (!lane_wants_more(lane))
		return;
	if (splice_is_due(lane)) {
		if (!buf_queue_is_empty(&to->out) || to->send.in_kernel)
			return;
		if (splice_start(lane)) {
			lane_splice(lane);
			return;
		}
	}
	if (buf_pool_is_low(&s->host->loop.bufs))
		lane_pull_carefully(lane);
	else
		lane_receive(lane, lane_high_water(lane) - to->out.bytes);
}

/* ---- received ------------------------------------------------------------ */

/* TLS has failed on @side, or found no memory: session.detail says why. */
static void lane_tls_failed(struct side *side, enum tls_io result)
{
	if (result == TLS_IO_NO_MEMORY) {
		session_close(side_session(side), CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return;
	}
	/* Who got an alert knows that nothing was complete; a reset might overtake it. */
	if (side->index == SIDE_CLIENT && tls_stream_has_alerted(side->tls)) {
		refusing_alerted(side_session(side), reason_of_side(-EPROTO, true));
		return;
	}
	(void)side_push(side);
	side_sink_of(side)->is_clean |= tls_stream_has_alerted(side->tls);
	lane_side_died(side, -EPROTO, true);
}

static void lane_encrypt(struct lane *lane, struct buf *buf)
{
	struct side *to = lane_to(lane);
	uint32_t n = buf_filled(buf);
	enum tls_io result = tls_io_write(to, buf);

	if (result == TLS_IO_MORE)
		side_count_payload(to, n);
	else if (session_relays(lane_session(lane)))
		lane_tls_failed(to, result);
}

void lane_deliver(struct lane *lane, struct buf *buf)
{
	struct session *s = lane_session(lane);
	struct side *to = lane_to(lane);

	side_note_payload(to);
	if (lane->index == LANE_DOWN && cancel_watch_is_on(s))
		cancel_watch_look(s, buf);
	if (lane->index == LANE_DOWN) {
		idle_watch_note(s, buf);
		early_end_look(s, buf);
	}
	if (to->tls)
		lane_encrypt(lane, buf);
	else
		side_queue(to, buf);
}

void lane_note_end(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct lane *other = &s->lanes[!lane->index];

	lane->is_cut |= lane_from(lane)->is_dead;
	if (other->state == LANE_OPEN && !session_is_ending(s))
		s->by = lane->index == LANE_UP ? BY_CLIENT : BY_BACKEND;
	lane_enter(lane, LANE_FLUSHING);
}

/* An end of the stream: clean, or, when the side is dead, by a reset. */
static void lane_end(struct lane *lane)
{
	if (lane->state != LANE_OPEN)
		return;
	if (lane->index == LANE_DOWN)
		early_end_note(lane_session(lane));
	lane_note_end(lane);
	lane_push(lane);
}

void lane_decrypt(struct lane *lane, const void *bytes, size_t n)
{
	struct session *s = lane_session(lane);
	struct side *from = lane_from(lane);
	struct buf_queue plain = { 0 };
	enum tls_io result;
	struct buf *buf;

	if (lane->state != LANE_OPEN) /* after close_notify nothing counts */
		return;
	result = tls_io_read(from, bytes, n, &plain);
	while (session_relays(s) && lane->state == LANE_OPEN && (buf = buf_queue_take(&plain)))
		lane_deliver(lane, buf);
	buf_queue_clear(&plain, &s->host->loop.bufs);
	if (!session_relays(s))
		return;
	if (result == TLS_IO_FAILED || result == TLS_IO_NO_MEMORY) {
		lane_tls_failed(from, result);
		return;
	}
	(void)side_push(from); /* reading may answer: an alert, a KeyUpdate */
	if (result == TLS_IO_CLOSED)
		lane_end(lane);
}

void lane_received(struct side *from, struct buf *buf, unsigned flags)
{
	struct session *s = side_session(from);
	struct lane *lane = side_source_of(from);
	uint32_t n = buf_filled(buf);

	lane->has_more = flags & IO_NONEMPTY;
	if (lane->has_more || n == BUF_RECEIVE_BYTES)
		lane->streak_bytes = MIN(lane->streak_bytes + n, SPLICE_STREAM_BYTES);
	else
		lane->streak_bytes = 0;
	deadline_moved(s, flags & IO_MORE);
	tls_end_look(lane, buf);
	if (from->tls) {
		lane_decrypt(lane, buf->bytes + buf->start, n);
		buf_put(&s->host->loop.bufs, buf);
	} else if (lane->state == LANE_DONE) {
		buf_put(&s->host->loop.bufs, buf); /* its destination died meanwhile */
	} else {
		lane_deliver(lane, buf);
	}
	if (lane->streak_bytes > 0)
		lane_push_later(lane);
	else
		lane_push(lane);
	if (list_is_empty(&from->waiting))
		lane_pull(lane);
}

bool lane_client_waits(const struct session *s)
{
	const struct side *client = &s->sides[SIDE_CLIENT];

	if (s->lanes[LANE_DOWN].state == LANE_DONE)
		return false;
	return s->was_asked || client->send.in_kernel || client->out.bytes > 0 ||
	       sock_unsent_bytes(client->fd) > 0 ||
	       sock_unread_bytes(s->sides[SIDE_BACKEND].fd) > 0;
}

/*
 * Nobody has died: the client says nothing more and may still be answered.
 * That comes first, and is over when the backend has ended, or when nothing
 * has moved for close_timeout.
 */
static void lane_end_when_answered(struct lane *lane)
{
	struct session *s = lane_session(lane);

	session_note_end(s, CLOSE_CLIENT_TRUNCATED, BY_CLIENT);
	s->owes_answer = true;
	s->active_ms = s->host->loop.now_ms;
	deadline_set(s);
	lane->is_cut = true;
	lane_end(lane);
}

/*
 * Where nothing is on the way to the client, it has left. A backend that has
 * ended so has said what it had to say.
 */
static void lane_truncated(struct lane *lane)
{
	if (lane->state != LANE_OPEN || lane_from(lane)->is_dead)
		lane_end(lane);
	else if (lane->index == LANE_UP && lane_client_waits(lane_session(lane)))
		lane_end_when_answered(lane);
	else
		lane_side_died(lane_from(lane), -ECONNABORTED, true);
}

/*
 * The kernel tells of a reset once. A send that had moved some bytes before
 * it met the error reports those and keeps the error to itself (splice(2),
 * and io_uring's retry of a short send): reading then gives a plain end.
 */
static void lane_end_of_stream(struct lane *lane)
{
	struct side *from = lane_from(lane);
	bool may_be_sent_to = lane_session(lane)->lanes[!lane->index].state != LANE_DONE;

	if (from->is_tcp && may_be_sent_to && sock_is_gone(from->fd))
		lane_side_died(from, -ECONNRESET, true);
	else
		lane_end(lane);
}

static void lane_receive_failed(struct lane *lane, int err)
{
	struct side *from = lane_from(lane);

	switch (-err) {
	case ENOBUFS:
		side_wait_for_buffer(from);
		return;
	case EAGAIN:
	case EINTR:
	case ECANCELED: /* to find out what has become of the connection */
		lane->has_more = false;
		break;
	default:
		lane_side_died(from, err, true);
	}
	lane_pull(lane);
}

void lane_ended(struct side *from, int err)
{
	struct lane *lane = side_source_of(from);

	if (err < 0)
		lane_receive_failed(lane, err);
	else if (from->tls)
		lane_truncated(lane);
	else
		lane_end_of_stream(lane);
}

/* A lane that splices goes on doing so; one that copies receives what is there. */
void lane_readable(struct side *from, int err)
{
	struct lane *lane = side_source_of(from);

	if (lane->is_spliced) {
		if (lane->state != LANE_DONE) /* errors and hang-ups show in splice(2) */
			lane_splice(lane);
	} else if (err < 0) {
		lane_side_died(from, err, false);
	} else {
		lane->has_more = true;
		lane_pull(lane);
	}
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
	lane_enter(lane, LANE_DONE);
	lane->is_clean = true;
	if (other->state == LANE_DONE) {
		session_close(s, CLOSE_DONE, s->by); /* whose close(2) is the end of stream */
		return;
	}
	(void)shutdown(to->fd, SHUT_WR); /* fails only when the peer is gone, which recv tells */
	liveness_expect(to);
	deadline_moved(s, false); /* the half-closed time begins */
	if (s->owes_answer)
		session_note_end(s, s->why, s->by); /* no more: it has got it all */
	deadline_set(s);
}

/* In TLS close_notify goes first. True when all is sent that is to be. */
static bool lane_says_end(struct lane *lane)
{
	struct side *to = lane_to(lane);
	enum tls_io result;

	if (!to->tls || lane->is_cut)
		return true;
	result = tls_io_close(to);
	if (result == TLS_IO_MORE)
		return !side_push(to);
	lane_tls_failed(to, result); /* without it its end must not look like one */
	return false;
}

void lane_push(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (!session_relays(s) || lane->state == LANE_DONE)
		return;
	if (side_push(lane_to(lane)))
		return;
	if (splice_holds_bytes(lane))
		lane_splice(lane);
	else if (lane->state == LANE_FLUSHING && lane_says_end(lane))
		lane_finish(lane);
}

void lane_push_later(struct lane *lane)
{
	struct host *h = lane_session(lane)->host;

	if (h->pushes_n > 0 && h->pushes[h->pushes_n - 1] == lane)
		return;
	if (h->pushes_n < HOST_PUSHES_MAX)
		h->pushes[h->pushes_n++] = lane;
	else
		lane_push(lane);
}

void lane_push_all(struct host *h)
{
	for (unsigned n = 0; n < h->pushes_n; n++)
		lane_push(h->pushes[n]);
	h->pushes_n = 0;
}

static void lane_set_depth(struct lane *lane, uint32_t sent_bytes)
{
	const struct buf *left = lane_to(lane)->out.head;

	if (left && left->is_lent)
		lane->depth = LANE_DEPTH_MIN;
	else if (sent_bytes >= 2 * BUF_RECEIVE_BYTES)
		lane->depth = MIN(2 * lane->depth, LANE_DEPTH_MAX);
}

void lane_sent(struct side *to, int res)
{
	struct session *s = side_session(to);
	struct lane *lane = side_sink_of(to);

	if (res < 0 && res != -EINTR) {
		lane_side_died(to, res, false);
		return;
	}
	if (res > 0) {
		deadline_moved(s, false);
		counters_add(&s->host->counters->bytes_copied, (uint64_t)res);
		lane_set_depth(lane, (uint32_t)res);
	}
	lane_push(lane);
	lane_pull(lane);
}

/* What is received now can be sent at once. */
void lane_writable(struct side *to, int err)
{
	struct lane *lane = side_sink_of(to);

	if (lane->is_spliced) {
		if (lane->state != LANE_DONE)
			lane_splice(lane);
	} else if (err < 0) {
		lane_side_died(to, err, false);
	} else if (buf_queue_is_empty(&to->out) && lane_wants_more(lane)) {
		lane_receive(lane, 0);
	} else {
		lane_push(lane); /* something has come meanwhile, or the end */
	}
}

/* ---- ends ---------------------------------------------------------------- */

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
		buf_queue_clear(&to->out, &lane_session(lane)->host->loop.bufs);
	if (!from->is_tcp)
		side_cancel_recv(from);
}

void lane_side_died(struct side *side, int err, bool is_drained)
{
	struct session *s = side_session(side);
	struct lane *source = side_source_of(side);

	if (!session_is_ending(s) && tls_end_explains(side, err)) {
		if (!s->detail)
			s->detail = "reset after close_notify";
		session_note_end(s, CLOSE_DONE, tls_end_by(s));
	}
	if (side->index == SIDE_BACKEND)
		early_end_note(s);
	session_peer_failed(side, err);
	if (!session_relays(s))
		return;
	deadline_set(s);
	lane_break(side_sink_of(side));
	if (is_drained)
		lane_end(source);
	if (source->state == LANE_DONE)
		session_close(s, s->why, s->by);
	else if (side->recv.in_kernel)
		side_cancel_recv(side); /* it may not notice by itself: see relay.c */
	else
		lane_pull(source);
}
