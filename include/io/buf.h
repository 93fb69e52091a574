/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_BUF_H
#define IO_BUF_H

/*
 * The buffers of one worker. No buffer belongs to an idle session: the kernel
 * takes one when bytes arrive, the session holds it until they are sent, and
 * the pool gives out the buffer that came back last, so that few sessions
 * touch little memory however large the pool is.
 *
 *   free (pool) -> offered (kernel) -> filled (session's queue) -> free
 *
 * Not thread-safe: one worker owns a pool and all its buffers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

/*
 * What is received into a buffer at most, which becomes one TLS record, and
 * room for its header and tag. Not a power of two: buffers of 16 kB would all
 * begin in the same few sets of the CPU's cache.
 */
#define BUF_RECEIVE_BYTES 16384
#define BUF_BYTES (BUF_RECEIVE_BYTES + 1024)
#define BUF_COUNT_MAX 65535 /* the kernel counts buffers with 16 bits */
#define BUF_COUNT_MIN 4

struct buf {
	struct buf *next;
	char *bytes;         /* BUF_BYTES of them */
	uint32_t start, end; /* those between are filled and not yet sent */
	uint16_t id;
	bool is_held; /* by a session or by the kernel, not by the pool */
	bool is_lent; /* to a send, which may have sent a part: nothing is added to it any more */
};

struct buf_pool {
	struct buf *bufs;
	char *arena;
	struct buf *free;
	unsigned count, touched, free_n;
};

/* Reserves @count buffers; memory is touched as they are used. 0 or -ENOMEM. */
MUST_CHECK int buf_pool_init(struct buf_pool *pool, unsigned count);
/* All buffers must be back. Accepts a pool of zeroes. */
void buf_pool_finish(struct buf_pool *pool);

/* Gives an empty buffer, to be returned by buf_put(), or NULL when none is left. */
MUST_CHECK struct buf *buf_get(struct buf_pool *pool);
/* The same for receiving into: some stay, for what has to be made of what was received (TLS). */
MUST_CHECK struct buf *buf_get_to_receive(struct buf_pool *pool);
/* How many buf_get_to_receive() would give now. */
unsigned buf_pool_to_receive(const struct buf_pool *pool);
void buf_put(struct buf_pool *pool, struct buf *buf);

/* The filled buffer that a receive completion with IO_HAS_BUFFER speaks of. */
struct buf *buf_received(struct buf_pool *pool, int res, unsigned flags);

/* Is the pool so low that a session must not hold what it cannot send at once? */
bool buf_pool_is_low(const struct buf_pool *pool);

static inline uint32_t buf_filled(const struct buf *buf)
{
	return buf->end - buf->start;
}

/* Bytes in the order in which they arrived. Set to zeroes before first use. */
struct buf_queue {
	struct buf *head, *tail;
	uint32_t bytes;
};

static inline bool buf_queue_is_empty(const struct buf_queue *q)
{
	return !q->head;
}

/* Takes @buf, which holds at least one byte. */
void buf_queue_append(struct buf_queue *q, struct buf *buf);
/* Takes @buf to the front, before bytes that wait already. */
void buf_queue_prepend(struct buf_queue *q, struct buf *buf);
/* Gives the first buffer, which is now the caller's, or NULL. */
struct buf *buf_queue_take(struct buf_queue *q);
/* Drops the first @n bytes, which were sent; gives emptied buffers back to @pool. */
void buf_queue_sent(struct buf_queue *q, struct buf_pool *pool, uint32_t n);
/* Drops everything. No buffer of it may be with the kernel. */
void buf_queue_clear(struct buf_queue *q, struct buf_pool *pool);

#endif
