/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/greet_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "proto/hello.h"
#include "proto/tlsrec.h"
#include "proxy/crypt.h"
#include "proxy/engine.h"
#include "proxy/facts.h"
#include "proxy/greet.h"
#include "proxy/postgres.h"
#include "proxy/route.h"
#include "proxy/side.h"
#include "tls/server.h"
#include "tls/stream.h"

/* What PostgreSQL's direct TLS must offer (its manual, "SSL Session Encryption"). */
#define ALPN_POSTGRES "postgresql"

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

static void refuse_with_alert(struct session *s, enum close_reason why, uint8_t alert,
			      const char *detail)
{
	uint8_t record[TLSREC_ALERT_BYTES];

	counters_add(&session_counters(s)->handshakes_failed, 1);
	if (alert > 0) {
		tlsrec_write_alert(record, alert);
		greet_say(s, record, sizeof(record));
	}
	greet_refuse(s, why, detail);
}

/* ---- the handshake ------------------------------------------------------- */

static void note_hello(struct session *s, const struct hello *hello)
{
	struct facts *facts = facts_of(s);
	size_t n = hello->alpn_bytes > 0 ? hello->alpn[0] : 0;

	counters_add(&session_counters(s)->hellos, 1);
	if (hello->name[0])
		counters_add(&session_counters(s)->hellos_with_name, 1);
	if (!facts)
		return;
	memcpy(facts->sni, hello->name, sizeof(facts->sni));
	if (n >= sizeof(facts->alpn))
		n = 0;
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
		.alpn = hello->alpn,
		.alpn_bytes = hello->alpn_bytes,
		.ticket_bytes = hello->ticket_bytes,
	};

	client->is_ready = false;
	return tls_stream_accept(s->listener->tls, &offer, crypt_send, client, &client->tls);
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

static void count_handshake(struct listener_counters *c, const struct tls_facts *tls)
{
	counters_add(&c->handshakes, 1);
	if (tls->resumed)
		counters_add(&c->handshakes_resumed, 1);
	counters_add(tls->is_tls13 ? &c->handshakes_tls13 : &c->handshakes_tls12, 1);
	label_counter_add(&c->ciphers, 0, tls->cipher, 1);
}

static void note_handshake(struct session *s)
{
	struct facts *facts = facts_of(s);
	struct tls_facts tls;

	tls_stream_facts(client_side(s)->tls, &tls);
	count_handshake(session_counters(s), &tls);
	if (!facts)
		return;
	facts->version = tls.version;
	facts->cipher = tls.cipher;
	facts->openssl_cipher = tls.openssl;
	facts->has_certificate = tls.has_peer;
	facts->resumed = tls.resumed;
	snprintf(facts->alpn, sizeof(facts->alpn), "%s", tls.alpn);
	snprintf(facts->client_name, sizeof(facts->client_name), "%s", tls.peer);
}

static void handshake_done(struct session *s)
{
	struct lane *up = &s->lanes[LANE_UP];
	struct side *client = client_side(s);

	note_handshake(s);
	side_become_ready(client);
	if (tls_stream_input_left(client->tls) > 0)
		crypt_decrypt(up);
	greet_release_first(s);
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
	if (tls_stream_lacks_memory(client_side(s)->tls)) {
		s->detail = tls_stream_reason(client_side(s)->tls);
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
		return;
	}
	counters_add(&session_counters(s)->handshakes_failed, 1);
	if (result == TLS_FAILED)
		greet_refuse(s, CLOSE_CLIENT_TLS, tls_stream_reason(client_side(s)->tls));
	else
		session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
}

/* Between two flights of a handshake nothing of it is held but in the library. */
static void handshake_go_on(struct session *s)
{
	struct side *client = client_side(s);
	enum tls_result result;

	tls_stream_give(client->tls, first_bytes(s), first_n(s), s->engine->now_ms);
	result = tls_stream_handshake(client->tls);
	(void)side_push(client);
	if (result == TLS_DONE) {
		handshake_done(s);
	} else if (result == TLS_WANT_INPUT) {
		greet_release_first(s);
		greet_run(s);
	} else {
		handshake_failed(s, result);
	}
}

void greet_work(struct session *s)
{
	CHECK(s->phase == SESSION_GREETING);
	CHECK(s->greet_step == GREET_HANDSHAKE);
	if (client_side(s)->tls ? greet_read(s) : !greet_queue_is_left(s) && begin_handshake(s))
		handshake_go_on(s);
}

void greet_wait_for_turn(struct session *s)
{
	struct engine *e = s->engine;

	s->greet_wait = GREET_WAITS_FOR_TURN;
	list_remove(&s->handshake);
	list_append(client_side(s)->tls ? &e->handshakes_begun : &e->handshakes_new, &s->handshake);
}

/* Its turn comes: at once, or when handshake_rate allows one more to begin. */
enum parse greet_handshake(struct session *s)
{
	if (first_n(s) == 0)
		return PARSE_MORE;
	list_remove(&s->handshake);
	greet_queue_keep(s);
	if (!greet_queue_wait_for_rate(s))
		greet_wait_for_turn(s);
	return PARSE_DONE;
}

/* ---- ClientHello --------------------------------------------------------- */

static void hello_refused(struct session *s, enum hello_fault fault)
{
	const struct listener_config *config = s->listener->config;
	bool is_not_tls = hello_fault_alert(fault) == 0 || fault == HELLO_SSL2;

	if (is_not_tls && config->tls == TLS_MODE_PASSTHROUGH &&
	    config->not_tls == UNMATCHED_POOL && config->pool)
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
	    config->no_sni == UNMATCHED_REJECT)
		return "no server name (SNI)";
	if (!s->route)
		return "no route for this name";
	if (config->tls == TLS_MODE_TERMINATE && !tls_server_knows(s->listener->tls, hello->name))
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
		return greet_handshake(s);
	}
	greet_done(s, s->route);
	return PARSE_DONE;
}
