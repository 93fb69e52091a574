/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A quiet session is looked at with poll(2), in two cases in which the ring
 * does not tell that a side died. A side that has ended its stream is not
 * received from any more, and a ring's poll always includes POLLRDHUP, which
 * is true there. And a multishot receive that found bytes waits for the next
 * wake-up, which never comes when the reset arrived together with the bytes
 * (the kernel makes up for that after a FIN: tcp_inq_hint(), not after a RST).
 */
#include "relay/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/sock.h"
#include "relay/deadline.h"
#include "relay/lane.h"
#include "relay/cancel_watch.h"
#include "relay/early_end.h"
#include "session/exit.h"
#include "session/host.h"
#include "session/liveness.h"
#include "session/session_log.h"
#include "tls/stream.h"

/* ---- the beginning ------------------------------------------------------- */

/* While it dialed nothing was received: what has come since is no silence. */
static void note_unread_bytes(struct session *s)
{
	if (s->config->first_byte_timeout_ms > 0 && !s->has_spoken)
		s->has_spoken = sock_unread_bytes(s->sides[SIDE_CLIENT].fd) > 0;
}

/* What waits to be sent now is ringmain's own: a PROXY header, an answer. */
static void note_own_bytes(struct side *side)
{
	side->own_bytes = (uint16_t)(side->tls ? 0 : side->out.bytes);
}

static void deliver_early(struct session *s)
{
	struct buf *buf;

	while ((buf = buf_queue_take(&s->early)))
		lane_deliver(&s->lanes[LANE_UP], buf);
}

/* What the backend has answered while it was negotiated with. */
static void deliver_answer(struct session *s)
{
	struct buf *buf;

	while (s->protocol && (buf = buf_queue_take(&s->protocol->answer)))
		lane_deliver(&s->lanes[LANE_DOWN], buf);
}

/* The last bytes of the backend's handshake may have brought some of the stream, or its end. */
static void read_rest(struct lane *lane)
{
	const struct protocol_state *protocol = lane_session(lane)->protocol;
	struct side *from = lane_from(lane);

	if (from->tls && (tls_stream_input_left(from->tls) > 0 || (protocol && protocol->is_ended)))
		lane_decrypt(lane, NULL, 0);
}

static void relay_entered(struct session *s)
{
	s->active_ms = s->connected_ms = s->host->loop.now_ms;
	session_log_begin(s);
	liveness_start(s);
	cancel_watch_start(s);
	early_end_watch(s);
	for (int n = 0; n < SIDES; n++)
		note_own_bytes(&s->sides[n]);
	deliver_early(s);
	if (session_relays(s))
		deliver_answer(s);
	if (!session_relays(s))
		return;
	note_unread_bytes(s);
	deadline_set(s);
	read_rest(&s->lanes[LANE_DOWN]);
	lane_push(&s->lanes[LANE_DOWN]);
	lane_pull(&s->lanes[LANE_DOWN]);
	lane_push(&s->lanes[LANE_UP]);
	lane_pull(&s->lanes[LANE_UP]);
}

/* ---- time ---------------------------------------------------------------- */

/*
 * It has lasted: sets the socket options by which the death of a silent
 * backend is noticed. Short sessions, of which there may be many in a second,
 * are spared the calls.
 */
static void establish(struct session *s)
{
	const struct sock_options options = { .keepalive = s->config->keepalive };
	const char *step;

	s->is_established = true;
	/* Without them a dead backend is noticed later, by the idle timer: no reason to end. */
	(void)!sock_set_options(s->sides[SIDE_BACKEND].fd, &s->backend->config->addr, &options,
				&step);
}

/* When nothing more can come, what had come is read to its end, and then the lane ends. */
static void check_liveness(struct session *s)
{
	struct side *dead = liveness_look(s);

	if (!dead)
		return;
	(void)shutdown(dead->fd, SHUT_RD);
	lane_side_died(dead, -ETIMEDOUT, false);
}

/* What came before the end has been delivered, or had its time. */
static void check_delivery(struct session *s)
{
	if (deadline_is_past_delivery(s)) {
		session_close(s, s->why, s->by);
		return;
	}
	deadline_set(s);
	for (int n = 0; n < LANES && session_relays(s); n++)
		lane_push(&s->lanes[n]);
}

/* Gives a side whose connection has an error that no op was told, or NULL. */
static struct side *probe_sides(struct session *s)
{
	struct pollfd look[SIDES];

	for (int n = 0; n < SIDES; n++)
		look[n] = (struct pollfd){ .fd = s->sides[n].fd };
	if (poll(look, SIDES, 0) <= 0)
		return NULL;
	for (int n = 0; n < SIDES; n++)
		if (look[n].revents & POLLERR)
			return &s->sides[n];
	return NULL;
}

static void probe_quiet_session(struct session *s)
{
	struct side *dead = probe_sides(s);
	enum close_reason why = deadline_reason(s);

	s->is_probe_due = false;
	if (dead)
		lane_side_died(dead, -sock_take_error(dead->fd), false);
	else if (why == CLOSE_NONE)
		deadline_set(s);
	else
		session_close(s, why, BY_RINGMAIN);
}

static void relay_timed_out(struct session *s)
{
	if (deadline_establishes(s))
		establish(s);
	if (s->host->loop.now_ms >= session_log_due_ms(s))
		session_log_interim(s);
	check_liveness(s);
	if (!session_relays(s))
		return;
	switch (deadline_due(s)) {
	case DEADLINE_NOTHING:
		deadline_set(s);
		break;
	case DEADLINE_PROBE:
		probe_quiet_session(s);
		break;
	case DEADLINE_DELIVERY:
		check_delivery(s);
		break;
	}
}

/* ---- what the ops have come to ------------------------------------------- */

static void relay_returned(struct session *s)
{
	(void)s; /* what was cancelled tells itself what became of it */
}

static void relay_resumed(struct side *side)
{
	lane_pull(side_source_of(side));
}

const struct phase_handlers relay_handlers = {
	.entered = relay_entered,
	.timed_out = relay_timed_out,
	.received = lane_received,
	.ended = lane_ended,
	.readable = lane_readable,
	.writable = lane_writable,
	.sent = lane_sent,
	.returned = relay_returned,
	.resumed = relay_resumed,
};
