/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_QUEUED_H
#define DIAL_QUEUED_H

/*
 * The client of a session in the pool's queue, which may wait for long: that
 * it speaks, ends or dies is noticed. What it says stays in its socket, but
 * for the first bytes in TLS, for a close_notify can be told from payload only by decrypting.
 */

#include "session/session.h"

/* It has waited as long as it may. */
void queued_end(struct session *s);
/* The session waits in the queue: watches the client, or closes if it has left already. */
void queued_watch_client(struct session *s);
/* The client's socket has become readable. */
void queued_look_at_client(struct session *s);

#endif
