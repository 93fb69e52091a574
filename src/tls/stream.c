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
#include "tls/certificate.h"
#include "tls/choice.h"
#include "tls/endpoint.h"
#include "tls/memory.h"
#include "tls/peer_name.h"
#include "tls/reason.h"
#include "tls/x509.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 5
#define RECORD_ALERT 21
#define ALERT_BYTES 2

/*
 * The library breaks off a handshake when a client offers a longer ticket for
 * TLS 1.2: its SESSION_TICKET_LEN, which no public header has. None of ours is.
 */
enum {
	TICKET_BYTES_MAX = 170
#ifdef WOLFSSL_TICKET_HAVE_ID
			   + 32
#endif
#ifdef OPENSSL_EXTRA
			   + 33
#endif
};

/*
 * Records without data that one call deals with; each may cost an answer and
 * two key derivations. An honest peer never sends so many in a row.
 */
#define CONTROL_IN_A_ROW_MAX 16

struct tls_stream {
	WOLFSSL *ssl;
	struct tls_server *server; /* one of these two */
	struct tls_client *client;
	tls_send_fn *send;
	void *owner;
	const uint8_t *input; /* what is left of the span */
	size_t input_left;
	uint64_t records;            /* whole ones, since the handshake */
	uint64_t data_records;       /* those that had data */
	uint64_t control_before;     /* those that had none, before the call that is running */
	char *name;                  /* that was asked for; until the handshake is over */
	char *alpn;                  /* NULL: none */
	char *peer;                  /* NULL: no certificate */
	char *reason;                /* NULL: nothing failed */
	enum tls_result end;         /* TLS_DONE: reading goes on; else what every read answers */
	int refusal;                 /* our own, of the peer's certificate: a code of the library */
	struct choice_fit offer;     /* for words, should it fail */
	struct peer_address address; /* that the peer must prove */
	uint16_t record_left;        /* of the body that is passing */
	uint8_t header[HEADER_BYTES], header_bytes;
	bool input_ended;
	bool established;
	bool closed; /* close_notify was sent */
	bool flooded;
	bool ticket_opened; /* the client's; the library may still have refused it */
	bool lacks_memory;  /* or did, in this call or in this handshake */
};

/* ---- between the library and the buffers --------------------------------- */

static void count_records(struct tls_stream *s, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t took;

		if (s->header_bytes < HEADER_BYTES) {
			took = MIN(n, (size_t)(HEADER_BYTES - s->header_bytes));
			memcpy(s->header + s->header_bytes, bytes, took);
			s->header_bytes += (uint8_t)took;
			if (s->header_bytes == HEADER_BYTES)
				s->record_left = (uint16_t)(s->header[3] << 8 | s->header[4]);
		} else {
			took = MIN(n, s->record_left);
			s->record_left -= (uint16_t)took;
		}
		if (s->header_bytes == HEADER_BYTES && s->record_left == 0) {
			s->header_bytes = 0;
			s->records++;
		}
		bytes += took;
		n -= took;
	}
}

static int on_receive(WOLFSSL *ssl, char *out, int size, void *context)
{
	struct tls_stream *s = context;
	size_t n = MIN((size_t)size, s->input_left);

	(void)ssl;
	if (n == 0)
		return s->input_ended ? WOLFSSL_CBIO_ERR_CONN_CLOSE : WOLFSSL_CBIO_ERR_WANT_READ;
	if (s->established &&
	    tls_stream_control_records(s) > s->control_before + CONTROL_IN_A_ROW_MAX) {
		s->flooded = true;
		return WOLFSSL_CBIO_ERR_WANT_READ;
	}
	memcpy(out, s->input, n);
	count_records(s, s->input, n);
	s->input += n;
	s->input_left -= n;
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *bytes, int n, void *context)
{
	struct tls_stream *s = context;

	(void)ssl;
	if (s->send(s->owner, bytes, (size_t)n) == 0)
		return n;
	s->lacks_memory = true;
	return WOLFSSL_CBIO_ERR_GENERAL;
}

void stream_prepare(struct WOLFSSL_CTX *ctx)
{
	wolfSSL_CTX_SetIORecv(ctx, on_receive);
	wolfSSL_CTX_SetIOSend(ctx, on_send);
	wolfSSL_CTX_SetMinRsaKey_Sz(ctx, X509_RSA_BITS_MIN); /* of peers and of CAs, too */
}

/* The name in the peer's certificate is kept for the log. */
static bool keep_peer(struct tls_stream *s, const WOLFSSL_BUFFER_INFO *leaf)
{
	char name[TLS_PEER_NAME_BYTES];

	if (s->peer)
		return true;
	certificate_common_name(leaf->buffer, leaf->length, name, sizeof(name));
	s->peer = strdup(name);
	s->lacks_memory |= !s->peer;
	return s->peer != NULL;
}

int stream_on_verify(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls_stream *s = store->userCtx;
	const WOLFSSL_BUFFER_INFO *leaf = store->certs;

	if (!is_good || store->error_depth != 0 || store->totalCerts < 1)
		return is_good;
	s->refusal = x509_chain_fault(leaf, (size_t)store->totalCerts, s->server);
	if (s->address.bytes > 0 && !peer_address_fits(&s->address, leaf->buffer, leaf->length))
		s->refusal = IPADDR_MISMATCH;
	return s->refusal == 0 && keep_peer(s, leaf);
}

const char *stream_asked_name(WOLFSSL *ssl)
{
	const struct tls_stream *s = wolfSSL_GetIOReadCtx(ssl);

	return s->name ? s->name : "";
}

void stream_on_ticket_opened(WOLFSSL *ssl)
{
	struct tls_stream *s = wolfSSL_GetIOReadCtx(ssl);

	s->ticket_opened = true;
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
	wolfSSL_SetIOReadCtx(s->ssl, s);
	wolfSSL_SetIOWriteCtx(s->ssl, s);
	wolfSSL_SetCertCbCtx(s->ssl, s);
	return s;
}

/* @offer: what a client offers; NULL: we are the client. */
static bool use_alpn(struct tls_stream *s, const struct policy *policy,
		     const struct tls_offer *offer)
{
	char list[POLICY_ALPN_BYTES]; /* the library cuts it up */

	if (policy->alpn[0] == '\0')
		return true;
	memcpy(list, policy->alpn, sizeof(list));
	if (offer)
		choice_of_alpn(list, offer);
	return wolfSSL_UseALPN(s->ssl, list, (unsigned)strlen(list),
			       WOLFSSL_ALPN_FAILED_ON_MISMATCH) == WOLFSSL_SUCCESS;
}

/* A ticket that is too long is not ours; the library must not look at it. */
static WOLFSSL_CTX *context_for(const struct identity *identity, const struct tls_offer *offer)
{
	bool is_too_long = offer && offer->ticket_bytes > TICKET_BYTES_MAX;

	return is_too_long ? identity->deaf_ctx : identity->ctx;
}

int tls_stream_accept(struct tls_server *server, const struct tls_offer *offer, tls_send_fn *send,
		      void *owner, struct tls_stream **ret_stream)
{
	static const struct tls_offer nothing = { .name = "" };
	struct identity *identity = server_choose(server, offer ? offer : &nothing);
	struct tls_stream *s;

	if (!identity)
		return -ENOENT;
	s = create(context_for(identity, offer), send, owner);
	if (!s)
		return -ENOMEM;
	s->server = tls_server_ref(server);
	if (offer && offer->name[0] != '\0')
		s->name = strdup(offer->name);
	if (offer)
		choice_fit_of(&s->offer, offer, &server->policy);
	if ((offer && offer->name[0] != '\0' && !s->name) || !use_alpn(s, &server->policy, offer)) {
		tls_stream_destroy(s);
		return -ENOMEM;
	}
	*ret_stream = s;
	return 0;
}

/* Tells the library what to verify and what to ask for; @verify may be NULL. */
static bool use_names(struct tls_stream *s, const struct peer_name *verify)
{
	const char *sni = s->client->sni;

	if (!sni)
		sni = verify ? verify->host : "";
	if (sni[0] != '\0' && wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, sni,
					     (unsigned short)strlen(sni)) != WOLFSSL_SUCCESS)
		return false;
	if (s->client->insecure)
		return true;
	CHECK(verify);
	s->address = verify->address; /* stream_on_verify() compares it */
	return s->address.bytes > 0 ||
	       wolfSSL_check_domain_name(s->ssl, verify->host) == WOLFSSL_SUCCESS;
}

int tls_stream_connect(struct tls_client *client, const char *name, tls_send_fn *send, void *owner,
		       struct tls_stream **ret_stream)
{
	const struct peer_name *verify = client->verify;
	struct peer_name given;
	struct tls_stream *s;

	if (!verify && name) {
		if (!peer_name_read(&given, name))
			return -EINVAL;
		verify = &given;
	}
	if (!verify && !client->insecure)
		return -EINVAL;
	s = create(client->ctx, send, owner);
	if (!s)
		return -ENOMEM;
	s->client = tls_client_ref(client);
	if (!use_names(s, verify) || !use_alpn(s, &client->policy, NULL)) {
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
	free(s->name);
	free(s->alpn);
	free(s->peer);
	free(s->reason);
	free(s);
}

/* ---- input --------------------------------------------------------------- */

void tls_stream_give(struct tls_stream *s, const void *bytes, size_t n)
{
	CHECK(s->input_left == 0);
	CHECK(!s->input_ended);
	s->input = bytes;
	s->input_left = n;
}

void tls_stream_give_end(struct tls_stream *s)
{
	s->input_ended = true;
}

size_t tls_stream_input_left(const struct tls_stream *s)
{
	return s->input_left;
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

/*
 * The alert that the library stumbled over: until its Finished a TLS 1.3 client
 * may have no key to send one with (OpenSSL's has not), and the library takes
 * it for a broken record. -1: none.
 */
static int alert_in_clear(const struct tls_stream *s)
{
	bool is_alert = s->header_bytes == HEADER_BYTES && s->header[0] == RECORD_ALERT &&
			s->header[3] == 0 && s->header[4] == ALERT_BYTES;

	if (s->established || !is_alert || s->record_left < ALERT_BYTES ||
	    s->input_left < ALERT_BYTES)
		return -1;
	return s->input[1];
}

static int alert_received(const struct tls_stream *s)
{
	WOLFSSL_ALERT_HISTORY history;

	if (wolfSSL_get_alert_history(s->ssl, &history) == WOLFSSL_SUCCESS &&
	    history.last_rx.level == alert_fatal)
		return history.last_rx.code;
	return alert_in_clear(s);
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

static bool is_version_code(int code)
{
	return code == VERSION_ERROR || code == UNSUPPORTED_PROTO_VERSION;
}

static enum tls_result fail(struct tls_stream *s, int code)
{
	const char *peer = peer_word(s);
	int alert = alert_received(s);

	s->lacks_memory |= memory_ran_out() || code == MEMORY_E;
	if (s->flooded)
		set_reason(s, "%s sends too many TLS records without data", peer);
	else if (alert > 0)
		set_reason(s, "%s sent the alert: %s", peer, reason_of_alert(alert));
	else if (s->established && code == DUPLICATE_MSG_E)
		set_reason(s, "%s asks for a renegotiation", peer);
	else if ((is_version_code(code) || !s->offer.version_fits) && s->offer.version > 0)
		set_reason(s, "client offers only %s", reason_of_version(s->offer.version));
	else if (s->offer.version > 0 && !s->offer.group_fits)
		set_reason(s, "no key exchange group in common");
	else
		set_reason(s, "%s", reason_of_code(s->refusal ? s->refusal : code));
	s->end = TLS_FAILED;
	return s->end;
}

/* What the library's refusal to go on means. */
static enum tls_result judge(struct tls_stream *s, int ret)
{
	int code = wolfSSL_get_error(s->ssl, ret);

	s->lacks_memory |= memory_ran_out();
	if (s->flooded)
		return fail(s, 0);
	switch (code) {
	case WOLFSSL_ERROR_WANT_READ:
		return TLS_WANT_INPUT;
	case WOLFSSL_ERROR_ZERO_RETURN:
		s->end = TLS_CLOSED;
		return s->end;
	case SOCKET_PEER_CLOSED_E:
	case SOCKET_ERROR_E:
	case WOLFSSL_ERROR_SYSCALL:
		if (!s->input_ended || s->input_left > 0)
			return fail(s, code);
		set_reason(s, "connection ended without close_notify");
		s->end = TLS_TRUNCATED;
		return s->end;
	default:
		return fail(s, code);
	}
}

const char *tls_stream_reason(const struct tls_stream *s)
{
	if (s->lacks_memory)
		return "memory has run out";
	return s->reason ? s->reason : "no reason is known";
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

/* What only the handshake needed goes; an idle session must be small. */
static enum tls_result establish(struct tls_stream *s)
{
	if (!keep_alpn(s))
		return fail(s, MEMORY_E);
	if (s->address.bytes > 0 && !s->peer) /* stream_on_verify() was not asked */
		return fail(s, IPADDR_MISMATCH);
	wolfSSL_FreeArrays(s->ssl);
	free(s->name);
	s->name = NULL;
	s->established = true;
	s->records = 0;
	return TLS_DONE;
}

enum tls_result tls_stream_handshake(struct tls_stream *s)
{
	int ret;

	CHECK(!s->established);
	if (s->end != TLS_DONE)
		return s->end;
	begin_call(s);
	ret = s->server ? wolfSSL_accept(s->ssl) : wolfSSL_connect(s->ssl);
	return ret == WOLFSSL_SUCCESS ? establish(s) : judge(s, ret);
}

/* ---- data ---------------------------------------------------------------- */

uint64_t tls_stream_control_records(const struct tls_stream *s)
{
	return s->records - s->data_records;
}

/* One record's plaintext, or what is left of it. */
static int read_some(struct tls_stream *s, uint8_t *plain, size_t size)
{
	bool is_new = wolfSSL_pending(s->ssl) == 0;
	int n;

	s->control_before = tls_stream_control_records(s);
	begin_call(s);
	n = wolfSSL_read(s->ssl, plain, (int)size);
	if (n > 0 && is_new)
		s->data_records++;
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
			result = judge(s, got);
	}
	*ret_n = n;
	if (result == TLS_DONE && s->input_left == 0 && !s->input_ended &&
	    wolfSSL_pending(s->ssl) == 0)
		return TLS_WANT_INPUT;
	return result;
}

enum tls_result tls_stream_write(struct tls_stream *s, const void *plain, size_t n)
{
	int ret;

	CHECK(s->established && !s->closed);
	CHECK(n <= INT_MAX);
	if (s->end == TLS_FAILED || s->end == TLS_TRUNCATED)
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
	if (s->end == TLS_FAILED || s->end == TLS_TRUNCATED)
		return TLS_FAILED;
	begin_call(s);
	ret = wolfSSL_shutdown(s->ssl);
	if (ret == WOLFSSL_SUCCESS || ret == WOLFSSL_SHUTDOWN_NOT_DONE)
		return TLS_DONE;
	return fail(s, wolfSSL_get_error(s->ssl, ret));
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
		.group = group ? group : "",
		.alpn = s->alpn ? s->alpn : "",
		.peer = s->peer ? s->peer : "",
		.has_peer = s->peer,
		.is_tls13 = wolfSSL_GetVersion(s->ssl) == WOLFSSL_TLSV1_3,
		.resumed = s->ticket_opened && wolfSSL_session_reused(s->ssl) != 0,
	};
}
