/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_EARLY_BYTES_H
#define SESSION_EARLY_BYTES_H

/*
 * What a client has said before its session relays: in session.early, until
 * somebody has understood it and a backend can have it. It waits in pieces of
 * just its size (io/buf.h), of which each listener has a share; where that is
 * used up, bytes stay in their sockets.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "io/buf.h"
#include "session/host.h"

static inline struct buf_share *early_share(const struct session *s)
{
	return &s->host->early[s->listener->slot];
}

/* The first span of bytes, which are NULL and 0 when there are none. */
static inline const uint8_t *early_bytes(const struct session *s)
{
	const struct buf *first = s->early.head;

	return first ? (const uint8_t *)first->bytes + first->start : NULL;
}

static inline size_t early_n(const struct session *s)
{
	return s->early.head ? buf_filled(s->early.head) : 0;
}

/*
 * How many bytes may be read of the client now, at most @max: 0 when what is
 * there would find no room. A socket without bytes, which has ended, gives 1.
 */
uint32_t early_room(const struct session *s, uint32_t max);

/*
 * Reads at most @max bytes of the client's socket behind those that are there,
 * into a buffer of the pool, which is to be given back soon: see early_keep().
 * As read(2), or -errno.
 */
MUST_CHECK int early_read(struct session *s, uint32_t max);
/* What is there is kept in a piece. */
void early_keep(struct session *s);
/* Puts @buf, which is taken, behind the rest; in one span with it if that fits. */
void early_append(struct session *s, struct buf *buf);
/* The same with another queue, of what waits for the session to relay. */
void early_append_to(struct session *s, struct buf_queue *q, struct buf *buf);
/* The first @n bytes were dealt with. */
void early_used(struct session *s, size_t n);
void early_drop(struct session *s);

/*
 * A buffer for at least one, at most @n bytes that are said before a session
 * relays, which does not come of those for relaying. While it relays: one of
 * the pool's, or what stands in for it. NULL without memory.
 */
MUST_CHECK struct buf *early_buffer(struct session *s, size_t n);

#endif
