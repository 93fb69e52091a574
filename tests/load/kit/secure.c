/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "secure.h"

#include "kit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SERVER_NAME "bench.example.com" /* real clients ask for a name */

struct secure {
	SSL *ssl;
	bool wants_out;
};

static const struct version {
	const char *name;
	int number;
	const char *groups;
} versions[] = {
	{ "1.2", TLS1_2_VERSION, "X25519:P-256" }, /* there it is the certificate's curve, too */
	{ "1.3", TLS1_3_VERSION, "X25519" },
};

static SSL_CTX *context;
static SSL_SESSION *ticket; /* the newest */
static bool complained;

/* OpenSSL calls it for every ticket that comes; 1 takes the reference. */
static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(ticket);
	ticket = session;
	return 1;
}

static const struct version *find_version(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (strcmp(name, versions[i].name) == 0)
			return &versions[i];
	kit_die("--tls %s: 1.2 or 1.3 is wanted", name);
}

void secure_init(const char *version, const char *groups, bool resumes)
{
	const struct version *v = find_version(version);

	context = SSL_CTX_new(TLS_client_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, v->number) ||
	    !SSL_CTX_set_max_proto_version(context, v->number) ||
	    !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
	    !SSL_CTX_set_cipher_list(context,
				     "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") ||
	    !SSL_CTX_set1_groups_list(context, groups ? groups : v->groups))
		kit_die("OpenSSL: %s", ERR_reason_error_string(ERR_peek_error()));
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes where others send */
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(context,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!resumes)
		return;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep_ticket);
}

bool secure_has_ticket(void)
{
	return ticket;
}

/* A copy: with TLS 1.3 OpenSSL uses up a session with its first handshake. */
static bool show_ticket(SSL *ssl)
{
	SSL_SESSION *copy = SSL_SESSION_dup(ticket);
	bool is_set = copy && SSL_set_session(ssl, copy);

	SSL_SESSION_free(copy);
	return is_set;
}

struct secure *secure_create(int fd)
{
	struct secure *s = kit_alloc(1, sizeof(*s));

	s->ssl = SSL_new(context);
	if (!s->ssl || !SSL_set_fd(s->ssl, fd) || !SSL_set_tlsext_host_name(s->ssl, SERVER_NAME) ||
	    (ticket && !show_ticket(s->ssl)))
		kit_die("OpenSSL: %s", ERR_reason_error_string(ERR_peek_error()));
	SSL_set_connect_state(s->ssl);
	return s;
}

/* Why a call gave @result; never 0. */
static int error_of(struct secure *s, int result)
{
	int err = errno;
	const char *reason;

	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_WRITE:
		s->wants_out = true;
		return -EAGAIN;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return -EPIPE;
	case SSL_ERROR_SYSCALL:
		return err ? -err : -ECONNRESET;
	default:
		reason = ERR_reason_error_string(ERR_peek_error());
		if (!complained)
			fprintf(stderr, "load: TLS: %s\n", reason ? reason : "failed");
		complained = true;
		return -EPROTO;
	}
}

/* What an earlier failure left behind must not be taken for this call's. */
static void begin(struct secure *s)
{
	ERR_clear_error();
	errno = 0;
	s->wants_out = false;
}

int secure_shake(struct secure *s)
{
	int result;

	if (SSL_is_init_finished(s->ssl))
		return 0;
	begin(s);
	result = SSL_do_handshake(s->ssl);
	return result == 1 ? 0 : error_of(s, result);
}

/*
 * OpenSSL gives a record at a time. It reads no byte beyond the record, so
 * that the poller knows when there is more.
 */
ssize_t secure_receive(struct secure *s, uint8_t *bytes, size_t room)
{
	size_t got = 0, n = SECURE_RECORD_BYTES;
	int err;

	while (n == SECURE_RECORD_BYTES && room - got >= SECURE_RECORD_BYTES) {
		begin(s);
		if (!SSL_read_ex(s->ssl, bytes + got, room - got, &n)) {
			err = error_of(s, 0);
			if (got)
				break;
			return err == -EPIPE ? 0 : err;
		}
		got += n;
	}
	return (ssize_t)got;
}

ssize_t secure_send(struct secure *s, const uint8_t *bytes, size_t n)
{
	size_t sent;

	begin(s);
	if (!SSL_write_ex(s->ssl, bytes, n, &sent))
		return error_of(s, 0);
	return (ssize_t)sent;
}

bool secure_wants_out(const struct secure *s)
{
	return s->wants_out;
}

bool secure_is_resumed(const struct secure *s)
{
	return SSL_session_reused(s->ssl);
}

void secure_destroy(struct secure *s)
{
	if (SSL_is_init_finished(s->ssl))
		(void)SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	free(s);
}
