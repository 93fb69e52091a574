/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_SIDE_H
#define SESSION_SIDE_H

/*
 * One socket of a session: opening, asking the kernel, cancelling, closing.
 * All its ops complete here; what came of them goes to the handlers of the
 * session's phase. What the bytes mean is not known here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "session/session.h"

void side_init(struct side *side, uint8_t index);

/* Takes @fd. */
void side_open(struct side *side, int fd, bool is_tcp);

static inline bool side_has_ops(const struct side *side)
{
	return side->recv.in_kernel || side->send.in_kernel || side->cancel_recv.in_kernel ||
	       side->cancel_send.in_kernel;
}

/* ---- asking the kernel: at most one for reading, one for writing ---- */

/* As io_recv(): ends in received, with IO_MORE as often as it says so, or in ended. */
void side_receive(struct side *side, uint32_t credit, bool wait);
/* Ends in readable. */
void side_wait_readable(struct side *side);
/* Ends in writable. */
void side_wait_writable(struct side *side);
/* Ends in connected. @addr is lent to the kernel. */
void side_connect(struct side *side, const struct addr *addr);
/*
 * Sends what waits in side.out, unless a send is under way: ends in sent.
 * True when one is now; false when nothing waits.
 */
bool side_push(struct side *side);

/* Asks for all ops of this side back. */
void side_cancel(struct side *side);
void side_cancel_recv(struct side *side);

/* ---- what goes out ---- */

/* Copies @n bytes into side.out; @owner is the side, as tls/stream.h wants it. 0 or -ENOMEM. */
MUST_CHECK int side_append(void *owner, const void *bytes, size_t n);
/* The same with payload, behind what waits already. Takes @buf. */
void side_queue(struct side *side, struct buf *buf);

/* Payload for this side has come, by whichever transport. */
void side_note_payload(struct side *side);
/* And its socket took @n bytes of it; in TLS, what became of them. */
void side_count_payload(struct side *side, uint64_t n);

/* ---- ends ---- */

/*
 * Closes the socket and drops what waits for it; no op may be in the kernel.
 * The peer sees a clean end only if everything and the end itself were
 * delivered to it; in all other cases a reset.
 */
void side_close(struct side *side);

/* The same with the socket of a try that failed: always a reset. */
void side_abandon(struct side *side);

/* splice(2) waits for nobody only on such sockets; receives then do not wait either. */
void side_set_nonblocking(struct side *side, bool is_nonblocking);

/* Puts the side on the list of those that wait for a buffer, or takes it off and tells it. */
void side_wait_for_buffer(struct side *side);
void side_resume(struct side *side);

#endif
