/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/early_bytes.h"

#include <errno.h>
#include <string.h>

#include "net/sock.h"

/* Room for what is sent before a session relays: the messages of a handshake. */
#define EARLY_MESSAGE_BYTES 4096

uint32_t early_room(const struct session *s, uint32_t max)
{
	size_t room = buf_piece_room(&s->host->loop.bufs, early_share(s));
	uint32_t unread;

	if (room >= max)
		return max;
	unread = (uint32_t)sock_unread_bytes(s->sides[SIDE_CLIENT].fd);
	max = MIN(max, MAX(unread, 1));
	return room >= max ? max : 0;
}

static void move_bytes(struct buf *to, const struct buf *from)
{
	memcpy(to->bytes + to->end, from->bytes + from->start, buf_filled(from));
	to->end += buf_filled(from);
}

int early_read(struct session *s, uint32_t max)
{
	struct buf_pool *pool = &s->host->loop.bufs;
	struct buf *buf = buf_get_or_piece(pool, early_share(s));
	int n;

	if (!buf)
		return -ENOMEM;
	if (s->early.head)
		move_bytes(buf, s->early.head);
	early_drop(s);
	n = sock_read(s->sides[SIDE_CLIENT].fd, buf->bytes + buf->end, MIN(max, buf_room(buf)));
	buf->end += (uint32_t)MAX(n, 0);
	if (buf->end > 0)
		buf_queue_append(&s->early, buf);
	else
		buf_put(pool, buf);
	return n;
}

void early_keep(struct session *s)
{
	struct buf *first = buf_queue_take(&s->early);

	if (first)
		buf_queue_append(&s->early, buf_shrink(&s->host->loop.bufs, early_share(s), first));
}

/* Gives one piece for both, or NULL where they do not fit, or there is no memory. */
static struct buf *join_pieces(struct session *s, const struct buf *a, const struct buf *b)
{
	uint32_t n = buf_filled(a) + buf_filled(b);
	struct buf *both = NULL;

	if (n <= BUF_BYTES)
		both = buf_piece(&s->host->loop.bufs, early_share(s), n);
	if (!both)
		return NULL;
	move_bytes(both, a);
	move_bytes(both, b);
	return both;
}

void early_append(struct session *s, struct buf *buf)
{
	early_append_to(s, &s->early, buf);
}

void early_append_to(struct session *s, struct buf_queue *q, struct buf *buf)
{
	struct buf_pool *pool = &s->host->loop.bufs;
	struct buf *both = q->head && q->head == q->tail ? join_pieces(s, q->head, buf) : NULL;

	if (both) {
		buf_queue_clear(q, pool);
		buf_put(pool, buf);
		buf_queue_append(q, both);
	} else {
		buf_queue_append(q, buf_shrink(pool, early_share(s), buf));
	}
}

void early_used(struct session *s, size_t n)
{
	buf_queue_sent(&s->early, &s->host->loop.bufs, (uint32_t)n);
}

void early_drop(struct session *s)
{
	buf_queue_clear(&s->early, &s->host->loop.bufs);
}

struct buf *early_buffer(struct session *s, size_t n)
{
	struct buf_pool *pool = &s->host->loop.bufs;

	if (session_relays(s))
		return buf_get_or_piece(pool, &pool->spare);
	return buf_piece(pool, early_share(s),
			 (uint32_t)MIN(MAX(n, EARLY_MESSAGE_BYTES), BUF_BYTES));
}
