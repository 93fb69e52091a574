/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/ask_around.h"

#include <errno.h>

#include "base/check.h"
#include "proto/pgsql.h"
#include "proxy/cancels.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/side.h"

bool ask_around_needs_clients(const struct listener_config *config)
{
	return config->protocol == PROTOCOL_POSTGRES && config->tls == TLS_MODE_PASSTHROUGH;
}

static uint64_t client_hash(const struct session *s)
{
	struct addr client;

	addr_lengthen(&client, &s->client);
	return cancels_hash_client(s->engine->proxy->cancels, &client, s->listener->index);
}

void ask_around_remember(struct session *s)
{
	s->cancel_hash = client_hash(s);
	if (s->cancel_hash != 0)
		cancels_remember(s->engine->proxy->cancels, s->cancel_hash, s->pool, s->backend);
}

static bool find_next(struct session *s)
{
	return cancels_find(s->engine->proxy->cancels, client_hash(s), s->wanted, &s->pool,
			    &s->wanted);
}

bool ask_around_begin(struct session *s)
{
	s->asks_around = ask_around_needs_clients(s->listener->config) && find_next(s);
	return s->asks_around;
}

/* PostgreSQL has nothing to say to it, and hangs up once it has passed it on. */
static void on_end(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, recv));

	(void)flags;
	if (dial_op_returned(s))
		return;
	if (res < 0)
		dial_failed(s, res);
	else
		dial_leave(s, 0);
}

/* The request stays with the session, for the next backend. */
void ask_around_tell(struct session *s)
{
	struct side *side = &s->sides[SIDE_BACKEND];
	const struct buf *head = side->waiting.head;
	struct pgsql_packet packet;

	CHECK(head);
	if (pgsql_read((const uint8_t *)head->bytes + head->start, buf_filled(head), &packet) !=
	    PARSE_DONE) {
		dial_failed(s, -EPROTO);
		return;
	}
	if (crypt_send(side, head->bytes + head->start, packet.bytes) < 0) {
		dial_failed(s, -ENOBUFS);
		return;
	}
	dial_push(s);
	side->recv.done = on_end;
	io_read(s->engine->ring, &side->recv, side->fd, &s->dial_answer, 1);
}

void ask_around_go_on(struct session *s)
{
	uint64_t until_ms = s->dialing_ms + pool_config(s->pool)->connect_total_ms;

	s->waiter.ask.tried_n = 0;
	if (s->engine->now_ms < until_ms && find_next(s)) {
		dial_next(s);
		return;
	}
	s->lanes[LANE_DOWN].is_clean = true; /* nothing more is to be said */
	s->detail = "cancel request, sent to all backends of its source";
	session_close(s, CLOSE_DONE, BY_BACKEND);
}
