/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_WAITING_H
#define PREREAD_WAITING_H

/*
 * Those of one listener, in one worker, who are being read and have to wait:
 * for handshake_rate, for memory, for the rest of their first message. Where
 * memory is used up, who has sent a part of a message and waits is evicted,
 * the slowest first.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "base/list.h"
#include "session/session.h"

struct waiting {
	struct list for_rate; /* of session.turn: wait for handshake_rate */
	struct list partial;  /* of session.turn: hold a part of a message, oldest first */
	struct list unread;   /* of the client's side.waiting: wait for memory, oldest first */
	struct list busy;     /* on host.waiting_busy: somebody is on for_rate or unread */
};

/* What it waits for, beside its client. */
enum preread_wait {
	WAITS_FOR_CLIENT,
	WAITS_FOR_RATE,
	WAITS_FOR_MEMORY,
	WAITS_FOR_TURN, /* for CPU: see session_wait_for_turn() */
};

/* One for each of @n listeners, by their slots; NULL without memory. To be freed with free(3). */
MUST_CHECK struct waiting *waiting_create(size_t n);

/* What has come is kept in a piece; who has sent a part of a message may be evicted. */
void waiting_for_client(struct session *s);
void waiting_for_memory(struct session *s);
void waiting_for_turn(struct session *s);
/* False: there is no need to wait. */
MUST_CHECK bool waiting_for_rate(struct session *s);
/* Whose fault it is, in words, if it is ours that it waited; or NULL. */
const char *waiting_reason(const struct session *s);

/* Closes it if its client has gone meanwhile. */
MUST_CHECK bool waiting_client_left(struct session *s);

/* Gives the next one who can go on, or NULL. */
MUST_CHECK struct session *waiting_next_by_rate(struct waiting *waiting);
MUST_CHECK struct session *waiting_next_unread(struct waiting *waiting);
/* To be called after those two gave NULL. */
void waiting_update_busy(struct waiting *waiting);

#endif
