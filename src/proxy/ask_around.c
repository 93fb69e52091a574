/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/ask_around.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "proxy/cancels.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/lane.h"
#include "proxy/side.h"
#include "tls/stream.h"

/* So often one that waits for its turn at a backend looks whether it has come. */
#define TURN_PAUSE_MS 10

/* How long a client may take to read that it is over. */
#define LAST_WORDS_MS 1000

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

bool ask_around_begin(struct session *s, const struct pgsql_key *key)
{
	struct cancels *cancels = s->engine->proxy->cancels;

	s->is_cancel = true;
	if (cancels_find(cancels, cancels_hash(cancels, key), NULL, &s->pool, &s->wanted))
		return true;
	s->asks_around = ask_around_needs_clients(s->listener->config) && find_next(s);
	return s->asks_around;
}

static uint64_t all_until_ms(const struct session *s)
{
	return s->dialing_ms + pool_config(s->pool)->connect_total_ms;
}

/* ---- one backend --------------------------------------------------------- */

static void on_readable(struct io_op *op, int res, unsigned flags);

static void wait_for_end(struct session *s)
{
	struct side *side = &s->sides[SIDE_BACKEND];

	side->recv.done = on_readable;
	io_poll(s->engine->ring, &side->recv, side->fd, POLLIN | POLLRDHUP);
}

/* PostgreSQL has nothing to say to it, TLS may have; and hangs up once it has passed it on. */
static void on_readable(struct io_op *op, int res, unsigned flags)
{
	struct side *side = container_of(op, struct side, recv);
	struct session *s = side_session(side);
	char unheard[4096];
	ssize_t n;

	(void)flags;
	if (dial_op_returned(s))
		return;
	n = res < 0 ? 0 : recv(side->fd, unheard, sizeof(unheard), MSG_DONTWAIT);
	if (res < 0)
		dial_failed(s, res);
	else if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		wait_for_end(s);
	else
		dial_leave(s, n < 0 ? -errno : 0);
}

/* 0 or -errno. */
static int send_to(struct side *side, const void *bytes, size_t n)
{
	int err = side->tls ? tls_stream_write(side->tls, bytes, n) == TLS_DONE ? 0 : -EPROTO
			    : crypt_send(side, bytes, n);

	if (err == 0)
		lane_count(side_sink_of(side), n);
	return err;
}

/* The request stays with the session, for the next backend. */
void ask_around_tell(struct session *s)
{
	struct side *side = &s->sides[SIDE_BACKEND];
	const struct buf *head = side->waiting.head;
	struct pgsql_packet packet;
	int err;

	CHECK(head);
	if (pgsql_read((const uint8_t *)head->bytes + head->start, buf_filled(head), &packet) !=
	    PARSE_DONE) {
		dial_failed(s, -EPROTO);
		return;
	}
	err = send_to(side, head->bytes + head->start, packet.bytes);
	if (err < 0) {
		dial_failed(s, err);
		return;
	}
	if (!s->asks_around) /* nobody waits for its turn behind this one, which may be busy */
		dial_extend(s, all_until_ms(s));
	dial_push(s);
	wait_for_end(s);
}

/* ---- all of them --------------------------------------------------------- */

static const char *detail_of(const struct session *s)
{
	if (!s->asks_around)
		return "cancel request";
	return s->dial_error == 0 ? "cancel request, sent to all backends of its source"
				  : "cancel request, not heard by all backends of its source";
}

static void close_told(struct session *s)
{
	s->lanes[LANE_DOWN].is_clean = true; /* nothing more is to be said */
	s->detail = detail_of(s);
	session_close(s, CLOSE_DONE, BY_BACKEND);
}

/* In TLS the end is a message, which is sent before the connection ends. */
static void finish(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct engine *e = s->engine;

	s->waiter.ask.tried_n = 0; /* no try has failed */
	if (!client->tls || crypt_close(client)) {
		close_told(s);
		return;
	}
	if (s->phase != SESSION_DIALING)
		return; /* there was no memory for it */
	s->is_told = true;
	timer_set(&e->timers, &s->timer, e->now_ms + LAST_WORDS_MS);
}

void ask_around_on_sent(struct session *s)
{
	if (s->is_told && s->phase == SESSION_DIALING)
		close_told(s);
}

void ask_around_go_on(struct session *s)
{
	if (s->asks_around) {
		s->waiter.ask.tried_n = 0;
		if (s->engine->now_ms < all_until_ms(s) && find_next(s))
			dial_next(s);
		else
			finish(s);
	} else if (s->dial_error == 0) {
		finish(s);
	} else {
		dial_next(s);
	}
}

/*
 * Half of the time is for waiting and half for the backend: else all who wait
 * would connect in the last moments, one after the other, and be heard by nobody.
 */
void ask_around_wait(struct session *s)
{
	uint64_t turn_until_ms = s->dialing_ms + pool_config(s->pool)->connect_total_ms / 2;
	struct engine *e = s->engine;

	if (e->now_ms < turn_until_ms) {
		timer_set(&e->timers, &s->timer, MIN(e->now_ms + TURN_PAUSE_MS, turn_until_ms));
		return;
	}
	s->detail = "too many cancel requests at once";
	session_close(s, CLOSE_BACKENDS_FULL, BY_RINGMAIN);
}

void ask_around_on_timer(struct session *s)
{
	if (s->is_told)
		close_told(s);
	else
		dial_next(s);
}
