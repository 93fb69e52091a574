/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_IDLE_WATCH_H
#define RELAY_IDLE_WATCH_H

/*
 * Is a session idle, so that its end costs nobody anything? Where its protocol
 * can be read (protocol.idle_tail), that is known by the last bytes that its
 * backend has said. What was spliced nobody has read: such a session counts as
 * busy until its backend speaks again.
 */

#include <stdbool.h>

#include "io/buf.h"
#include "protocol/protocol.h"
#include "session/session.h"

/* Borrows what goes to the client. */
void idle_watch_note(struct session *s, const struct buf *buf);

/* Something went by unread. */
static inline void idle_watch_forget(struct session *s)
{
	if (s->protocol)
		s->protocol->tail[PROTOCOL_TAIL_BYTES - 1] = 0;
}

/* False where nobody knows. Asks the kernel, where it is not ruled out before. */
bool idle_watch_is_idle(const struct session *s);

#endif
