/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/greet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bucket.h"
#include "base/check.h"
#include "base/clock.h"
#include "proto/hello.h"
#include "proxy/crypt.h"
#include "proxy/dial.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/introduce.h"
#include "proxy/lane.h"
#include "proxy/postgres.h"
#include "proxy/route.h"
#include "proxy/side.h"
#include "tls/stream.h"

/* How long a client that was refused may take to read why. */
#define LAST_WORDS_MS 1000

/* What PostgreSQL's direct TLS must offer (its manual, "SSL Session Encryption"). */
#define ALPN_POSTGRES "postgresql"

static void greet_run(struct session *s);
static void greet_on_recv(struct io_op *op, int res, unsigned flags);

static struct side *client_side(struct session *s)
{
	return &s->sides[SIDE_CLIENT];
}

static const uint8_t *first_bytes(const struct session *s)
{
	return (const uint8_t *)s->first->bytes + s->first->start;
}

static size_t first_n(const struct session *s)
{
	return s->first ? buf_filled(s->first) : 0;
}

static void release_first(struct session *s)
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
		release_first(s);
}

void greet_finish(struct session *s)
{
	release_first(s);
	facts_release(s);
}

/* ---- the end of the greeting ---------------------------------------------------------- */

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
	release_first(s);
	if (!side_push(client_side(s))) {
		session_close(s, why, s->by);
		return;
	}
	s->greet_step = GREET_REFUSED;
	timer_set(&s->engine->timers, &s->timer, s->engine->now_ms + LAST_WORDS_MS);
	greet_run(s);
}

static void refuse_with_alert(struct session *s, enum close_reason why, uint8_t alert,
			      const char *detail)
{
	uint8_t record[TLSREC_ALERT_BYTES];

	if (alert > 0) {
		tlsrec_write_alert(record, alert);
		greet_say(s, record, sizeof(record));
	}
	greet_refuse(s, why, detail);
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
	if (first && buf_filled(first) > 0)
		side_deliver(&s->sides[SIDE_BACKEND], first);
	else if (first)
		buf_put(&s->engine->bufs, first);
	lane_pull(&s->lanes[LANE_UP]);
	if (s->phase == SESSION_GREETING)
		dial_start(s);
}

/* ---- TLS ------------------------------------------------------------------------------- */

static void note_hello(struct session *s, const struct hello *hello)
{
	struct facts *facts = facts_of(s);
	size_t n = hello->alpn_bytes > 0 ? hello->alpn[0] : 0;

	if (!facts)
		return;
	memcpy(facts->sni, hello->name, sizeof(facts->sni));
	n = MIN(n, sizeof(facts->alpn) - 1);
	memcpy(facts->alpn, hello->alpn + 1, n);
	facts->alpn[n] = '\0';
}

static struct tls_numbers numbers(const struct hello_numbers *from)
{
	return (struct tls_numbers){ .at = from->at, .n = from->n };
}

static int open_stream(struct session *s, const struct hello *hello)
{
	struct side *client = client_side(s);
	struct tls_offer offer = {
		.name = hello->name,
		.versions = numbers(&hello->versions),
		.suites = numbers(&hello->suites),
		.signatures = numbers(&hello->signatures),
		.groups = numbers(&hello->groups),
	};

	tlsrec_init(&client->gate);
	client->is_ready = false;
	return tls_stream_accept(s->listener->config->tls_server, &offer, crypt_send, client,
				 &client->tls);
}

/* False when the session is over. */
static bool begin_handshake(struct session *s)
{
	struct hello hello;
	int err;

	if (hello_read(first_bytes(s), first_n(s), &hello) != PARSE_DONE)
		return false; /* it was whole when the step before read it */
	err = open_stream(s, &hello);
	if (err == 0)
		return true;
	if (err == -ENOENT)
		refuse_with_alert(s, CLOSE_REFUSED, TLSREC_UNRECOGNIZED_NAME,
				  "no certificate has this name");
	else
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
	return false;
}

static void note_handshake(struct session *s)
{
	struct facts *facts = facts_of(s);
	struct tls_facts tls;

	tls_stream_facts(client_side(s)->tls, &tls);
	tlsrec_establish(&client_side(s)->gate, tls.is_tls13);
	if (!facts)
		return;
	facts->version = tls.version;
	facts->cipher = tls.cipher;
	facts->resumed = tls.resumed;
	strncpy(facts->alpn, tls.alpn, sizeof(facts->alpn) - 1);
	strncpy(facts->client_name, tls.peer, sizeof(facts->client_name) - 1);
}

static void handshake_done(struct session *s)
{
	struct lane *up = &s->lanes[LANE_UP];
	struct side *client = client_side(s);

	note_handshake(s);
	side_become_ready(client);
	if (tls_stream_input_left(client->tls) > 0)
		crypt_decrypt(up);
	release_first(s);
	if (s->phase != SESSION_GREETING)
		return;
	if (s->listener->config->protocol == PROTOCOL_POSTGRES) {
		s->greet_step = GREET_STARTUP;
		postgres_startup(s);
	} else {
		greet_done(s, s->route);
	}
}

static void handshake_failed(struct session *s, enum tls_result result)
{
	if (result == TLS_FAILED)
		greet_refuse(s, CLOSE_CLIENT_TLS, tls_stream_reason(client_side(s)->tls));
	else
		session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
}

/* Between two segments of a handshake a client holds no buffer. */
static void handshake_go_on(struct session *s)
{
	struct side *client = client_side(s);
	enum tlsrec_fault fault =
		tlsrec_pass(&client->gate, first_bytes(s), first_n(s), s->engine->now_ms);
	enum tls_result result;

	if (fault != TLSREC_FINE) {
		refuse_with_alert(s, CLOSE_CLIENT_TLS, tlsrec_fault_alert(fault),
				  tlsrec_fault_text(fault));
		return;
	}
	tls_stream_give(client->tls, first_bytes(s), first_n(s));
	result = tls_stream_handshake(client->tls);
	(void)side_push(client);
	if (result == TLS_DONE) {
		handshake_done(s);
	} else if (result == TLS_WANT_INPUT) {
		release_first(s);
		greet_run(s);
	} else {
		handshake_failed(s, result);
	}
}

void greet_work(struct session *s)
{
	CHECK(s->phase == SESSION_GREETING);
	CHECK(s->greet_step == GREET_HANDSHAKE);
	if (client_side(s)->tls || begin_handshake(s))
		handshake_go_on(s);
}

bool greet_may_begin_handshake(struct session *s)
{
	unsigned per_second = s->listener->config->handshakes_per_s_max;
	const struct bucket_rate rate = { .per_second = per_second, .burst = MAX(per_second, 1) };

	return per_second == 0 ||
	       bucket_shared_take(&s->listener->handshakes, &rate, 1, clock_now_ns());
}

/* Its turn comes: at once, or when handshake_rate allows one more to begin. */
static enum parse step_handshake(struct session *s)
{
	struct engine *e = s->engine;
	bool can_begin = client_side(s)->tls || (list_is_empty(&e->handshakes_waiting) &&
						 greet_may_begin_handshake(s));

	if (first_n(s) == 0)
		return PARSE_MORE;
	list_remove(&s->handshake);
	list_append(can_begin ? &e->handshakes : &e->handshakes_waiting, &s->handshake);
	return PARSE_DONE;
}

/* ---- ClientHello -------------------------------------------------------------------------- */

static void hello_refused(struct session *s, enum hello_fault fault)
{
	const struct listener_config *config = s->listener->config;
	bool is_not_tls = hello_fault_alert(fault) == 0;

	if (is_not_tls && config->tls == TLS_MODE_PASSTHROUGH && config->not_tls == STRANGER_POOL &&
	    config->pool)
		greet_done(s, config->pool);
	else
		refuse_with_alert(s, CLOSE_CLIENT_TLS, hello_fault_alert(fault),
				  hello_fault_text(fault));
}

/* Reasons to send a well-formed hello away, or NULL; with the alert to send. */
static const char *hello_objection(const struct session *s, const struct hello *hello,
				   uint8_t *ret_alert)
{
	const struct listener_config *config = s->listener->config;

	*ret_alert = TLSREC_UNRECOGNIZED_NAME;
	if (!hello->name[0] && config->tls == TLS_MODE_PASSTHROUGH &&
	    config->no_sni == STRANGER_REJECT)
		return "no server name (SNI)";
	if (!s->route)
		return "no route for this name";
	if (config->tls == TLS_MODE_TERMINATE && !tls_server_knows(config->tls_server, hello->name))
		return "no certificate has this name";
	*ret_alert = TLSREC_NO_APPLICATION_PROTOCOL;
	if (s->is_direct_postgres && !hello_offers_alpn(hello, ALPN_POSTGRES))
		return "direct TLS without ALPN postgresql";
	return NULL;
}

enum parse greet_hello(struct session *s)
{
	struct hello hello;
	enum parse parsed = hello_read(first_bytes(s), first_n(s), &hello);
	const char *objection;
	uint8_t alert;

	if (parsed == PARSE_MORE)
		return parsed;
	if (parsed == PARSE_BAD) {
		hello_refused(s, hello.fault);
		return parsed;
	}
	note_hello(s, &hello);
	s->route = route_find(s->listener->config, &hello);
	objection = hello_objection(s, &hello, &alert);
	if (objection) {
		refuse_with_alert(s, CLOSE_REFUSED, alert, objection);
		return PARSE_BAD;
	}
	if (s->listener->config->tls == TLS_MODE_TERMINATE) {
		s->greet_step = GREET_HANDSHAKE;
		return step_handshake(s);
	}
	greet_done(s, s->route);
	return PARSE_DONE;
}

/* ---- the steps ------------------------------------------------------------------------------ */

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
		return step_handshake(s);
	case GREET_REFUSED:
		release_first(s);
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

	/* Who has said a part and waits holds a buffer: see engine_free_slow_greeting(). */
	if (s->first && list_is_empty(&s->handshake))
		list_append(&s->engine->half_said, &s->handshake);
	client->recv.done = greet_on_recv;
	io_recv(s->engine->ring, &client->recv, client->fd, 0, true);
}

/* Works on what has come, until a step wants more or the greeting is over. */
static void greet_run(struct session *s)
{
	enum parse parsed = PARSE_DONE;

	while (parsed == PARSE_DONE && s->phase == SESSION_GREETING && first_n(s) > 0 &&
	       s->greet_step != GREET_DONE) {
		parsed = greet_once(s);
		if (s->greet_step == GREET_HANDSHAKE && parsed == PARSE_DONE)
			return; /* its turn comes: greet_work() */
	}
	if (s->phase == SESSION_GREETING && s->greet_step != GREET_DONE &&
	    !client_side(s)->recv.in_kernel)
		greet_receive(s);
}

/* Puts what came behind what is there. False when that is too much. */
static bool add_to_first(struct session *s, struct buf *buf)
{
	uint32_t n = buf_filled(buf);

	if (!s->first) {
		s->first = buf;
		return true;
	}
	if (n > BUF_BYTES - s->first->end) {
		buf_put(&s->engine->bufs, buf);
		return false;
	}
	memcpy(s->first->bytes + s->first->end, buf->bytes + buf->start, n);
	s->first->end += n;
	buf_put(&s->engine->bufs, buf);
	return true;
}

static void greet_receive_failed(struct session *s, int res)
{
	if (res == -ENOBUFS) {
		if (!engine_free_slow_greeting(s->engine, s))
			side_starve(client_side(s));
		else
			greet_receive(s);
	} else if (res == -EINTR || res == -EAGAIN) {
		greet_receive(s);
	} else if (s->greet_step == GREET_REFUSED) {
		session_close(s, s->why, s->by);
	} else {
		session_close(s, res == 0 ? CLOSE_CLIENT_LEFT : CLOSE_CLIENT_RESET, BY_CLIENT);
	}
}

/* Encrypted: it is decrypted into what waits for the backend, and looked at there. */
static void startup_received(struct session *s, struct buf *buf)
{
	crypt_received(&s->lanes[LANE_UP], buf);
	if (s->phase == SESSION_GREETING)
		postgres_startup(s);
}

static void greet_on_recv(struct io_op *op, int res, unsigned flags)
{
	struct side *client = container_of(op, struct side, recv);
	struct session *s = side_session(client);
	struct buf *buf = NULL;

	if (flags & IO_HAS_BUFFER)
		buf = buf_received(&s->engine->bufs, MAX(res, 0), flags);
	if (buf && (res <= 0 || s->phase == SESSION_CLOSING)) {
		buf_put(&s->engine->bufs, buf);
		buf = NULL;
	}
	if (s->phase == SESSION_CLOSING) {
		session_op_returned(s);
		return;
	}
	list_remove(&s->handshake);
	s->active_ms = s->engine->now_ms;
	s->has_spoken = true;
	if (!buf)
		greet_receive_failed(s, res);
	else if (s->greet_step == GREET_STARTUP)
		startup_received(s, buf);
	else if (add_to_first(s, buf))
		greet_run(s);
	else
		greet_refuse(s, CLOSE_BAD_GREETING, "too many bytes before the first message was whole");
}

void greet_feed(struct session *s)
{
	greet_receive(s);
}

void greet_on_deadline(struct session *s)
{
	session_close(s, CLOSE_GREETING_TIMEOUT, BY_CLIENT);
}

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
