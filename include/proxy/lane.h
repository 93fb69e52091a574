/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_LANE_H
#define PROXY_LANE_H

/*
 * A lane carries bytes one way, from one side of a session to the other, by
 * one of two transports:
 *
 *   copy     from.recv -> [decrypt] -> buffers -> [encrypt] -> to.send
 *                                                   lane.c, where every lane starts
 *   splice   from -> pipe -> to, without copying    splice.c, for plain TCP that streams
 *
 * Back-pressure: a lane does not ask for more while as many bytes wait to be
 * sent as its depth allows, or while anything is in its pipe. A slow reader
 * stops its lane, and the kernel's windows do the rest.
 *
 * States: open -> flushing -> done, changed by lane_enter() alone. An end of
 * stream passes through a lane after the last byte as a shutdown(SHUT_WR), a
 * reset as a reset.
 */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/session.h"

/*
 * Its depth: full buffers that may wait to be sent before a lane receives no
 * more; the last receive may go over it by one. A lane begins with the least.
 * When a socket takes two full buffers or more at once, the depth doubles,
 * for one large send is cheaper than many; when it does not take all that it
 * is given, the depth falls back to the least. So who reads fast empties a
 * deep queue at once, and who reads slowly has a short one.
 */
#define LANE_DEPTH_MIN 2
#define LANE_DEPTH_MAX 8

/*
 * Buffers that a lane of depth @n holds at most. With bytes that come in full
 * buffers it is one more than its depth. In the worst case a byte is being
 * sent, and behind it wait pieces of which no two fit into one buffer.
 */
#define LANE_BUFFERS_MAX(n) (2 * (n) + 1)

/* A run of full receives this long is a stream: `relay = auto` then splices. */
#define LANE_STREAM_BYTES (256 * 1024)

void lane_init(struct lane *lane, uint8_t index);

/* Changes the state; open -> flushing -> done, or open -> done. */
void lane_enter(struct lane *lane, enum lane_state next);

/* The destination took @n bytes of the source's. */
void lane_count(struct lane *lane, uint64_t n);

/* Asks the source for more, unless there is enough, or it asked already. */
void lane_pull(struct lane *lane);
/* Sends what waits to the destination, or passes the end on when all is sent. */
void lane_push(struct lane *lane);

/* The source has ended: cleanly, or, when the side is dead, by a reset. */
void lane_end(struct lane *lane);
/* The same when the socket has nothing more to read, which may be all that a reset has left. */
void lane_end_of_stream(struct lane *lane);

/*
 * The connection of @side is gone with @err (a negative errno): nothing can
 * be sent there any more. What came from it is still delivered, then the
 * other side sees a reset. @is_drained: all that came has been read.
 */
void lane_side_died(struct side *side, int err, bool is_drained);

/* Callbacks for the ops of a side in the copying transport. */
void lane_on_recv(struct io_op *op, int res, unsigned flags);
void lane_on_send(struct io_op *op, int res, unsigned flags);

/* ---- splice.c ---- */

/* Should this lane leave the copying transport as soon as its queue is sent? */
bool splice_is_due(struct lane *lane);
/* Enters the splicing transport and moves what is there. */
void splice_start(struct lane *lane);
/* Moves on, after readiness or an end. */
void splice_pump(struct lane *lane);
/* Back to the copying transport: gives back the pipe and the sockets' blocking mode. */
void splice_stop(struct lane *lane);
/* Are bytes between the sockets? */
bool splice_holds_bytes(const struct lane *lane);

#endif
