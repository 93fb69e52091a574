/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_CANCEL_WATCH_H
#define RELAY_CANCEL_WATCH_H

/*
 * Where a request to cancel what a session does is to go: the key that its
 * backend gave it is looked for in what the backend says first. Where that
 * cannot be read, for TLS passes through, the client's address stands for it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "io/buf.h"
#include "protocol/protocol.h"
#include "session/session.h"

/* The session relays: remembers its client, or begins to look for the key, if that is of use. */
void cancel_watch_start(struct session *s);

/* Does it still look? Then bytes may not bypass it. */
static inline bool cancel_watch_is_on(const struct session *s)
{
	return s->protocol && s->protocol->watch;
}

/* Borrows what goes to the client. */
void cancel_watch_look(struct session *s, const struct buf *buf);

/* What stands for its client, where keys cannot be read; 0: nothing does. */
uint64_t cancel_watch_client_hash(const struct session *s);

/* The session ends: it is forgotten. */
void cancel_watch_finish(struct session *s);

#endif
