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
#include "relay/splice.h"

#include <errno.h>
#include <fcntl.h>

#include "base/check.h"
#include "relay/deadline.h"
#include "relay/cancel_watch.h"
#include "relay/early_end.h"
#include "relay/idle_watch.h"
#include "session/host.h"
#include "session/liveness.h"
#include "session/side.h"

/* One lane moves at most so much before the others have their turn. */
#define SPLICE_TURN_BYTES (2u << 20)

/* So many pumps in a row that each moved less than this: it streams no more. */
#define SPLICE_QUIET_BYTES (16u << 10)
#define SPLICE_QUIET_PUMPS 8

bool splice_is_due(struct lane *lane)
{
	struct session *s = lane_session(lane);

	if (!session_relays(s) || cancel_watch_is_on(s))
		return false;
	if (lane->lacks_pipe && lane->streak_bytes < SPLICE_STREAM_BYTES)
		return false;
	if (!lane_from(lane)->is_tcp || !lane_to(lane)->is_tcp)
		return false;
	if (lane_from(lane)->tls || lane_to(lane)->tls)
		return false;
	switch (s->config->relay) {
	case RELAY_SPLICE:
		return true;
	case RELAY_AUTO:
		return lane->streak_bytes >= SPLICE_STREAM_BYTES;
	default:
		return false;
	}
}

bool splice_holds_bytes(const struct lane *lane)
{
	return lane->pipe && lane->pipe->filled_bytes > 0;
}

bool splice_start(struct lane *lane)
{
	struct session *s = lane_session(lane);

	CHECK(!lane->is_spliced);
	CHECK(!lane_from(lane)->recv.in_kernel);
	CHECK(!lane_to(lane)->send.in_kernel);
	lane->pipe = pipe_get(&s->host->pipes);
	lane->lacks_pipe = !lane->pipe;
	if (!lane->pipe) {
		lane->streak_bytes = 0;
		return false;
	}
	side_set_nonblocking(lane_from(lane), true);
	side_set_nonblocking(lane_to(lane), true);
	lane->is_spliced = true;
	lane->look = 0; /* nobody sees what passes now */
	lane->quiet_pumps = 0;
	counters_add(&s->host->counters->splices_started, 1);
	return true;
}

static void splice_return_pipe(struct lane *lane)
{
	if (lane->pipe)
		pipe_put(&lane_session(lane)->host->pipes, lane->pipe);
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
		deadline_moved(lane_session(lane), false);
		side_note_payload(lane_to(lane));
		if (lane->index == LANE_DOWN)
			early_end_note_answer(lane_session(lane));
		idle_watch_forget(lane_session(lane));
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
	side_count_payload(lane_to(lane), (uint64_t)n);
	counters_add(&s->host->counters->bytes_spliced, (uint64_t)n);
	deadline_moved(s, false);
	liveness_expect(lane_to(lane));
	return n;
}

/* Empties the pipe: SPLICE_DRAINED, or why it cannot be. */
static enum splice splice_flush(struct lane *lane, int *ret_err)
{
	while (splice_holds_bytes(lane)) {
		ssize_t n = splice_out(lane);

		if (n > 0 || n == -EINTR)
			continue;
		if (n == -EAGAIN) {
			if (!lane_to(lane)->send.in_kernel)
				side_wait_writable(lane_to(lane));
			return SPLICE_WAITS;
		}
		*ret_err = n == 0 ? -EPIPE : (int)n;
		return SPLICE_SINK_FAILED;
	}
	return SPLICE_DRAINED;
}

/* `relay = auto`: a lane that only trickles is cheaper by copying, and needs no pipe. */
static bool splice_has_become_quiet(struct lane *lane, uint32_t moved)
{
	const struct listener_config *config = lane_session(lane)->config;

	if (moved >= SPLICE_QUIET_BYTES || config->relay != RELAY_AUTO) {
		lane->quiet_pumps = 0;
		return false;
	}
	return ++lane->quiet_pumps >= SPLICE_QUIET_PUMPS;
}

/* Moves what there is: SPLICE_DRAINED, or why it goes on no more. */
static enum splice splice_move(struct lane *lane, uint32_t *ret_moved, int *ret_err)
{
	enum splice result = splice_flush(lane, ret_err);

	*ret_moved = 0;
	while (result == SPLICE_DRAINED && lane->state == LANE_OPEN &&
	       *ret_moved < SPLICE_TURN_BYTES) {
		ssize_t n = splice_in(lane);

		if (n == -EAGAIN || n == -EINTR)
			break;
		*ret_err = (int)MIN(n, 0);
		if (n <= 0)
			return n == 0 ? SPLICE_SOURCE_ENDED : SPLICE_SOURCE_FAILED;
		*ret_moved += (uint32_t)n;
		result = splice_flush(lane, ret_err);
	}
	return result;
}

static enum splice splice_go_on(struct lane *lane, uint32_t moved)
{
	if (lane->state == LANE_FLUSHING)
		return SPLICE_DRAINED;
	if (splice_has_become_quiet(lane, moved)) {
		splice_stop(lane);
		return SPLICE_STOPPED;
	}
	if (!lane_from(lane)->recv.in_kernel)
		side_wait_readable(lane_from(lane));
	return SPLICE_WAITS;
}

enum splice splice_pump(struct lane *lane, int *ret_err)
{
	enum splice result;
	uint32_t moved;

	CHECK(lane->is_spliced);
	if (!lane->pipe)
		lane->pipe = pipe_get(&lane_session(lane)->host->pipes);
	if (!lane->pipe) {
		splice_stop(lane);
		lane->lacks_pipe = true;
		return SPLICE_STOPPED;
	}
	result = splice_move(lane, &moved, ret_err);
	if (!splice_holds_bytes(lane))
		splice_return_pipe(lane);
	return result == SPLICE_DRAINED ? splice_go_on(lane, moved) : result;
}
