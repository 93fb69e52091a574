/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_GREET_QUEUE_H
#define PROXY_GREET_QUEUE_H

/*
 * Those who greet on one listener, in one worker, and have to wait: for
 * handshake_rate, for memory, for the rest of their first message.
 *
 * What they have said waits in pieces (io/buf.h), of which each listener has a
 * share. Where that is used up bytes stay in their sockets, and who has said a
 * part of a message and waits is evicted, the slowest first.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/list.h"
#include "io/buf.h"

struct engine;
struct session;

struct greet_queue {
	struct buf_share share;
	struct list line;      /* of session.handshake: wait for handshake_rate */
	struct list half_said; /* of session.handshake: hold a part of a message, oldest first */
	struct list unread;    /* of the client's side.starved: wait for memory, oldest first */
	struct list busy;      /* on engine.greet_queues_busy: somebody is in line or unread */
};

/* What a greeting waits for, beside its client. */
enum greet_wait {
	GREET_WAITS_FOR_CLIENT,
	GREET_WAITS_FOR_RATE,
	GREET_WAITS_FOR_MEMORY,
	GREET_WAITS_FOR_TURN, /* for CPU: see engine.handshakes_new */
};

/* One for each of @n listeners, by their index; NULL without memory. To be freed with free(3). */
MUST_CHECK struct greet_queue *greet_queues_create(size_t n);

/* Lets those go on who can. For the engine, in each turn in which there is somebody. */
void greet_queues_work(struct engine *engine);

struct greet_queue *greet_queue_of(const struct session *s);

/* What has come of @s is kept in a piece. */
void greet_queue_keep(struct session *s);
/* The same, of one who has said a part of a message and waits for more. */
void greet_queue_wait_for_client(struct session *s);
void greet_queue_wait_for_memory(struct session *s);
/* Closes it if its client has gone meanwhile. */
MUST_CHECK bool greet_queue_is_left(struct session *s);
/* For handshake_rate, if its listener has one; false: there is no need to wait. */
MUST_CHECK bool greet_queue_wait_for_rate(struct session *s);

/*
 * How many bytes may be read of the client now, at most @max: 0 when what is
 * there would find no room. A socket without bytes, which has ended, gives 1.
 */
uint32_t greet_queue_room(const struct session *s, uint32_t max);

#endif
