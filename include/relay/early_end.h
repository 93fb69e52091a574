/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_EARLY_END_H
#define RELAY_EARLY_END_H

/*
 * A backend that takes connections and serves nobody: it ends a session at
 * once without a byte, or the first that it says is that it takes nobody in.
 * The pool hears of that, and of the first who is served again.
 */

#include "io/buf.h"
#include "session/session.h"

/* The session relays from now on. */
void early_end_watch(struct session *s);

/*
 * Borrows what the backend says; only the first of it is looked at. Where that is the beginning of
 * an error, whose rest comes later, it counts as nothing said: the end that follows tells.
 */
void early_end_look(struct session *s, const struct buf *buf);

/* It has said something that nobody looks at. */
void early_end_note_answer(struct session *s);

/* The backend ends its stream, or its connection. */
void early_end_note(struct session *s);

#endif
