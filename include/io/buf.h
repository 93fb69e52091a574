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
 * What has to wait for something else than its destination's socket, because
 * its session does not relay yet, waits in pieces: buffers on the heap that
 * are no larger than what is in them. They are the same struct, and all that
 * takes a buffer takes a piece.
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

/*
 * What pieces may take: this part of the pool's buffers as much again, or so
 * much where that is less. See buf_piece_room().
 */
#define BUF_PIECES_PART 4
#define BUF_PIECES_BYTES_MIN (256 * 1024)

/* Those who share the heap's bytes with the others: what their pieces take now. */
struct buf_share {
	size_t bytes;
};

struct buf {
	struct buf *next;
	char *bytes;
	struct buf_share *share; /* of a piece; NULL: one of the pool's */
	uint32_t size;           /* room for so many bytes: BUF_BYTES, or what a piece has */
	uint32_t start, end;     /* those between are filled and not yet sent */
	uint16_t id;
	bool is_held; /* by a session or by the kernel, not by the pool */
	bool is_lent; /* to a send, which may have sent a part: nothing is added to it any more */
};

struct buf_pool {
	struct buf *bufs;
	char *arena;
	struct buf *free;
	unsigned count, touched, free_n;
	size_t pieces_bytes, pieces_bytes_max; /* of all shares but the spare one */
	struct buf_share spare;
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
/* Takes a buffer, or a piece, which is freed. */
void buf_put(struct buf_pool *pool, struct buf *buf);

/*
 * Pieces of the share pool.spare count for no other: they stand in for
 * buffers where one that is relayed through cannot wait for one.
 *
 * Bytes that may still be put into pieces of @share. A share may grow as long
 * as it is smaller than what is left for all: however much one of them wants,
 * there is room for another.
 */
size_t buf_piece_room(const struct buf_pool *pool, const struct buf_share *share);
/* Gives an empty piece for @size bytes, whether there is room or not; NULL without memory. */
MUST_CHECK struct buf *buf_piece(struct buf_pool *pool, struct buf_share *share, uint32_t size);
/* A buffer of the pool's or, when none is left, as large a piece; NULL without memory. */
MUST_CHECK struct buf *buf_get_or_piece(struct buf_pool *pool, struct buf_share *share);
/* Takes @buf, gives a piece with its bytes; where there is no memory, @buf itself. */
MUST_CHECK struct buf *buf_shrink(struct buf_pool *pool, struct buf_share *share, struct buf *buf);

/* The filled buffer that a receive completion with IO_HAS_BUFFER speaks of. */
struct buf *buf_received(struct buf_pool *pool, int res, unsigned flags);

/* Is the pool so low that a session must not hold what it cannot send at once? */
bool buf_pool_is_low(const struct buf_pool *pool);

static inline uint32_t buf_filled(const struct buf *buf)
{
	return buf->end - buf->start;
}

/* For bytes behind those that are there. */
static inline uint32_t buf_room(const struct buf *buf)
{
	return buf->size - buf->end;
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
/* Gives the first buffer, which is now the caller's, or NULL. */
struct buf *buf_queue_take(struct buf_queue *q);
/* Drops the first @n bytes, which were sent; gives emptied buffers back to @pool. */
void buf_queue_sent(struct buf_queue *q, struct buf_pool *pool, uint32_t n);
/* Drops everything. No buffer of it may be with the kernel. */
void buf_queue_clear(struct buf_queue *q, struct buf_pool *pool);

#endif
