/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/greet.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/greet_tls.h"
#include "proxy/introduce.h"
#include "proxy/lane.h"
#include "proxy/postgres.h"
#include "proxy/side.h"

/* How long a client that was refused may take to read why. */
#define LAST_WORDS_MS 1000

static void greet_on_readable(struct io_op *op, int res, unsigned flags);

static struct side *client_side(struct session *s)
{
	return &s->sides[SIDE_CLIENT];
}

static size_t first_n(const struct session *s)
{
	return s->first ? buf_filled(s->first) : 0;
}

void greet_release_first(struct session *s)
{
	if (s->first)
		buf_put(&s->engine->bufs, s->first);
	s->first = NULL;
	list_remove(&s->handshake);
}

void greet_consume(struct session *s, size_t n)
{
	s->first->start += (uint32_t)n;
	if (buf_filled(s->first) == 0)
		greet_release_first(s);
}

void greet_finish(struct session *s)
{
	greet_release_first(s);
	facts_release(s);
}

/* ---- the end of the greeting --------------------------------------------- */

void greet_say(struct session *s, const void *bytes, size_t n)
{
	struct side *client = client_side(s);

	if (crypt_send(client, bytes, n) == 0)
		(void)side_push(client);
}

/* No. If there is something to say, it is sent before the connection ends, and not with a reset. */
void greet_refuse(struct session *s, enum close_reason why, const char *detail)
{
	session_doom(s, why, why == CLOSE_REFUSED ? BY_RINGMAIN : BY_CLIENT);
	s->detail = detail;
	greet_release_first(s);
	if (!side_push(client_side(s))) {
		session_close(s, why, s->by);
		return;
	}
	s->greet_step = GREET_REFUSED;
	timer_set(&s->engine->timers, &s->timer, s->engine->now_ms + LAST_WORDS_MS);
	greet_run(s);
}

void greet_on_sent(struct session *s)
{
	if (s->phase != SESSION_GREETING || s->greet_step != GREET_REFUSED)
		return;
	(void)shutdown(client_side(s)->fd, SHUT_WR);
	s->lanes[LANE_DOWN].is_clean = true; /* it has all of what we said */
}

/* To a backend of @pool; what the client said so far, if the backend is to see it, goes first. */
void greet_done(struct session *s, const struct pool_config *pool)
{
	struct buf *first = s->first;

	s->greet_step = GREET_DONE;
	if (!s->pool)
		s->pool = proxy_pool(s->engine->proxy, pool);
	s->first = NULL;
	list_remove(&s->handshake);
	timer_stop(&s->engine->timers, &s->timer);
	client_side(s)->recv.done = lane_on_recv;
	if (first)
		side_deliver(&s->sides[SIDE_BACKEND], first);
	if (s->phase == SESSION_GREETING)
		dial_start(s);
}

/* ---- the steps ----------------------------------------------------------- */

static enum greet_step first_step(const struct listener_config *config)
{
	if (config->protocol == PROTOCOL_POSTGRES)
		return GREET_POSTGRES;
	return config->tls == TLS_MODE_OFF ? GREET_DONE : GREET_HELLO;
}

static enum parse greet_once(struct session *s)
{
	switch ((enum greet_step)s->greet_step) {
	case GREET_INTRODUCTION:
		return introduce_greet(s);
	case GREET_POSTGRES:
		return postgres_greet(s);
	case GREET_HELLO:
		return greet_hello(s);
	case GREET_HANDSHAKE:
		return greet_handshake(s);
	case GREET_REFUSED:
		greet_release_first(s);
		return PARSE_MORE;
	case GREET_STARTUP:
	case GREET_DONE:
		break;
	}
	return PARSE_BAD;
}

void greet_receive(struct session *s)
{
	struct side *client = client_side(s);

	greet_queue_wait_for_client(s);
	client->recv.done = greet_on_readable;
	io_poll(s->engine->ring, &client->recv, client->fd, POLLIN | POLLRDHUP);
}

/* Works on what has come, until a step wants more or the greeting is over. */
void greet_run(struct session *s)
{
	enum parse parsed = PARSE_DONE;

	while (parsed == PARSE_DONE && s->phase == SESSION_GREETING && first_n(s) > 0 &&
	       s->greet_step != GREET_DONE) {
		parsed = greet_once(s);
		if (s->greet_step == GREET_HANDSHAKE && parsed == PARSE_DONE)
			return; /* its turn comes: greet_work() */
	}
	if (s->phase != SESSION_GREETING || s->greet_step == GREET_DONE ||
	    client_side(s)->recv.in_kernel)
		return;
	if (first_n(s) < BUF_BYTES)
		greet_receive(s);
	else
		greet_refuse(s, CLOSE_BAD_GREETING,
			     "too many bytes before the first message was whole");
}

/* ---- reading ------------------------------------------------------------- */

static uint32_t greet_room(const struct session *s)
{
	return greet_queue_room(s, (uint32_t)(BUF_BYTES - first_n(s)));
}

bool greet_has_room(const struct session *s)
{
	return greet_room(s) > 0;
}

static void greet_read_failed(struct session *s, int res)
{
	if (res == -ENOMEM)
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
	else if (res == -EINTR || res == -EAGAIN)
		greet_receive(s);
	else if (s->greet_step == GREET_REFUSED)
		session_close(s, s->why, s->by);
	else
		session_close(s, res == 0 ? CLOSE_CLIENT_LEFT : CLOSE_CLIENT_RESET, BY_CLIENT);
}

/* Puts what was there before first into @buf. */
static void take_over_first(struct session *s, struct buf *buf)
{
	if (s->first) {
		buf->end = buf_filled(s->first);
		memcpy(buf->bytes, s->first->bytes + s->first->start, buf->end);
		buf_put(&s->engine->bufs, s->first);
	}
	s->first = buf;
}

/* Into a buffer of the pool, which is kept no longer than it takes to look at the bytes. */
static int read_some(struct session *s, uint32_t max)
{
	struct buf *buf = buf_get_or_piece(&s->engine->bufs, &greet_queue_of(s)->share);
	int n;

	if (!buf)
		return -ENOMEM;
	take_over_first(s, buf);
	n = sock_read(client_side(s)->fd, buf->bytes + buf->end, MIN(max, buf_room(buf)));
	if (n > 0)
		buf->end += (uint32_t)n;
	else if (buf->end == 0)
		greet_release_first(s);
	return n;
}

bool greet_read(struct session *s)
{
	int n = read_some(s, MAX(greet_room(s), 1));

	if (n > 0)
		s->active_ms = s->engine->now_ms;
	else
		greet_read_failed(s, n);
	return n > 0;
}

/* Encrypted: it is decrypted into what waits for the backend, and looked at there. */
static void startup_received(struct session *s)
{
	struct buf *buf = s->first;

	s->first = NULL;
	crypt_received(&s->lanes[LANE_UP], buf);
	if (s->phase == SESSION_GREETING)
		postgres_startup(s);
}

void greet_on_input(struct session *s)
{
	if (!greet_has_room(s)) {
		greet_queue_wait_for_memory(s);
		return;
	}
	list_remove(&s->handshake);
	if (s->greet_step == GREET_HANDSHAKE)
		greet_wait_for_turn(s);
	else if (!greet_read(s))
		return;
	else if (s->greet_step == GREET_STARTUP)
		startup_received(s);
	else
		greet_run(s);
}

static void greet_on_readable(struct io_op *op, int res, unsigned flags)
{
	struct session *s = side_session(container_of(op, struct side, recv));

	(void)flags;
	if (s->phase == SESSION_CLOSING)
		session_op_returned(s);
	else if (res < 0)
		greet_read_failed(s, res);
	else
		greet_on_input(s);
}

/* ---- time ---------------------------------------------------------------- */

/* Whose fault it is that a greeting was not over in time. */
static const char *const waited_for[] = {
	[GREET_WAITS_FOR_CLIENT] = NULL,
	[GREET_WAITS_FOR_RATE] = "waited for handshake_rate",
	[GREET_WAITS_FOR_MEMORY] = "waited for memory: buffers are short",
	[GREET_WAITS_FOR_TURN] = "waited for its turn: more handshakes than a worker can do",
};

void greet_on_deadline(struct session *s)
{
	const char *ours = waited_for[s->greet_wait];

	if (ours)
		s->detail = ours;
	session_close(s, CLOSE_GREETING_TIMEOUT, ours ? BY_RINGMAIN : BY_CLIENT);
}

/* ---- the beginning ------------------------------------------------------- */

static void set_deadline(struct session *s, uint64_t allowed_ms)
{
	timer_set(&s->engine->timers, &s->timer, s->engine->now_ms + allowed_ms);
}

void greet_next(struct session *s)
{
	const struct listener_config *config = s->listener->config;

	s->greet_step = first_step(config);
	if (s->greet_step == GREET_DONE)
		greet_done(s, config->pool);
	else
		set_deadline(s, config->handshake_timeout_ms);
}

static void expect_introduction(struct session *s)
{
	if (s->client.len == 0) { /* it has gone already */
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
		return;
	}
	if (!introduce_is_trusted(s)) {
		s->detail = "not in proxy_from";
		session_close(s, CLOSE_REFUSED, BY_RINGMAIN);
		return;
	}
	s->greet_step = GREET_INTRODUCTION;
	set_deadline(s, s->listener->config->proxy_timeout_ms);
	greet_receive(s);
}

void greet_start(struct session *s)
{
	if (s->listener->config->proxy) {
		expect_introduction(s);
		return;
	}
	greet_next(s);
	if (s->phase == SESSION_GREETING)
		greet_receive(s);
}
