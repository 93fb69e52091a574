/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

/* Below a quarter of its buffers a pool is low: see buf_pool_is_low(). */
#define BUF_LOW_PART 4
/* A pool with less than this to give is low however small it is. */
#define BUF_LOW_MIN 32

/* Not received into: see buf_get_to_receive(). A pool of fewer than BUF_KEPT_FROM keeps none. */
#define BUF_KEPT_PART 8
#define BUF_KEPT_MAX 64
#define BUF_KEPT_FROM 64

static void buf_piece_free(struct buf_pool *pool, struct buf *buf);

static void *reserve(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int buf_pool_init(struct buf_pool *pool, unsigned count)
{
	CHECK(count >= BUF_COUNT_MIN);
	CHECK(count <= BUF_COUNT_MAX);

	*pool = (struct buf_pool){
		.count = count,
		.free_n = count,
		.pieces_bytes_max =
			MAX((size_t)count * BUF_BYTES / BUF_PIECES_PART, BUF_PIECES_BYTES_MIN),
	};
	pool->bufs = reserve(count * sizeof(*pool->bufs));
	pool->arena = reserve((size_t)count * BUF_BYTES);
	if (pool->bufs && pool->arena)
		return 0;
	buf_pool_finish(pool);
	return -ENOMEM;
}

void buf_pool_finish(struct buf_pool *pool)
{
	CHECK(pool->free_n == pool->count);
	CHECK(pool->pieces_bytes + pool->spare.bytes == 0);
	if (pool->bufs)
		munmap(pool->bufs, pool->count * sizeof(*pool->bufs));
	if (pool->arena)
		munmap(pool->arena, (size_t)pool->count * BUF_BYTES);
	*pool = (struct buf_pool){ 0 };
}

/* A buffer that was never used: its memory is touched from now on. */
static struct buf *buf_first_use(struct buf_pool *pool)
{
	struct buf *buf;

	if (pool->touched == pool->count)
		return NULL;
	buf = &pool->bufs[pool->touched];
	buf->id = (uint16_t)pool->touched;
	buf->bytes = pool->arena + (size_t)pool->touched * BUF_BYTES;
	buf->size = BUF_BYTES;
	pool->touched++;
	return buf;
}

struct buf *buf_get(struct buf_pool *pool)
{
	struct buf *buf = pool->free;

	if (buf)
		pool->free = buf->next;
	else
		buf = buf_first_use(pool);
	if (!buf)
		return NULL;
	CHECK(!buf->is_held);
	pool->free_n--;
	buf->next = NULL;
	buf->start = buf->end = 0;
	buf->is_held = true;
	buf->is_lent = false;
	return buf;
}

unsigned buf_pool_to_receive(const struct buf_pool *pool)
{
	unsigned kept = 0;

	if (pool->count >= BUF_KEPT_FROM)
		kept = MIN(pool->count / BUF_KEPT_PART, BUF_KEPT_MAX);
	return pool->free_n > kept ? pool->free_n - kept : 0;
}

struct buf *buf_get_to_receive(struct buf_pool *pool)
{
	return buf_pool_to_receive(pool) > 0 ? buf_get(pool) : NULL;
}

void buf_put(struct buf_pool *pool, struct buf *buf)
{
	CHECK(buf->is_held);
	if (buf->share) {
		buf_piece_free(pool, buf);
		return;
	}
	buf->is_held = false;
	buf->next = pool->free;
	pool->free = buf;
	pool->free_n++;
}

/* ---- pieces -------------------------------------------------------------- */

/* What a piece takes of the heap, with what the heap takes for itself. */
static size_t piece_bytes(uint32_t size)
{
	return sizeof(struct buf) + size + 2 * sizeof(void *);
}

static void buf_piece_free(struct buf_pool *pool, struct buf *buf)
{
	size_t bytes = piece_bytes(buf->size);

	CHECK(buf->share->bytes >= bytes);
	buf->share->bytes -= bytes;
	if (buf->share != &pool->spare)
		pool->pieces_bytes -= bytes;
	free(buf);
}

size_t buf_piece_room(const struct buf_pool *pool, const struct buf_share *share)
{
	size_t taken = pool->pieces_bytes + share->bytes + piece_bytes(0);

	return taken < pool->pieces_bytes_max ? pool->pieces_bytes_max - taken : 0;
}

struct buf *buf_piece(struct buf_pool *pool, struct buf_share *share, uint32_t size)
{
	struct buf *buf = malloc(sizeof(*buf) + size);

	if (!buf)
		return NULL;
	*buf = (struct buf){
		.bytes = (char *)(buf + 1),
		.share = share,
		.size = size,
		.is_held = true,
	};
	share->bytes += piece_bytes(size);
	if (share != &pool->spare)
		pool->pieces_bytes += piece_bytes(size);
	return buf;
}

struct buf *buf_get_or_piece(struct buf_pool *pool, struct buf_share *share)
{
	struct buf *buf = buf_get(pool);

	return buf ? buf : buf_piece(pool, share, BUF_BYTES);
}

struct buf *buf_shrink(struct buf_pool *pool, struct buf_share *share, struct buf *buf)
{
	uint32_t n = buf_filled(buf);
	struct buf *piece;

	if (buf->share && buf->size == n)
		return buf;
	piece = buf_piece(pool, share, n);
	if (!piece)
		return buf;
	memcpy(piece->bytes, buf->bytes + buf->start, n);
	piece->end = n;
	buf_put(pool, buf);
	return piece;
}

/* ---- the kernel's -------------------------------------------------------- */

struct buf *buf_received(struct buf_pool *pool, int res, unsigned flags)
{
	unsigned id = flags >> 16;
	struct buf *buf;

	CHECK(id < pool->touched);
	CHECK(res >= 0);
	CHECK(res <= BUF_RECEIVE_BYTES);
	buf = &pool->bufs[id];
	CHECK(buf->is_held);
	CHECK(buf->end == 0);
	buf->end = (uint32_t)res;
	return buf;
}

bool buf_pool_is_low(const struct buf_pool *pool)
{
	return pool->free_n < MAX(pool->count / BUF_LOW_PART, BUF_LOW_MIN);
}

void buf_queue_append(struct buf_queue *q, struct buf *buf)
{
	CHECK(buf_filled(buf) > 0);
	CHECK(!buf->next);
	if (q->tail)
		q->tail->next = buf;
	else
		q->head = buf;
	q->tail = buf;
	q->bytes += buf_filled(buf);
}

static struct buf *buf_queue_unlink(struct buf_queue *q)
{
	struct buf *buf = q->head;

	q->head = buf->next;
	if (!q->head)
		q->tail = NULL;
	buf->next = NULL;
	return buf;
}

struct buf *buf_queue_take(struct buf_queue *q)
{
	if (!q->head)
		return NULL;
	q->bytes -= buf_filled(q->head);
	return buf_queue_unlink(q);
}

void buf_queue_sent(struct buf_queue *q, struct buf_pool *pool, uint32_t n)
{
	CHECK(n <= q->bytes);
	q->bytes -= n;
	while (n > 0) {
		uint32_t part = MIN(n, buf_filled(q->head));

		q->head->start += part;
		n -= part;
		if (buf_filled(q->head) == 0)
			buf_put(pool, buf_queue_unlink(q));
	}
}

void buf_queue_clear(struct buf_queue *q, struct buf_pool *pool)
{
	while (q->head)
		buf_put(pool, buf_queue_unlink(q));
	q->bytes = 0;
}
