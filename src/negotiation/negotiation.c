/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "negotiation/negotiation.h"

#include <errno.h>

#include "base/check.h"
#include "net/sock.h"
#include "net/sock_error.h"
#include "protocol/protocol.h"
#include "relay/tls_io.h"
#include "session/conn_info.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/side.h"
#include "tls/stream.h"

static struct side *backend_side(struct session *s)
{
	return &s->sides[SIDE_BACKEND];
}

static uint64_t now_of(const struct session *s)
{
	return s->host->loop.now_ms;
}

/* ---- the end ------------------------------------------------------------- */

static void leave_for(struct session *s, enum session_phase next)
{
	list_remove(&s->turn);
	timer_stop(&s->host->loop.timers, &s->timer);
	session_enter(s, next);
}

/* This backend will not do. Its error is kept, for the case that no other will. */
static void negotiation_failed(struct session *s, int err, const char *detail)
{
	if (sock_fault_of(err) != SOCK_FAULT_LOGIN || s->protocol->exchange != EXCHANGE_LOGIN)
		buf_queue_clear(&s->protocol->answer, &s->host->loop.bufs);
	s->dial_error = err;
	if (detail)
		conn_info_note_detail(s, detail);
	leave_for(s, SESSION_DIALING);
}

/* What the client said has reached its backend, and counts as if the lane had brought it. */
static void negotiation_relay(struct session *s)
{
	struct side *backend = backend_side(s);

	side_note_payload(backend);
	side_count_payload(backend, s->early.bytes);
	early_drop(s);
	s->protocol->exchange = EXCHANGE_NONE;
	leave_for(s, SESSION_DIALING);
}

/* The client hears the answer, and what it says next is read as its first bytes were. */
static void ask_client(struct session *s, const struct step_answer *answer)
{
	struct side *client = &s->sides[SIDE_CLIENT];

	early_drop(s);
	buf_queue_clear(&s->protocol->answer, &s->host->loop.bufs);
	s->protocol->exchange = EXCHANGE_NONE;
	s->detail = answer->detail;
	if (side_append(client, answer->say, answer->say_bytes) < 0) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return;
	}
	(void)side_push(client);
	leave_for(s, SESSION_PREREAD);
}

/* ---- what the backend says ----------------------------------------------- */

static enum step_verdict negotiation_judge(struct session *s, struct step_answer *answer)
{
	struct buf *first = s->protocol->answer.head;
	struct protocol_answer in = {
		.config = s->config,
		.state = s->protocol,
		.bytes = (uint8_t *)first->bytes + first->start,
		.n = buf_filled(first),
		.is_cut = first->next || buf_filled(first) >= BUF_BYTES,
		.is_bared = backend_side(s)->tls && !s->sides[SIDE_CLIENT].tls,
	};
	enum step_verdict verdict = s->listener->protocol->read_answer(&in, answer);

	s->protocol->answer.bytes -= buf_filled(first) - (uint32_t)in.n;
	first->end = first->start + (uint32_t)in.n;
	return verdict;
}

/* No client is owed more of what a backend says before its answer. */
#define PASSED_BYTES_MAX (4 * BUF_BYTES)

/*
 * The client has the first @n bytes, which are no answer; the rest is put
 * together again. False: it was too much for it.
 */
static bool pass_first(struct session *s, size_t n)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct buf_queue *answer = &s->protocol->answer, rest;
	struct buf *buf = answer->head;

	if (client->out.bytes + n > PASSED_BYTES_MAX ||
	    side_append(client, buf->bytes + buf->start, n) < 0)
		return false;
	buf_queue_sent(answer, &s->host->loop.bufs, (uint32_t)n);
	(void)side_push(client);
	rest = *answer;
	*answer = (struct buf_queue){ 0 };
	while ((buf = buf_queue_take(&rest)))
		early_append_to(s, answer, buf);
	return true;
}

/* What waits, of which the client may have some at once. */
static enum step_verdict negotiation_read(struct session *s, struct step_answer *answer)
{
	enum step_verdict verdict = STEP_MORE;

	while (!buf_queue_is_empty(&s->protocol->answer)) {
		*answer = (struct step_answer){ 0 };
		verdict = negotiation_judge(s, answer);
		if (verdict != STEP_MORE || answer->used == 0)
			break;
		if (!pass_first(s, answer->used)) {
			answer->detail = "it says too much before its answer";
			return STEP_REFUSE;
		}
	}
	return verdict;
}

/* Acts on what has come; @err is what the connection has come to, 0: it goes on. */
static void negotiation_act(struct session *s, int err)
{
	struct step_answer answer = { 0 };

	switch (negotiation_read(s, &answer)) {
	case STEP_MORE:
		if (err < 0)
			negotiation_failed(s, err, NULL);
		else
			side_wait_readable(backend_side(s));
		break;
	case STEP_NEXT:
		ask_client(s, &answer);
		break;
	case STEP_READY:
		negotiation_relay(s);
		break;
	case STEP_REFUSE:
		negotiation_failed(s, answer.is_full ? -EUSERS : -ESHUTDOWN, answer.detail);
		break;
	}
}

static void negotiation_keep(struct session *s, struct buf *buf)
{
	early_append_to(s, &s->protocol->answer, buf);
}

/* Ciphertext, or what the handshake's last bytes have left (@n 0). */
static void decrypt(struct session *s, const void *bytes, size_t n)
{
	struct side *backend = backend_side(s);
	struct buf_queue plain = { 0 };
	enum tls_io result = tls_io_read(backend, bytes, n, &plain);
	struct buf *buf;

	while ((buf = buf_queue_take(&plain)))
		negotiation_keep(s, buf);
	(void)side_push(backend);
	switch (result) {
	case TLS_IO_MORE:
		negotiation_act(s, 0);
		break;
	case TLS_IO_CLOSED:
		s->protocol->is_ended = true;
		negotiation_act(s, -ECONNRESET);
		break;
	case TLS_IO_FAILED:
		negotiation_act(s, -EPROTO);
		break;
	case TLS_IO_NO_MEMORY:
		negotiation_failed(s, -ENOMEM, NULL);
		break;
	}
}

/* Behind the answer to a request for TLS all is the client's. */
static size_t negotiation_wanted(const struct session *s, const struct buf *buf)
{
	if (s->protocol->exchange == EXCHANGE_TLS)
		return s->listener->protocol->answer_bytes;
	return MIN(buf_room(buf), TLS_RECORD_BYTES);
}

static void read_backend(struct session *s)
{
	struct side *backend = backend_side(s);
	struct buf *buf = buf_get_or_piece(&s->host->loop.bufs, early_share(s));
	int n = buf ? sock_read(backend->fd, buf->bytes, negotiation_wanted(s, buf)) : -ENOMEM;

	if (n > 0)
		s->active_ms = now_of(s);
	if (n > 0 && !backend->tls) {
		buf->end = (uint32_t)n;
		negotiation_keep(s, buf);
		negotiation_act(s, 0);
		return;
	}
	if (n > 0)
		decrypt(s, buf->bytes, (size_t)n);
	else if (n == -EAGAIN || n == -EINTR)
		side_wait_readable(backend);
	else
		negotiation_failed(s, n < 0 ? n : -ECONNRESET, "closed before it answered");
	if (buf)
		buf_put(&s->host->loop.bufs, buf);
}

static void negotiation_on_readable(struct side *side, int err)
{
	struct session *s = side_session(side);

	if (side->index != SIDE_BACKEND)
		return;
	if (err < 0 && err != -EINTR && err != -EAGAIN)
		negotiation_failed(s, err, NULL);
	else
		read_backend(s);
}

/* ---- time ---------------------------------------------------------------- */

/*
 * A request for TLS is answered at once; a log-in may take its time, for
 * names that are looked up, and is then no longer waited for: what comes is
 * the client's, be it what it may. Only what is to be edited is; and where
 * sessions are held, a check will say whether this backend still serves.
 */
static void timed_out(struct session *s)
{
	const bool is_edited = backend_side(s)->tls && !s->sides[SIDE_CLIENT].tls;

	if (s->protocol->exchange == EXCHANGE_TLS) {
		negotiation_failed(s, -ETIMEDOUT, NULL);
	} else if (is_edited || pool_config(s->pool)->hold.ms > 0) {
		s->try_until_ms = TIMER_NEVER;
		session_set_look_timer(s, s->try_until_ms);
	} else {
		negotiation_relay(s); /* whose lane comes to the wait that is under way */
	}
}

/* Has one that waits for no more than its log-in been quiet for longer than a session may? */
static enum close_reason quiet_reason(const struct session *s)
{
	const struct listener_config *config = s->config;
	bool is_ended = sock_has_ended(s->sides[SIDE_CLIENT].fd);
	uint64_t allowed_ms = is_ended && config->half_close_timeout_ms > 0
				      ? config->half_close_timeout_ms
				      : config->idle_timeout_ms;

	if (s->try_until_ms != TIMER_NEVER || allowed_ms == 0 ||
	    now_of(s) < s->active_ms + allowed_ms)
		return CLOSE_NONE;
	return is_ended ? CLOSE_HALF_CLOSED_IDLE : CLOSE_IDLE;
}

static void negotiation_timed_out(struct session *s)
{
	enum close_reason quiet = quiet_reason(s);

	if (sock_is_gone(s->sides[SIDE_CLIENT].fd))
		session_close(s, CLOSE_CLIENT_RESET, BY_CLIENT);
	else if (quiet != CLOSE_NONE)
		session_close(s, quiet, BY_RINGMAIN);
	else if (now_of(s) >= s->try_until_ms)
		timed_out(s);
	else
		session_set_look_timer(s, s->try_until_ms);
}

/* The client has heard nothing yet: another backend may serve it, or it is held. */
static void negotiation_backend_down(struct session *s)
{
	negotiation_failed(s, -ETIMEDOUT, "the backend went down before it answered");
}

/* ---- the beginning ------------------------------------------------------- */

/* What the client has said; it stays. 0 or -errno. */
static int send_request(struct session *s)
{
	struct side *backend = backend_side(s);
	int err = 0;

	for (struct buf *buf = s->early.head; buf && err == 0; buf = buf->next) {
		const char *bytes = buf->bytes + buf->start;

		if (!backend->tls)
			err = side_append(backend, bytes, buf_filled(buf));
		else if (tls_stream_write(backend->tls, bytes, buf_filled(buf)) != TLS_DONE)
			err = tls_stream_lacks_memory(backend->tls) ? -ENOMEM : -EPROTO;
	}
	return err;
}

static void negotiation_entered(struct session *s)
{
	struct side *backend = backend_side(s);
	int err;

	CHECK(s->protocol && s->protocol->exchange != EXCHANGE_NONE);
	buf_queue_clear(&s->protocol->answer, &s->host->loop.bufs);
	s->protocol->is_ended = false;
	s->protocol->answer_left = 0;
	s->try_until_ms = now_of(s) + pool_config(s->pool)->connect_timeout_ms;
	session_set_look_timer(s, s->try_until_ms);
	err = send_request(s);
	if (err < 0) {
		negotiation_failed(s, err, NULL);
		return;
	}
	(void)side_push(backend);
	if (backend->tls && tls_stream_input_left(backend->tls) > 0)
		decrypt(s, NULL, 0);
	else
		side_wait_readable(backend);
}

/* ---- what else happens --------------------------------------------------- */

static void negotiation_on_sent(struct side *side, int res)
{
	if (res >= 0 || res == -EINTR)
		(void)side_push(side);
	else if (side->index == SIDE_CLIENT)
		session_peer_failed(side, res);
	/* Else the backend is gone: what it had said before is read, then the end. */
}

static void negotiation_returned(struct session *s)
{
	(void)s; /* nothing is cancelled here */
}

const struct phase_handlers negotiation_handlers = {
	.seeks_backend = true,
	.entered = negotiation_entered,
	.timed_out = negotiation_timed_out,
	.readable = negotiation_on_readable,
	.sent = negotiation_on_sent,
	.returned = negotiation_returned,
	.backend_down = negotiation_backend_down,
};
