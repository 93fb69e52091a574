/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_DEADLINE_H
#define RELAY_DEADLINE_H

/*
 * When a relaying session is to be looked at, and why. Bytes that move do not
 * move its timer: when it fires it is looked whether they did.
 */

#include <stdbool.h>
#include <stdint.h>

#include "session/session.h"

/* What is due. */
enum deadline {
	DEADLINE_NOTHING,  /* bytes have moved: set it again */
	DEADLINE_PROBE,    /* it is quiet: have its sockets died? See relay.c */
	DEADLINE_DELIVERY, /* its end was noted: has what came before it been delivered? */
};

/* Sets the timer to what the session waits for next. */
void deadline_set(struct session *s);
enum deadline deadline_due(const struct session *s);

/*
 * Bytes moved. @wants_probe: by a request that may not tell when the side dies
 * next, so the session has to be looked at when it has become quiet.
 */
void deadline_moved(struct session *s, bool wants_probe);

/* Has it been quiet, or its client silent, for longer than it may? Why it ends, or CLOSE_NONE. */
enum close_reason deadline_reason(const struct session *s);

/* Is it time to call it established, and to spend more on it? */
bool deadline_establishes(const struct session *s);

/* Has what came before the end had its time? */
bool deadline_is_past_delivery(struct session *s);

#endif
