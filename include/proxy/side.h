/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_SIDE_H
#define PROXY_SIDE_H

/*
 * One socket of a session: opening, waiting, cancelling, closing. What the
 * bytes mean is the lanes' business.
 */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/session.h"

void side_init(struct side *side, uint8_t index);

/* Takes @fd. */
void side_open(struct side *side, int fd, bool is_tcp);

static inline bool side_has_ops(const struct side *side)
{
	return side->recv.in_kernel || side->send.in_kernel || side->cancel_recv.in_kernel ||
	       side->cancel_send.in_kernel;
}

/*
 * Sends what waits in side.out, unless a send is under way.
 * True when one is now; false when nothing waits.
 */
bool side_push(struct side *side);

/* It can take payload from now on: what waited for that goes into side.out. */
void side_become_ready(struct side *side);

/* Puts payload for this side where it belongs. Takes @buf. */
void side_deliver(struct side *side, struct buf *buf);

/* Payload for this side has come, by whichever transport. */
void side_note_payload(struct side *side);

/* Payload that is held for this side, bytes. */
static inline uint32_t side_backlog(const struct side *side)
{
	return side->out.bytes + side->waiting.bytes;
}

/*
 * What a receive completed with: a buffer with bytes, which is the caller's,
 * or NULL when there are none, or the session is closing and nobody wants them.
 */
MUST_CHECK struct buf *side_received(struct side *side, int res, unsigned flags);

/* Asks the kernel for all ops of this side back. */
void side_cancel(struct side *side);
void side_cancel_recv(struct side *side);

/*
 * Closes the socket and drops what waits for it; no op may be in the kernel.
 * The peer sees a clean end only if everything and the end itself were
 * delivered to it; in all other cases a reset.
 */
void side_close(struct side *side);

/*
 * Closes the socket of a try that failed; payload that waits for the side
 * stays for the next one.
 */
void side_drop_connection(struct side *side);

/* splice(2) waits for nobody only on such sockets; receives then do not wait either. */
void side_set_nonblocking(struct side *side, bool is_nonblocking);

/* Puts the side on, or takes it off, the list of those that wait for a buffer. */
void side_starve(struct side *side);
void side_feed(struct side *side);

#endif
