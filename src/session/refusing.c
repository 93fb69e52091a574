/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/refusing.h"

#include <errno.h>
#include <sys/socket.h>

#include "net/sock.h"
#include "net/sock_error.h"
#include "protocol/protocol.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/side.h"
#include "tls/stream.h"

/* How long a client that was refused may take to read why. */
#define FLUSH_MS 1000

static struct side *client_side(struct session *s)
{
	return &s->sides[SIDE_CLIENT];
}

static void refusing_entered(struct session *s)
{
	struct loop *loop = &s->host->loop;

	list_remove(&s->turn);
	for (int n = 0; n < SIDES; n++)
		list_remove(&s->sides[n].waiting);
	session_leave_queue(s);
	early_drop(s);
	timer_set(&loop->timers, &s->timer, loop->now_ms + FLUSH_MS);
	if (!client_side(s)->recv.in_kernel)
		side_wait_readable(client_side(s));
}

void refusing_begin(struct session *s, enum close_reason why, enum close_by by)
{
	if (!side_push(client_side(s))) {
		session_close(s, why, by);
		return;
	}
	session_note_end(s, why, by);
	session_enter(s, SESSION_REFUSING);
}

void refusing_alerted(struct session *s, enum close_reason why)
{
	s->lanes[LANE_UP].is_cut = true;
	(void)side_push(&s->sides[SIDE_BACKEND]); /* what came before is the backend's */
	refusing_begin(s, why, BY_CLIENT);
}

/* ---- in the protocol's words --------------------------------------------- */

int refusing_say(struct side *client, const void *bytes, size_t n)
{
	if (!client->tls)
		return side_append(client, bytes, n);
	client->is_tls_closed = true;
	if (tls_stream_write(client->tls, bytes, n) == TLS_DONE &&
	    tls_stream_close(client->tls) == TLS_DONE)
		return 0;
	return -EPROTO;
}

/* What a backend has said to it, if that is why, or an error of our own. */
static int say_why(struct session *s, enum close_reason why)
{
	/* A refusal was read to its end; of another answer a part may have come. */
	const struct buf *theirs =
		sock_fault_of(s->dial_error) == SOCK_FAULT_LOGIN ? s->protocol->answer.head : NULL;
	uint8_t bytes[STEP_SAY_BYTES_MAX];
	size_t n;

	if (theirs)
		return refusing_say(client_side(s), theirs->bytes + theirs->start,
				    buf_filled(theirs));
	s->protocol->is_full = why == CLOSE_BACKENDS_FULL;
	n = s->listener->protocol->write_unavailable(s->protocol, bytes);
	return refusing_say(client_side(s), bytes, n);
}

/* Has it said what a server answers with an error, or with success? */
static bool waits_for_answer(const struct session *s)
{
	return session_handlers(s)->seeks_backend && s->protocol &&
	       s->protocol->exchange == EXCHANGE_LOGIN && !s->protocol->is_cancel;
}

/* It reads the no, and may say who it is: the preread reads that, and has the error for it. */
static void refuse_tls(struct session *s, enum close_reason why, enum close_by by)
{
	if (say_why(s, why) < 0) {
		session_close(s, why, by);
		return;
	}
	(void)side_push(client_side(s));
	session_note_end(s, why, by);
	session_leave_queue(s);
	early_drop(s);
	timer_stop(&s->host->loop.timers, &s->timer);
	s->protocol->exchange = EXCHANGE_NONE;
	s->protocol->is_unserved = true;
	session_enter(s, SESSION_PREREAD);
}

void refusing_unserved(struct session *s, enum close_reason why, enum close_by by)
{
	if (s->protocol && s->protocol->exchange == EXCHANGE_TLS)
		refuse_tls(s, why, by);
	else
		refusing_tell(s, why, by);
}

void refusing_tell(struct session *s, enum close_reason why, enum close_by by)
{
	if (waits_for_answer(s) && say_why(s, why) == 0)
		refusing_begin(s, why, by);
	else
		session_close(s, why, by);
}

/* ringmain's own words are no payload. */
static int say_own(struct side *side, const void *bytes, size_t n)
{
	int err = refusing_say(side, bytes, n);

	side->own_bytes = (uint16_t)(side->tls ? 0 : side->out.bytes);
	return err;
}

void refusing_part(struct session *s, enum close_reason why)
{
	const struct protocol *protocol = s->listener->protocol;
	struct side *backend = &s->sides[SIDE_BACKEND];
	uint8_t bytes[STEP_SAY_BYTES_MAX];

	if (say_own(backend, bytes, protocol->write_terminate(bytes)) < 0 ||
	    say_own(client_side(s), bytes, protocol->write_shutdown(bytes)) < 0) {
		session_close(s, why, BY_RINGMAIN);
		return;
	}
	(void)side_push(backend);
	refusing_begin(s, why, BY_RINGMAIN);
}

/* ---- what the ops have come to ------------------------------------------- */

static void refusing_finish(struct session *s)
{
	session_close(s, s->why, s->by);
}

/* A backend may still be there when the process ends: nobody waits for it. */
static void refusing_readable(struct side *side, int err)
{
	struct session *s = side_session(side);
	char unheard[4096];
	int n;

	if (side->index != SIDE_CLIENT)
		return;
	n = err < 0 ? err : sock_read(side->fd, unheard, sizeof(unheard));
	if (n > 0 || n == -EAGAIN || n == -EINTR)
		side_wait_readable(side);
	else
		refusing_finish(s);
}

/* What a receive of the time before brings is dropped; a wait takes its place. */
static void refusing_received(struct side *side, struct buf *buf, unsigned flags)
{
	buf_put(&side_session(side)->host->loop.bufs, buf);
	if (side->index == SIDE_CLIENT && !(flags & IO_MORE))
		side_wait_readable(side);
}

static void refusing_ended(struct side *side, int err)
{
	if (side->index != SIDE_CLIENT)
		return;
	if (err == 0)
		refusing_finish(side_session(side));
	else
		refusing_readable(side, 0); /* reading says what it is */
}

/* Only one that relayed has said anything to a backend that matters; one that is cut is reset. */
static void sent_to_backend(struct side *backend)
{
	struct session *s = side_session(backend);

	if (s->connected_ms == 0 || side_push(backend) || s->lanes[LANE_UP].is_cut)
		return;
	(void)shutdown(backend->fd, SHUT_WR);
	s->lanes[LANE_UP].is_clean = true;
}

static void refusing_sent(struct side *side, int res)
{
	struct session *s = side_session(side);

	if (side->index != SIDE_CLIENT) {
		sent_to_backend(side);
		return;
	}
	if (res < 0 && res != -EINTR) {
		session_peer_failed(side, res);
		return;
	}
	if (side_push(side))
		return;
	(void)shutdown(side->fd, SHUT_WR);
	s->lanes[LANE_DOWN].is_clean = true; /* it has all of what was said */
}

static void refusing_connected(struct side *side, int err)
{
	(void)side;
	(void)err;
}

static void refusing_returned(struct session *s)
{
	(void)s;
}

const struct phase_handlers refusing_handlers = {
	.entered = refusing_entered,
	.timed_out = refusing_finish,
	.received = refusing_received,
	.ended = refusing_ended,
	.readable = refusing_readable,
	.connected = refusing_connected,
	.sent = refusing_sent,
	.returned = refusing_returned,
};
