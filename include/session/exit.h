/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_EXIT_H
#define SESSION_EXIT_H

/*
 * The phases of a session, and the one way out of them:
 *
 *   free -> preread -> dialing -> relaying -> closing -> free
 *              ^        |   ^                   ^
 *              |        v   |                   |
 *              '--- negotiating    refusing ----'
 *
 * Dialing also goes to cancelling and that back to it: one that relays nothing.
 * Refusing is entered by refusing_begin() only (session/refusing.h), from any
 * of the others.
 */

#include <stdbool.h>

#include "base/def.h"
#include "session/session.h"

/* The only function that changes a session's phase; the next one's handlers are told. */
void session_enter(struct session *s, enum session_phase next);

/*
 * The only way out, for every reason; the first reason counts. Safe to call
 * twice and from inside any callback: nothing is freed here. When the kernel
 * has given back every op the session is on host.reapable.
 */
void session_close(struct session *s, enum close_reason why, enum close_by by);

/* Notes why it will end, while something is still to be delivered; the first reason counts. */
void session_note_end(struct session *s, enum close_reason why, enum close_by by);

static inline bool session_is_ending(const struct session *s)
{
	return s->why != CLOSE_NONE;
}

/*
 * The connection of @side is gone with @err, a negative errno: notes that, and
 * why the session ends by it; *closes* the session unless it relays, for then
 * there is something to deliver.
 */
void session_peer_failed(struct side *side, int err);

/* Of the closing phase. */
extern const struct phase_handlers exit_handlers;

/* It waits for a backend in the pool's queue; no longer, as the pool knows; nobody wants it to. */
void session_enter_queue(struct session *s);
void session_note_out_of_queue(struct session *s);
void session_leave_queue(struct session *s);

/* Does the kernel hold nothing of it? */
bool session_is_idle(const struct session *s);

#endif
