/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/queued.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/sock.h"
#include "relay/early_tls.h"
#include "session/conn_info.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/refusing.h"
#include "session/side.h"

static bool has_spoken(const struct session *s)
{
	return !buf_queue_is_empty(&s->early);
}

/* A client that ends its stream while it is queued, and has sent nothing, has left. */
static void client_ended(struct session *s)
{
	if (s->is_queued && !has_spoken(s))
		session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
}

static void read_first_bytes(struct session *s)
{
	struct buf_pool *pool = &s->host->loop.bufs;
	struct buf *buf = buf_get_or_piece(pool, early_share(s));
	int n = 0;

	if (!buf) /* there is no memory for it: it is looked at now and then */
		return;
	n = sock_read(s->sides[SIDE_CLIENT].fd, buf->bytes, early_room(s, buf_room(buf)));
	if (n > 0)
		early_tls_received(s, buf->bytes, (size_t)n);
	buf_put(pool, buf);
	if (n > 0 && s->is_queued && !has_spoken(s))
		queued_watch_client(s);
}

/* A session that was held until its time was over ends for the reason of its last try. */
void queued_end(struct session *s)
{
	enum close_reason why = CLOSE_QUEUE_TIMEOUT;

	if (s->waiter.node.is_held) {
		conn_info_note_detail(s, "the hold is over");
		why = s->dial_error < 0 ? reason_of_connect(s->dial_error) : CLOSE_NO_BACKEND;
	}
	refusing_unserved(s, why, BY_RINGMAIN);
}

void queued_watch_client(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];

	if (s->lanes[LANE_UP].state != LANE_OPEN)
		client_ended(s);
	else if (!client->recv.in_kernel)
		side_wait_readable(client);
}

void queued_look_at_client(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		queued_watch_client(s);
	} else if (n < 0 || sock_is_gone(client->fd)) {
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	} else if (client->tls && n == 0) {
		early_tls_truncated(s);
		client_ended(s);
	} else if (n == 0) {
		client_ended(s);
	} else if (client->tls && !has_spoken(s)) {
		read_first_bytes(s);
	}
}
