/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_ACK_LOOK_H
#define PROXY_ACK_LOOK_H

/*
 * The directive user_timeout: a TCP peer that leaves something unanswered for
 * so long is dead (net/ack_watch.h says what that is). Looked at are the sides
 * to which bytes went, several times within user_timeout, until all that was
 * sent is acknowledged: an idle session is not looked at. Without user_timeout
 * nobody is.
 */

#include <stdint.h>

#include "proxy/session.h"

/* Bytes, or the end of the stream, were given to the kernel for @side's peer. */
void ack_look_expect(struct side *side);

/* The session begins to relay: whoever was sent something before is looked at from now on. */
void ack_look_start(struct session *s);

/* When the relaying session is to be looked at next; TIMER_NEVER: not before more bytes go out. */
uint64_t ack_look_due_ms(const struct session *s);

/* Looks, if it is time. A dead peer ends as one that the kernel gave up: see lane_side_died(). */
void ack_look(struct session *s);

#endif
