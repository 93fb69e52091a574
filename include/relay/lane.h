/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_LANE_H
#define RELAY_LANE_H

/*
 * A lane carries bytes one way, from one side of a session to the other, by
 * one of two transports:
 *
 *   copy     from.recv -> [decrypt] -> buffers -> [encrypt] -> to.send
 *                                                   where every lane starts
 *   splice   from -> pipe -> to, without copying    splice.h, for plain TCP that streams
 *
 * Back-pressure: a lane does not ask for more while as many bytes wait to be
 * sent as its depth allows, or while anything is in its pipe. A slow reader
 * stops its lane, and the kernel's windows do the rest.
 *
 * States: open -> flushing -> done. An end of stream passes through a lane
 * after the last byte as a shutdown(SHUT_WR), a reset as a reset.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "session/host.h"
#include "session/session.h"

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

void lane_init(struct lane *lane, uint8_t index);

/* Asks the source for more, unless there is enough, or it asked already. */
void lane_pull(struct lane *lane);
/* Sends what waits to the destination, or passes the end on when all is sent. */
void lane_push(struct lane *lane);
/*
 * The same when all that has arrived in this turn was received: more may
 * follow of a stream, and one send takes it all.
 */
void lane_push_later(struct lane *lane);
/* And now it was. */
void lane_push_all(struct host *host);

/* Payload for the destination. Takes @buf. */
void lane_deliver(struct lane *lane, struct buf *buf);
/*
 * Ciphertext came from the source, or its stream still has some (@n 0):
 * decrypts and delivers it. Borrows @bytes. Before it relays: see early_tls.h.
 */
void lane_decrypt(struct lane *lane, const void *bytes, size_t n);

/* ---- what the ops of its sides have come to, as phase_handlers have it ---- */

void lane_received(struct side *from, struct buf *buf, unsigned flags);
void lane_ended(struct side *from, int err);
void lane_readable(struct side *from, int err);
void lane_writable(struct side *to, int err);
void lane_sent(struct side *to, int res);

/* ---- ends ---- */

/* The open lane's source says no more; what it said is still delivered. For who has no lane yet. */
void lane_note_end(struct lane *lane);
/* Is there, or will there be, anything for the client that says no more? */
MUST_CHECK bool lane_client_waits(const struct session *s);

/*
 * The connection of @side is gone with @err (a negative errno): nothing can
 * be sent there any more. What came from it is still delivered, then the
 * other side sees a reset. @is_drained: all that came has been read.
 */
void lane_side_died(struct side *side, int err, bool is_drained);

#endif
