/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/cancelling.h"

#include <errno.h>
#include <sys/socket.h>

#include "dial/cancel_fanout.h"
#include "net/sock.h"
#include "relay/tls_io.h"
#include "session/exit.h"
#include "session/side.h"

/* How long the client may take to read that it is over. */
#define FLUSH_MS 1000

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

/* ---- the end ------------------------------------------------------------- */

static void close_cancelled(struct session *s)
{
	s->lanes[LANE_DOWN].is_clean = true; /* nothing more is to be said */
	s->detail = cancel_fanout_detail(s);
	session_close(s, CLOSE_DONE, BY_BACKEND);
}

/* The client hears that it is over; in TLS that is a message, which is sent first. */
static void finish(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];

	s->waiter.ask.tried_n = 0; /* no try has failed */
	if (client->tls && tls_io_close(client) != TLS_IO_MORE) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return;
	}
	if (!client->tls || !side_push(client)) {
		close_cancelled(s);
		return;
	}
	s->protocol->is_told = true;
	timer_set(&s->host->loop.timers, &s->timer, s->host->loop.now_ms + FLUSH_MS);
}

/* It is over with this backend, for 0 after all went well: dialing knows what is next. */
static void leave_backend(struct session *s, int err)
{
	timer_stop(&s->host->loop.timers, &s->timer);
	s->dial_error = err;
	session_enter(s, SESSION_DIALING);
}

/* ---- a backend ----------------------------------------------------------- */

static void tell_backend(struct session *s)
{
	int err = cancel_fanout_tell(s);

	if (err < 0) {
		leave_backend(s, err);
		return;
	}
	if (!s->protocol->is_fanout) /* nobody waits behind this one, which may be busy */
		s->try_until_ms = cancel_fanout_until_ms(s);
	session_set_look_timer(s, s->try_until_ms);
	(void)side_push(backend_side(s));
	side_wait_readable(backend_side(s));
}

/* A server does not answer a request to cancel: it hangs up. Records of TLS may come first. */
static void look_for_hang_up(struct session *s)
{
	struct side *side = backend_side(s);
	char unheard[4096];
	ssize_t n = recv(side->fd, unheard, sizeof(unheard), MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		side_wait_readable(side);
	else
		leave_backend(s, n < 0 ? -errno : 0);
}

/* ---- what happens -------------------------------------------------------- */

static void cancelling_entered(struct session *s)
{
	if (s->backend)
		tell_backend(s);
	else
		finish(s);
}

static void cancelling_timed_out(struct session *s)
{
	if (s->protocol->is_told)
		close_cancelled(s);
	else if (s->host->loop.now_ms >= s->try_until_ms)
		leave_backend(s, -ETIMEDOUT);
	else if (sock_is_gone(s->sides[SIDE_CLIENT].fd))
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	else
		session_set_look_timer(s, s->try_until_ms);
}

static void cancelling_on_readable(struct side *side, int err)
{
	struct session *s = side_session(side);

	if (side->index == SIDE_CLIENT)
		return;
	if (err < 0 && err != -EINTR && err != -EAGAIN)
		leave_backend(s, err);
	else
		look_for_hang_up(s);
}

static void client_was_sent(struct side *client, int res)
{
	struct session *s = side_session(client);

	if (res < 0 && res != -EINTR)
		session_peer_failed(client, res);
	else if (!side_push(client) && s->protocol->is_told)
		close_cancelled(s);
}

static void cancelling_on_sent(struct side *side, int res)
{
	if (side->index == SIDE_CLIENT)
		client_was_sent(side, res);
	else if (res < 0 && res != -EINTR)
		leave_backend(side_session(side), res);
	else
		(void)side_push(side);
}

static void cancelling_returned(struct session *s)
{
	(void)s; /* nothing is cancelled here */
}

const struct phase_handlers cancelling_handlers = {
	.seeks_backend = true,
	.entered = cancelling_entered,
	.timed_out = cancelling_timed_out,
	.readable = cancelling_on_readable,
	.sent = cancelling_on_sent,
	.returned = cancelling_returned,
};
