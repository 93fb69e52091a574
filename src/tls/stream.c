/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * The library reads through on_receive(), from the span that was given, and
 * writes through on_send(), which never waits. It asks for exactly the bytes
 * it needs next, a record's header and then its body, so it never holds more
 * than one record, and "nothing left of the span" means that all whole
 * records in it have been dealt with.
 */

#include "tls/stream.h"

#include "base/check.h"
#include "base/def.h"
#include "proto/hello_retry.h"
#include "tls/alert.h"
#include "tls/client.h"
#include "tls/endpoint.h"
#include "x509/error_text.h"
#include "x509/end_point.h"
#include "tls/handshake.h"
#include "records/input.h"
#include "tls/library.h"
#include "tls/memory.h"
#include "tls/resume.h"
#include "tls/server.h"
#include "tls/setup.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_stream {
	WOLFSSL *ssl;
	struct tls_server *server; /* one of these two */
	struct tls_client *client;
	tls_send_fn *send;
	void *owner;
	struct input input;
	char *alpn;             /* NULL: none */
	char *reason;           /* NULL: nothing failed */
	enum tls_result end;    /* TLS_DONE: reading goes on; else what every read answers */
	struct offer_fit offer; /* for words, should it fail */
	struct offer_refusal refusal;
	struct handshake handshake;
	struct resume resume; /* of a client */
	bool established;
	bool closed;       /* close_notify was sent */
	bool is_alerted;   /* a fatal alert was sent, and with it the last word */
	bool lacks_memory; /* or did, in this call or in this handshake */
};

/* ---- between the library and the buffers --------------------------------- */

static int on_receive(WOLFSSL *ssl, char *out, int size, void *context)
{
	struct tls_stream *s = container_of(context, struct tls_stream, handshake);
	size_t n;

	/* Until its Finished a client may have no keys to send one with; the library takes it
	 * for a broken record. */
	s->input.keeps_alerts = !s->established && wolfSSL_GetVersion(ssl) == WOLFSSL_TLSV1_3;
	n = input_read(&s->input, out, (size_t)size);
	return n > 0 ? (int)n : WOLFSSL_CBIO_ERR_WANT_READ;
}

static bool look_for_retry(struct tls_stream *s, const char *bytes, int n)
{
	uint16_t group;

	return s->established || s->client ||
	       !hello_retry_is((const uint8_t *)bytes, (size_t)n, &group) ||
	       input_await_second_hello(&s->input, group);
}

/* Behind a fatal alert nothing may follow, not even another one. */
static int on_send(WOLFSSL *ssl, char *bytes, int n, void *context)
{
	struct tls_stream *s = context;
	WOLFSSL_ALERT_HISTORY history;

	if (s->is_alerted)
		return n;
	if (!look_for_retry(s, bytes, n))
		return WOLFSSL_CBIO_ERR_GENERAL;
	s->is_alerted = wolfSSL_get_alert_history(ssl, &history) == WOLFSSL_SUCCESS &&
			history.last_tx.level == alert_fatal;
	if (s->send(s->owner, bytes, (size_t)n) == 0)
		return n;
	s->lacks_memory = true;
	return WOLFSSL_CBIO_ERR_GENERAL;
}

/* ---- beginning and end --------------------------------------------------- */

static struct tls_stream *create(WOLFSSL_CTX *ctx, tls_send_fn *send, void *owner)
{
	struct tls_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->send = send;
	s->owner = owner;
	s->ssl = wolfSSL_new(ctx);
	if (!s->ssl) {
		free(s);
		return NULL;
	}
	wolfSSL_SSLSetIORecv(s->ssl, on_receive);
	wolfSSL_SSLSetIOSend(s->ssl, on_send);
	wolfSSL_SetIOWriteCtx(s->ssl, s);
	handshake_attach(&s->handshake, s->ssl);
	return s;
}

static void keep_offer(struct tls_stream *s, const struct tls_offer *offer,
		       const struct identity *identity)
{
	const struct policy *policy = &identity->server->policy;

	offer_fit_of(&s->offer, offer, policy);
	s->refusal = offer_refuse(offer, policy);
	if (!s->refusal.why)
		s->refusal = certificate_refuse(identity->kind, offer, policy->max);
	s->input.has_early_data = setup_drop_early_data(s->ssl, offer, policy);
}

static bool keep_name(struct tls_stream *s, const struct tls_offer *offer)
{
	if (offer->name[0] == '\0')
		return true;
	s->handshake.name = strdup(offer->name);
	return s->handshake.name != NULL;
}

int tls_stream_accept(struct tls_server *server, const struct tls_offer *offer, tls_send_fn *send,
		      void *owner, struct tls_stream **ret_stream)
{
	static const struct tls_offer nothing = { .name = "" };
	struct identity *identity = tls_server_choose(server, offer ? offer : &nothing);
	struct tls_stream *s;

	if (!identity)
		return -ENOENT;
	s = create(setup_context(identity, offer), send, owner);
	if (!s)
		return -ENOMEM;
	s->server = tls_server_ref(server);
	s->handshake.peer_is_client = true;
	s->handshake.keeps_identity = server->asks_identities;
	if (offer)
		keep_offer(s, offer, identity);
	if ((offer && !keep_name(s, offer)) || !setup_alpn(s->ssl, &server->policy, offer)) {
		tls_stream_destroy(s);
		return -ENOMEM;
	}
	*ret_stream = s;
	return 0;
}

int tls_stream_connect(struct tls_client *client, const struct tls_target *target,
		       tls_send_fn *send, void *owner, struct tls_stream **ret_stream)
{
	const struct tls_target unknown = { 0 };
	const struct peer_name *verify = client->verify;
	struct peer_name given;
	struct tls_stream *s;

	target = target ? target : &unknown;
	if (!verify && target->name) {
		if (!peer_name_read(&given, target->name))
			return -EINVAL;
		verify = &given;
	}
	if (!verify && !client->insecure)
		return -EINVAL;
	s = create(client->ctx, send, owner);
	if (!s)
		return -ENOMEM;
	s->client = tls_client_ref(client);
	s->handshake.keeps_end_point = target->keeps_end_point;
	resume_begin(&s->resume, client->resume, target->id, s->ssl);
	if (!setup_names(s->ssl, client, verify, &s->handshake) ||
	    !setup_alpn(s->ssl, &client->policy, NULL)) {
		tls_stream_destroy(s);
		return -ENOMEM;
	}
	*ret_stream = s;
	return 0;
}

void tls_stream_destroy(struct tls_stream *s)
{
	if (!s)
		return;
	wolfSSL_free(s->ssl);
	tls_server_unref(s->server);
	tls_client_unref(s->client);
	handshake_finish(&s->handshake);
	input_finish(&s->input);
	free(s->alpn);
	free(s->reason);
	free(s);
}

/* ---- input --------------------------------------------------------------- */

void tls_stream_give(struct tls_stream *s, const void *bytes, size_t n, uint64_t now_ms)
{
	input_give(&s->input, bytes, n, now_ms);
}

size_t tls_stream_input_left(const struct tls_stream *s)
{
	return s->input.left;
}

/* ---- why it ended -------------------------------------------------------- */

static void set_reason(struct tls_stream *s, const char *format, ...) PRINTF_LIKE(2, 3);

static void set_reason(struct tls_stream *s, const char *format, ...)
{
	va_list args;

	if (s->reason)
		return;
	va_start(args, format);
	if (vasprintf(&s->reason, format, args) < 0)
		s->reason = NULL;
	va_end(args);
}

/* -1: none. */
static int alert_received(const struct tls_stream *s)
{
	WOLFSSL_ALERT_HISTORY history;

	if (s->input.has_alert)
		return s->input.alert[1];
	return wolfSSL_get_alert_history(s->ssl, &history) == WOLFSSL_SUCCESS &&
			       history.last_rx.level == alert_fatal
		       ? history.last_rx.code
		       : -1;
}

/*
 * Unless one was sent, or it was said that nothing more is. Without the library it can
 * be had only before there are keys.
 */
static void send_alert(struct tls_stream *s, enum tlsrec_alert alert)
{
	uint8_t record[TLSREC_ALERT_BYTES];

	if (s->closed || s->is_alerted || alert_send(s->ssl, alert) || s->established)
		return;
	tlsrec_write_alert(record, alert);
	(void)s->send(s->owner, record, sizeof(record));
}

static const char *peer_word(const struct tls_stream *s)
{
	return s->server ? "client" : "server";
}

/* Before each call into the library. What a handshake lacked once may break it later. */
static void begin_call(struct tls_stream *s)
{
	memory_forget();
	s->lacks_memory &= !s->established;
}

/* Where the client's hello has one that is served, a record behind it has another. */
static const char *text_of_code(const struct tls_stream *s, int code)
{
	if (code == VERSION_ERROR && s->offer.version_fits)
		return "TLS record of another version than its handshake's";
	if (code == MATCH_SUITE_ERROR && !s->server)
		return "server chose a cipher suite or a signature scheme that was not offered";
	return error_text_of_code(s->handshake.refusal ? s->handshake.refusal : code);
}

static enum tls_result fail(struct tls_stream *s, int code)
{
	const char *peer = peer_word(s);
	int alert = alert_received(s);

	s->lacks_memory |= memory_ran_out() || code == MEMORY_E || s->handshake.lacks_memory;
	if (s->input.fault != RECORD_FINE)
		set_reason(s, "%s", record_fault_text(s->input.fault));
	else if (alert >= 0)
		set_reason(s, "%s sent the alert: %s", peer, error_text_of_alert(alert));
	else if (s->established && code == DUPLICATE_MSG_E)
		set_reason(s, "%s asks for a renegotiation", peer);
	else if (s->offer.version > 0 && !s->offer.version_fits)
		set_reason(s, "client offers only %s", error_text_of_version(s->offer.version));
	else
		set_reason(s, "%s", text_of_code(s, code));
	if (!s->established)
		resume_failed(&s->resume);
	s->end = TLS_FAILED;
	return s->end;
}

/* By our own reading of what the client says. */
static enum tls_result refuse(struct tls_stream *s)
{
	send_alert(s, s->refusal.alert);
	if (s->offer.version > 0 && !s->offer.version_fits)
		set_reason(s, "client offers only %s", error_text_of_version(s->offer.version));
	else
		set_reason(s, "%s", s->refusal.why);
	s->end = TLS_FAILED;
	return s->end;
}

static enum tls_result refuse_second_hello(struct tls_stream *s)
{
	enum hello_fault fault = s->input.second->fault;

	s->refusal = (struct offer_refusal){ hello_fault_text(fault), hello_fault_alert(fault) };
	return refuse(s);
}

/* It tells by its type alone what it means (RFC 8446, 6); who cancels has left. */
static enum tls_result end_by_alert(struct tls_stream *s)
{
	int alert = alert_received(s);

	set_reason(s, "%s sent the alert: %s", peer_word(s), error_text_of_alert(alert));
	if (alert != close_notify && alert != user_canceled)
		return fail(s, 0);
	s->end = TLS_CLOSED;
	return s->end;
}

/* What the library's refusal to go on means. */
static enum tls_result tls_stream_judge(struct tls_stream *s, int ret)
{
	int code = wolfSSL_get_error(s->ssl, ret);

	s->lacks_memory |= memory_ran_out();
	if (s->input.second && s->input.second->fault != HELLO_FINE)
		return refuse_second_hello(s);
	if (s->input.lacks_memory)
		return fail(s, MEMORY_E);
	if (s->input.has_alert)
		return end_by_alert(s);
	if (s->input.fault != RECORD_FINE) {
		send_alert(s, record_fault_alert(s->input.fault));
		return fail(s, 0);
	}
	switch (code) {
	case WOLFSSL_ERROR_WANT_READ:
		return TLS_WANT_INPUT;
	case WOLFSSL_ERROR_ZERO_RETURN:
		if (!s->established)
			set_reason(s, "%s ended the handshake with close_notify", peer_word(s));
		s->end = TLS_CLOSED;
		return s->end;
	default:
		if (alert_received(s) < 0)
			send_alert(s, error_alert_of_code(code));
		return fail(s, code);
	}
}

void tls_stream_refuse(struct tls_stream *s, uint8_t alert, const char *why)
{
	CHECK(s->established);
	s->refusal = (struct offer_refusal){ why, (enum tlsrec_alert)alert };
	(void)refuse(s);
}

const char *tls_stream_reason(const struct tls_stream *s)
{
	if (s->lacks_memory)
		return "memory has run out";
	return s->reason ? s->reason : "no reason is known";
}

bool tls_stream_has_alerted(const struct tls_stream *s)
{
	return s->is_alerted;
}

bool tls_stream_lacks_memory(const struct tls_stream *s)
{
	return s->end == TLS_FAILED && s->lacks_memory;
}

/* ---- handshake ----------------------------------------------------------- */

static bool keep_alpn(struct tls_stream *s)
{
	unsigned short n = 0;
	char *id = NULL;

	if (wolfSSL_ALPN_GetProtocol(s->ssl, &id, &n) != WOLFSSL_SUCCESS || n == 0)
		return true;
	s->alpn = strndup(id, n);
	return s->alpn != NULL;
}

/* Of a client that shows a ticket the library says so, too, when it has refused that. */
static bool is_reused(const struct tls_stream *s)
{
	return (s->client || s->handshake.has_good_ticket) && wolfSSL_session_reused(s->ssl) != 0;
}

/* What only the handshake needed goes; an idle session must be small. */
static enum tls_result establish(struct tls_stream *s)
{
	if (!keep_alpn(s))
		return fail(s, MEMORY_E);
	if (s->handshake.must_be && !s->handshake.is_expected && !is_reused(s))
		return fail(s, handshake_misfit(&s->handshake)); /* nobody has compared it */
	resume_established(&s->resume, s->ssl, is_reused(s));
	wolfSSL_FreeArrays(s->ssl);
	handshake_forget_names(&s->handshake);
	s->established = true;
	input_establish(&s->input, wolfSSL_GetVersion(s->ssl) == WOLFSSL_TLSV1_3);
	return TLS_DONE;
}

enum tls_result tls_stream_handshake(struct tls_stream *s)
{
	int ret;

	CHECK(!s->established);
	if (s->end != TLS_DONE)
		return s->end;
	begin_call(s);
	if (s->refusal.why)
		return refuse(s);
	ret = s->server ? wolfSSL_accept(s->ssl) : wolfSSL_connect(s->ssl);
	return ret == WOLFSSL_SUCCESS ? establish(s) : tls_stream_judge(s, ret);
}

/* ---- data ---------------------------------------------------------------- */

/* One record's plaintext, or what is left of it. */
static int read_some(struct tls_stream *s, uint8_t *plain, size_t size)
{
	bool is_new = wolfSSL_pending(s->ssl) == 0;
	int n;

	begin_call(s);
	n = wolfSSL_read(s->ssl, plain, (int)size);
	if (n > 0 && is_new)
		s->input.data_records++;
	return n;
}

enum tls_result tls_stream_read(struct tls_stream *s, void *plain, size_t size, size_t *ret_n)
{
	enum tls_result result = TLS_DONE;
	size_t n = 0;

	CHECK(s->established);
	size = MIN(size, (size_t)TLS_READ_BYTES_MAX);
	result = s->end;
	while (n < size && result == TLS_DONE) {
		int got = read_some(s, (uint8_t *)plain + n, size - n);

		if (got > 0)
			n += (size_t)got;
		else
			result = tls_stream_judge(s, got);
	}
	*ret_n = n;
	resume_keep(&s->resume, s->ssl);
	if (result == TLS_DONE && s->input.left == 0 && wolfSSL_pending(s->ssl) == 0)
		return TLS_WANT_INPUT;
	return result;
}

enum tls_result tls_stream_write(struct tls_stream *s, const void *plain, size_t n)
{
	int ret;

	CHECK(s->established && !s->closed);
	CHECK(n <= INT_MAX);
	if (s->end == TLS_FAILED)
		return TLS_FAILED;
	if (n == 0)
		return TLS_DONE;
	begin_call(s);
	ret = wolfSSL_write(s->ssl, plain, (int)n);
	if (ret == (int)n)
		return TLS_DONE;
	return fail(s, wolfSSL_get_error(s->ssl, ret));
}

enum tls_result tls_stream_close(struct tls_stream *s)
{
	int ret;

	CHECK(s->established && !s->closed);
	s->closed = true;
	if (s->end == TLS_FAILED)
		return TLS_FAILED;
	begin_call(s);
	ret = wolfSSL_shutdown(s->ssl);
	if (ret == WOLFSSL_SUCCESS || ret == WOLFSSL_SHUTDOWN_NOT_DONE)
		return TLS_DONE;
	return fail(s, wolfSSL_get_error(s->ssl, ret));
}

bool tls_stream_is_resumed(const struct tls_stream *s)
{
	return s->established && is_reused(s);
}

const struct end_point *tls_stream_end_point(const struct tls_stream *s)
{
	const struct end_point *e = s->handshake.end_point;

	return e && e->n > 0 ? e : NULL;
}

const char *tls_stream_peer(const struct tls_stream *s)
{
	return s->handshake.peer ? s->handshake.peer : "";
}

void tls_stream_facts(const struct tls_stream *s, struct tls_facts *ret_facts)
{
	const char *cipher = wolfSSL_get_cipher_name(s->ssl);
	const char *group = wolfSSL_get_curve_name(s->ssl);

	CHECK(s->established);
	*ret_facts = (struct tls_facts){
		.version = wolfSSL_get_version(s->ssl),
		.cipher = policy_cipher_name(cipher),
		.openssl = policy_cipher_openssl(cipher),
		.group = group ? policy_group_name(group) : "",
		.alpn = s->alpn ? s->alpn : "",
		.peer = tls_stream_peer(s),
		.identity = s->handshake.identity,
		.has_peer = s->handshake.peer,
		.is_tls13 = wolfSSL_GetVersion(s->ssl) == WOLFSSL_TLSV1_3,
		.resumed = is_reused(s),
	};
}
