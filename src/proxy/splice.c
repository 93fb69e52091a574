/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The splicing transport: the kernel moves pages from socket to pipe to
 * socket, nobody copies them.
 *
 *	wait for bytes -> splice in -> splice out -> wait for bytes ...
 *	                                   |  no room
 *	                                   └-> wait for room -> splice out ...
 *
 * splice(2) is called from the loop: IORING_OP_SPLICE would cost a kernel
 * worker for each call. The ring only waits (poll). A pipe is borrowed while
 * bytes are in it and no longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/check.h"
#include "proxy/ack_look.h"
#include "proxy/engine.h"
#include "proxy/lane.h"
#include "proxy/side.h"

/* One lane moves at most so much before the others have their turn. */
#define SPLICE_TURN_BYTES (2u << 20)

/* So many pumps in a row that each moved less than this: it streams no more. */
#define SPLICE_QUIET_BYTES (16u << 10)
#define SPLICE_QUIET_PUMPS 8

static void splice_on_readable(struct io_op *op, int res, unsigned flags);
static void splice_on_writable(struct io_op *op, int res, unsigned flags);

bool splice_is_due(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (s->phase != SESSION_RELAYING || s->watch)
		return false;
	if (lane->lacks_pipe && lane->streak_bytes < LANE_STREAM_BYTES)
		return false;
	if (!lane_from(lane)->is_tcp || !lane_to(lane)->is_tcp)
		return false;
	if (lane_from(lane)->tls || lane_to(lane)->tls)
		return false;
	switch (s->listener->config->relay) {
	case RELAY_SPLICE:
		return true;
	case RELAY_AUTO:
		return lane->streak_bytes >= LANE_STREAM_BYTES;
	default:
		return false;
	}
}

bool splice_holds_bytes(const struct lane *lane)
{
	return lane->pipe && lane->pipe->filled_bytes > 0;
}

/* It goes on by copying, and asks again when it has streamed as much as makes one begin. */
static void splice_lacks_pipe(struct lane *lane)
{
	lane->lacks_pipe = true;
	lane->streak_bytes = 0;
	lane_pull(lane);
}

void splice_start(struct lane *lane)
{
	struct session *s = lane_session(lane);

	CHECK(!lane->is_spliced);
	CHECK(!lane_from(lane)->recv.in_kernel);
	CHECK(!lane_to(lane)->send.in_kernel);
	lane->pipe = pipe_get(&s->engine->pipes);
	if (!lane->pipe) {
		splice_lacks_pipe(lane);
		return;
	}
	lane->lacks_pipe = false;
	side_set_nonblocking(lane_from(lane), true);
	side_set_nonblocking(lane_to(lane), true);
	lane->is_spliced = true;
	lane->quiet_pumps = 0;
	counters_add(&s->engine->counters->splices_started, 1);
	splice_pump(lane);
}

static void splice_return_pipe(struct lane *lane)
{
	if (lane->pipe)
		pipe_put(&lane_session(lane)->engine->pipes, lane->pipe);
	lane->pipe = NULL;
}

void splice_stop(struct lane *lane)
{
	struct session *s = lane_session(lane);

	splice_return_pipe(lane);
	lane->is_spliced = false;
	lane->streak_bytes = 0;
	if (s->phase == SESSION_CLOSING || s->lanes[!lane->index].is_spliced)
		return;
	side_set_nonblocking(lane_from(lane), false);
	side_set_nonblocking(lane_to(lane), false);
}

/* ---- moving -------------------------------------------------------------- */

/* One call into the pipe. Gives the bytes moved, 0 at the end of the stream, or -errno. */
static ssize_t splice_in(struct lane *lane)
{
	struct pipe *pipe = lane->pipe;
	ssize_t n = splice(lane_from(lane)->fd, NULL, pipe->in, NULL,
			   pipe->capacity_bytes - pipe->filled_bytes,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return -errno;
	if (n > 0) {
		pipe->filled_bytes += (uint32_t)n;
		session_moved(lane_session(lane), false);
		side_note_payload(lane_to(lane));
	}
	return n;
}

/* One call out of the pipe. Gives the bytes moved or -errno. */
static ssize_t splice_out(struct lane *lane)
{
	struct session *s = lane_session(lane);
	struct pipe *pipe = lane->pipe;
	ssize_t n = splice(pipe->out, NULL, lane_to(lane)->fd, NULL, pipe->filled_bytes,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return -errno;
	pipe->filled_bytes -= (uint32_t)n;
	lane_count(lane, (uint64_t)n);
	counters_add(&s->engine->counters->bytes_spliced, (uint64_t)n);
	session_moved(s, false);
	ack_look_expect(lane_to(lane));
	return n;
}

static void splice_wait_for_bytes(struct lane *lane)
{
	struct side *from = lane_from(lane);

	if (lane->state != LANE_OPEN || from->recv.in_kernel)
		return;
	from->recv.done = splice_on_readable;
	io_poll(lane_session(lane)->engine->ring, &from->recv, from->fd, POLLIN | POLLRDHUP);
}

static void splice_wait_for_room(struct lane *lane)
{
	struct side *to = lane_to(lane);

	if (to->send.in_kernel)
		return;
	to->send.done = splice_on_writable;
	io_poll(lane_session(lane)->engine->ring, &to->send, to->fd, POLLOUT);
}

/* Empties the pipe. False when there is no room, or nobody is left to take it. */
static bool splice_flush(struct lane *lane)
{
	while (splice_holds_bytes(lane)) {
		ssize_t n = splice_out(lane);

		if (n > 0 || n == -EINTR)
			continue;
		if (n == -EAGAIN)
			splice_wait_for_room(lane);
		else
			lane_side_died(lane_to(lane), n == 0 ? -EPIPE : (int)n, false);
		return false;
	}
	return true;
}

static bool splice_is_running(struct lane *lane)
{
	return lane_session(lane)->phase == SESSION_RELAYING && lane->is_spliced &&
	       lane->state != LANE_DONE;
}

/* `relay = auto`: a lane that only trickles is cheaper by copying, and needs no pipe. */
static bool splice_has_become_quiet(struct lane *lane, uint32_t moved)
{
	const struct listener_config *config = lane_session(lane)->listener->config;

	if (moved >= SPLICE_QUIET_BYTES || config->relay != RELAY_AUTO) {
		lane->quiet_pumps = 0;
		return false;
	}
	return ++lane->quiet_pumps >= SPLICE_QUIET_PUMPS;
}

static void splice_back_to_copying(struct lane *lane)
{
	splice_stop(lane);
	lane_pull(lane);
}

/* Fills the pipe once. Gives the bytes moved; 0: the lane has to wait, or its source has ended. */
static uint32_t splice_fill(struct lane *lane)
{
	ssize_t n;

	if (lane->state != LANE_OPEN)
		return 0;
	n = splice_in(lane);
	if (n > 0)
		return (uint32_t)n;
	if (n == 0)
		lane_end_of_stream(lane);
	else if (n != -EAGAIN && n != -EINTR)
		lane_side_died(lane_from(lane), (int)n, true);
	return 0;
}

/* Moves what there is. False when the lane must wait for room, or is over. */
static bool splice_move(struct lane *lane, uint32_t *ret_moved)
{
	uint32_t n;

	*ret_moved = 0;
	do {
		if (!splice_flush(lane))
			return false;
		n = splice_fill(lane);
		*ret_moved += n;
	} while (n > 0 && *ret_moved < SPLICE_TURN_BYTES);

	return splice_is_running(lane) && splice_flush(lane);
}

void splice_pump(struct lane *lane)
{
	struct session *s = lane_session(lane);
	uint32_t moved;
	bool goes_on;

	if (!lane->pipe)
		lane->pipe = pipe_get(&s->engine->pipes);
	if (!lane->pipe) {
		splice_stop(lane);
		splice_lacks_pipe(lane);
		return;
	}
	goes_on = splice_move(lane, &moved);
	if (!splice_holds_bytes(lane))
		splice_return_pipe(lane);
	if (!goes_on)
		return;
	if (lane->state == LANE_FLUSHING)
		lane_push(lane);
	else if (splice_has_become_quiet(lane, moved))
		splice_back_to_copying(lane);
	else
		splice_wait_for_bytes(lane);
}

/* ---- readiness ----------------------------------------------------------- */

static void splice_on_ready(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (splice_is_running(lane))
		splice_pump(lane);
}

static void splice_on_readable(struct io_op *op, int res, unsigned flags)
{
	struct side *from = container_of(op, struct side, recv);

	(void)res; /* errors and hang-ups show in splice(2) */
	(void)flags;
	from->recv.done = lane_on_recv;
	splice_on_ready(side_source_of(from));
}

static void splice_on_writable(struct io_op *op, int res, unsigned flags)
{
	struct side *to = container_of(op, struct side, send);

	(void)res;
	(void)flags;
	to->send.done = lane_on_send;
	splice_on_ready(side_sink_of(to));
}
