/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_REFUSING_H
#define SESSION_REFUSING_H

/*
 * The refusing phase: a client that no backend will have is told why, in its
 * protocol's words or in an alert, and reads that before its connection ends
 * with a FIN; what it still sends is dropped. It has a second for it. Sessions
 * that are to end while they are idle come here, too.
 */

#include "session/session.h"
#include "state/reason.h"

extern const struct phase_handlers refusing_handlers;

/* What waits for the client is sent, then it ends. Closes the session where nothing does. */
void refusing_begin(struct session *s, enum close_reason why, enum close_by by);

/*
 * The same for one that waits for a backend: the protocol's own error is said
 * first, if its client can understand one now. All others are reset.
 */
void refusing_tell(struct session *s, enum close_reason why, enum close_by by);

/*
 * The same when the pool has none for it, in its dialing phase. To a request
 * for TLS an error cannot be the answer: it is no, and the error follows when
 * the client says who it is.
 */
void refusing_unserved(struct session *s, enum close_reason why, enum close_by by);

/*
 * For one that relays, and whose client has broken TLS's rules: the alert,
 * which is in side.out, is read in peace, and the backend is reset then.
 */
void refusing_alerted(struct session *s, enum close_reason why);

/* Puts the last @n bytes for @client into side.out, encrypted where it has TLS. 0 or -errno. */
MUST_CHECK int refusing_say(struct side *client, const void *bytes, size_t n);

/*
 * One that relays and is idle (relay/idle_watch.h) parts in peace: client and
 * backend are told in the protocol's words.
 */
void refusing_part(struct session *s, enum close_reason why);

#endif
