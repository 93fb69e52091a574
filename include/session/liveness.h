/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_LIVENESS_H
#define SESSION_LIVENESS_H

/*
 * The directive user_timeout: a TCP peer that leaves something unanswered for
 * so long is dead (net/ack_watch.h says what that is). Looked at are the sides
 * to which bytes went, several times within user_timeout, until all that was
 * sent is acknowledged: an idle session is not looked at. Without user_timeout
 * nobody is.
 */

#include <stdint.h>

#include "base/def.h"
#include "session/session.h"

/* Bytes, or the end of the stream, were given to the kernel for @side's peer. */
void liveness_expect(struct side *side);

/* The session begins to relay: whoever was sent something before is looked at from now on. */
void liveness_start(struct session *s);

/* When the relaying session is to be looked at next; TIMER_NEVER: not before more bytes go out. */
uint64_t liveness_due_ms(const struct session *s);

/*
 * Looks, if it is time. Gives a side whose peer is dead, or NULL: the kernel
 * has not given it up yet, and would go on waiting.
 */
MUST_CHECK struct side *liveness_look(struct session *s);

#endif
