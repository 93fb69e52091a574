/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/conversation.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/sock.h"
#include "x509/end_point.h"

static_assert(X509_END_POINT_BYTES_MAX <= CHECK_END_POINT_BYTES_MAX, "an end point fits");

/* Read at a time; TLS wants a record. */
#define READ_BYTES (TLS_RECORD_BYTES + TLS_OVERHEAD_BYTES)
/* Reads in one turn, so that a server that never stops does not keep the others waiting. */
#define READS_MAX 4

static void conversation_on_poll(struct io_op *op, int res, unsigned flags);

static void conversation_on_cancelled(struct io_op *op, int res, unsigned flags)
{
	(void)op;
	(void)res;
	(void)flags;
}

void conversation_init(struct conversation *c, struct loop *loop, conversation_fn *done,
		       const atomic_bool *is_over)
{
	c->loop = loop;
	c->done = done;
	c->is_over = is_over;
	io_op_init(&c->poll, conversation_on_poll);
	io_op_init(&c->cancel, conversation_on_cancelled);
}

bool conversation_is_busy(const struct conversation *c)
{
	return c->poll.in_kernel || c->cancel.in_kernel;
}

/* ---- sending ------------------------------------------------------------- */

static int send_to_socket(void *owner, const void *bytes, size_t n)
{
	struct conversation *c = owner;
	const ssize_t sent = send(c->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	/* The next receive tells what happened to the connection, in its own words. */
	if (sent >= 0 && (size_t)sent < n)
		c->send_err = -ENOBUFS;
	return c->send_err;
}

static void send_out(struct conversation *c)
{
	struct check_exchange *x = &c->exchange;

	if (x->out_bytes > 0 && c->tls)
		(void)!tls_stream_write(c->tls, x->out, x->out_bytes);
	else if (x->out_bytes > 0)
		(void)!send_to_socket(c, x->out, x->out_bytes);
	explicit_bzero(x->out, x->out_bytes);
	check_sent(x);
}

/* ---- the end ------------------------------------------------------------- */

static void finish(struct conversation *c, int err)
{
	if (c->tls && c->is_open && !c->is_securing && err == 0)
		(void)!tls_stream_close(c->tls);
	tls_stream_destroy(c->tls);
	c->tls = NULL;
	check_finish(&c->exchange);
	c->done(c, err);
}

/* The opening failed: what a check has to say about that. */
static void refuse(struct conversation *c, const struct opening *o)
{
	struct check_facts *facts = &c->exchange.facts;

	if (o->err != -EPROTO && o->err != -EPROTONOSUPPORT) {
		finish(c, o->err);
		return;
	}
	*facts = (struct check_facts){ .verdict = CHECK_FAILED };
	snprintf(facts->words, sizeof(facts->words), "%s", o->detail ? o->detail : "no TLS");
	finish(c, 0);
}

/* ---- the protocol -------------------------------------------------------- */

static bool begin_tls(struct conversation *c);

static void wait_for_more(struct conversation *c)
{
	io_poll(c->loop->ring, &c->poll, c->fd, POLLIN | POLLRDHUP);
}

/* Goes on with what the protocol wants. False: it is over. */
static bool follow(struct conversation *c, enum check_step step)
{
	send_out(c);
	if (c->send_err == 0 && step == CHECK_STEP_TLS)
		return begin_tls(c);
	if (c->send_err == 0 && step == CHECK_STEP_MORE)
		return true;
	finish(c, c->send_err);
	return false;
}

static struct check_channel channel_of(const struct conversation *c)
{
	const struct end_point *end_point = c->tls ? tls_stream_end_point(c->tls) : NULL;
	struct check_channel channel = {
		.is_tls = c->tls,
		.is_verified = c->tls && c->plan->is_verified,
		.is_local = c->plan->is_local,
	};

	if (end_point) {
		channel.end_point_bytes = end_point->n;
		memcpy(channel.end_point, end_point->bytes, end_point->n);
	}
	return channel;
}

/* By its name alone: it is to show its certificate each time. */
static struct tls_target target_of(const struct conversation_plan *plan)
{
	return (struct tls_target){
		.name = plan->tls_name,
		.keeps_end_point = plan->request->scram_cache != NULL,
	};
}

/* The opening is over: the protocol's turn. */
static bool conversation_begin_check(struct conversation *c)
{
	struct check_start start = { .channel = channel_of(c) };

	if (getrandom(start.random, sizeof(start.random), 0) != sizeof(start.random)) {
		finish(c, -EAGAIN);
		return false;
	}
	c->is_open = true;
	return follow(c, check_begin(&c->exchange, c->plan->request, &start));
}

static bool hear_clear(struct conversation *c, const uint8_t *bytes, size_t n)
{
	return follow(c, check_receive(&c->exchange, bytes, n));
}

/* Reads what is in the records so far. */
static bool hear_tls(struct conversation *c)
{
	uint8_t plain[4096];
	enum tls_result result;

	do {
		size_t n;

		result = tls_stream_read(c->tls, plain, sizeof(plain), &n);
		if (n > 0 && !hear_clear(c, plain, n))
			return false;
	} while (result == TLS_DONE);
	if (result == TLS_WANT_INPUT)
		return true;
	if (result == TLS_CLOSED)
		check_ended(&c->exchange, 0);
	else
		check_broken(&c->exchange, tls_stream_reason(c->tls));
	finish(c, 0);
	return false;
}

/* ---- TLS that the protocol has asked for --------------------------------- */

/* Sessions may not need TLS there: the server is up, and only the check cannot go on. */
static bool refuse_tls(struct conversation *c, const char *why)
{
	struct check_facts *facts = &c->exchange.facts;

	*facts = (struct check_facts){ .verdict = CHECK_OWN_FAULT };
	snprintf(facts->words, sizeof(facts->words), "TLS: %s", why);
	finish(c, 0);
	return false;
}

static bool go_on_securing(struct conversation *c)
{
	struct check_channel channel;

	switch (tls_stream_handshake(c->tls)) {
	case TLS_WANT_INPUT:
		return true;
	case TLS_DONE:
		break;
	default:
		return refuse_tls(c, tls_stream_reason(c->tls));
	}
	c->is_securing = false;
	channel = channel_of(c);
	return follow(c, check_secured(&c->exchange, &channel)) &&
	       (tls_stream_input_left(c->tls) == 0 || hear_tls(c));
}

static bool begin_tls(struct conversation *c)
{
	const struct conversation_plan *plan = c->plan;
	const struct tls_target target = target_of(plan);
	int err;

	CHECK(plan->is_tls_later && !c->tls);
	c->is_securing = true;
	err = tls_stream_connect(plan->tls, &target, send_to_socket, c, &c->tls);
	if (err == -EINVAL)
		return refuse_tls(c, "there is no name to verify");
	if (err == 0)
		return go_on_securing(c);
	finish(c, err);
	return false;
}

static bool hear_securing(struct conversation *c, const uint8_t *bytes, size_t n)
{
	tls_stream_give(c->tls, bytes, n, c->loop->now_ms);
	return go_on_securing(c);
}

/* ---- the opening --------------------------------------------------------- */

static struct opening opening_of(struct conversation *c)
{
	return (struct opening){
		.protocol = c->plan->tls_protocol,
		.wants_tls = true,
		.tls = c->plan->is_tls_later ? NULL : c->plan->tls,
		.tls_target = target_of(c->plan),
		.send = send_to_socket,
		.owner = c,
		.stream = &c->tls,
		.memory = &c->opening_memory,
		.now_ms = c->loop->now_ms,
	};
}

/* False: it is over. */
static bool go_on_opening(struct conversation *c, const struct opening *o,
			  enum step_verdict verdict)
{
	if (verdict == STEP_REFUSE) {
		refuse(c, o);
		return false;
	}
	if (verdict != STEP_READY)
		return true;
	if (!conversation_begin_check(c))
		return false;
	/* Records may have come together with the handshake's last. */
	return !c->tls || tls_stream_input_left(c->tls) == 0 || hear_tls(c);
}

static bool hear_opening(struct conversation *c, const uint8_t *bytes, size_t n)
{
	struct opening o = opening_of(c);

	return go_on_opening(c, &o, opening_received(&o, &c->opening_step, bytes, n));
}

void conversation_start(struct conversation *c, const struct conversation_plan *plan, int fd,
			const struct proxyhdr *header)
{
	enum step_verdict verdict;
	struct opening o;

	c->plan = plan;
	c->fd = fd;
	c->is_open = c->is_securing = c->is_late = c->is_stopped = false;
	c->send_err = 0;
	o = opening_of(c);
	o.header = header;
	verdict = opening_start(&o, &c->opening_step);
	if (go_on_opening(c, &o, verdict))
		wait_for_more(c);
}

/* ---- receiving ----------------------------------------------------------- */

static size_t wanted_bytes(struct conversation *c)
{
	struct opening o;

	if (c->is_open)
		return READ_BYTES;
	o = opening_of(c);
	return MIN(opening_wants(&o, c->opening_step), (size_t)READ_BYTES);
}

static bool hear(struct conversation *c, const uint8_t *bytes, size_t n)
{
	if (!c->is_open)
		return hear_opening(c, bytes, n);
	if (c->is_securing)
		return hear_securing(c, bytes, n);
	if (!c->tls)
		return hear_clear(c, bytes, n);
	tls_stream_give(c->tls, bytes, n, c->loop->now_ms);
	return hear_tls(c);
}

/* The server ended the connection: @err is 0 or -errno. */
static void hear_end(struct conversation *c, int err)
{
	struct check_facts *facts = &c->exchange.facts;

	if (c->is_open) {
		check_ended(&c->exchange, c->tls && err == 0 ? -ECONNRESET : err);
	} else {
		*facts = (struct check_facts){ .verdict = CHECK_FAILED };
		snprintf(facts->words, sizeof(facts->words), "connection %s before TLS",
			 err == 0 ? "closed" : "lost");
	}
	finish(c, 0);
}

static void receive(struct conversation *c)
{
	uint8_t bytes[READ_BYTES];

	for (int i = 0; i < READS_MAX; i++) {
		const int n = sock_read(c->fd, bytes, wanted_bytes(c));

		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			hear_end(c, n);
			return;
		}
		if (!hear(c, bytes, (size_t)n))
			return;
	}
	wait_for_more(c);
}

static void end_late(struct conversation *c)
{
	struct check_facts *facts = &c->exchange.facts;

	if (c->is_open) {
		check_late(&c->exchange);
	} else {
		*facts = (struct check_facts){ .verdict = CHECK_FAILED, .is_silent = true };
		snprintf(facts->words, sizeof(facts->words), "no answer in time: waited for TLS");
	}
	finish(c, 0);
}

static void conversation_on_poll(struct io_op *op, int res, unsigned flags)
{
	struct conversation *c = container_of(op, struct conversation, poll);

	(void)flags;
	if (c->is_stopped || atomic_load(c->is_over))
		finish(c, -ECANCELED);
	else if (c->is_late)
		end_late(c);
	else if (res < 0)
		finish(c, res);
	else
		receive(c);
}

static void call_back(struct conversation *c)
{
	if (c->poll.in_kernel && !c->cancel.in_kernel)
		io_cancel(c->loop->ring, &c->cancel, &c->poll);
}

void conversation_expire(struct conversation *c)
{
	c->is_late = true;
	call_back(c);
}

void conversation_stop(struct conversation *c)
{
	c->is_stopped = true;
	call_back(c);
}
