/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_STREAM_H
#define TLS_STREAM_H

/*
 * One TLS session over memory, as server or as client. It does no I/O:
 *
 *      socket -> tls_stream_give() -> tls_stream_read()  -> plaintext
 *      socket <- the send callback <- tls_stream_write() <- plaintext
 *
 * Used by one thread. Never waits: TLS_WANT_INPUT says that everything given
 * has been used up and more is needed. Any call may call @send, also a read
 * (alerts, answers to a KeyUpdate).
 *
 *      handshake … DONE -> read, write … -> close -> (read until CLOSED) -> destroy
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "tls/offer.h"

/* Plaintext in one record; a write of this size or less makes one record. */
#define TLS_RECORD_BYTES 16384
/*
 * A read, a close, or one record of a write hands to @send at most this much
 * more than the plaintext it takes.
 */
#define TLS_OVERHEAD_BYTES 1024
#define TLS_READ_BYTES_MAX 65536 /* work in one call */

enum tls_result {
	TLS_DONE,       /* it went on; ask again */
	TLS_WANT_INPUT, /* all input is used up, its memory is free again */
	TLS_CLOSED,     /* the peer said close_notify: a clean end of data, like a FIN */
	TLS_FAILED,     /* see tls_stream_reason(); an alert was sent where TLS has one */
};

/*
 * Takes ciphertext for the peer: copies all @n bytes (up to TLS_RECORD_BYTES +
 * TLS_OVERHEAD_BYTES at a time) and returns 0, or -errno, which ends the
 * session. A handshake sends at most the certificate chain plus 1 kB in a row.
 */
typedef int tls_send_fn(void *owner, const void *bytes, size_t n);

struct tls_client;
struct tls_server;
struct tls_stream;

/*
 * A session with a client that has begun to speak. Borrows @offer (NULL: an
 * empty one), takes a reference of @server, keeps @send and @owner. Returns 0,
 * -ENOMEM, or -ENOENT when @server rejects the name: then the caller answers
 * with the alert unrecognized_name and closes.
 */
MUST_CHECK int tls_stream_accept(struct tls_server *server, const struct tls_offer *offer,
				 tls_send_fn *send, void *owner, struct tls_stream **ret_stream);

/* A server that is connected to. */
struct tls_target {
	const char *name;     /* its own, to verify (and SNI) when the configuration has none */
	uint64_t id;          /* of its own, by which a session with it is resumed; 0: never */
	bool keeps_end_point; /* see tls_stream_end_point() */
};

/*
 * A session with a server. @target may be NULL: nothing of it is known. Returns 0, -ENOMEM, or
 * -EINVAL when there is nothing to verify against.
 */
MUST_CHECK int tls_stream_connect(struct tls_client *client, const struct tls_target *target,
				  tls_send_fn *send, void *owner, struct tls_stream **ret_stream);

/* Frees it, in whatever state; sends nothing. Accepts NULL. */
void tls_stream_destroy(struct tls_stream *s);

/*
 * Gives ciphertext that came at @now_ms of a clock that does not jump. The
 * stream keeps a pointer to it until it answers TLS_WANT_INPUT (or has ended,
 * or is destroyed). The span before must have been used up. Records that no
 * honest peer sends do not reach the library (see proto/record_filter.h).
 */
void tls_stream_give(struct tls_stream *s, const void *bytes, size_t n, uint64_t now_ms);

/* Bytes of the given span that are not used up yet. */
size_t tls_stream_input_left(const struct tls_stream *s);

/*
 * Goes on with the handshake. TLS_DONE: it is over, and input that is left
 * belongs to tls_stream_read(). A client calls it first without input.
 */
MUST_CHECK enum tls_result tls_stream_handshake(struct tls_stream *s);

/*
 * Decrypts into @plain, at most @size bytes (and TLS_READ_BYTES_MAX), as much
 * as the input has. *ret_n is set in every case and counts also when the
 * result is not TLS_DONE: data may come right before the end. TLS_DONE: @plain
 * is full, or enough was done for once; call again for the rest.
 * TLS_WANT_INPUT comes in the call that used up the last of the input.
 */
MUST_CHECK enum tls_result tls_stream_read(struct tls_stream *s, void *plain, size_t size,
					   size_t *ret_n);

/* Encrypts all @n bytes. TLS_DONE or TLS_FAILED. Allowed until tls_stream_close(). */
MUST_CHECK enum tls_result tls_stream_write(struct tls_stream *s, const void *plain, size_t n);

/* Sends close_notify, once; reading may go on. The half-close of TLS. */
MUST_CHECK enum tls_result tls_stream_close(struct tls_stream *s);

/*
 * It failed, and not by the peer's doing: memory has run out, or @send had no
 * room for what it was to take.
 */
bool tls_stream_lacks_memory(const struct tls_stream *s);

/*
 * Ends a session whose handshake is done, with this fatal alert, for a reason
 * that lives as long as it. What is sent afterwards fails.
 */
void tls_stream_refuse(struct tls_stream *s, uint8_t alert, const char *why);

/* Was a fatal alert sent? Nothing may follow it but the end of the connection. */
bool tls_stream_has_alerted(const struct tls_stream *s);

/* Why it failed, for an operator: "client offers only TLS 1.0". Never NULL. */
const char *tls_stream_reason(const struct tls_stream *s);

/* Was its handshake a short one, in which the peer has shown no certificate? */
bool tls_stream_is_resumed(const struct tls_stream *s);

/* The common name in the peer's certificate, good or not; "": none. */
const char *tls_stream_peer(const struct tls_stream *s);

/* After the handshake. Pointers live as long as the stream. */
struct tls_facts {
	const char *version;  /* "TLSv1.3" */
	const char *cipher;   /* IANA's name: "TLS_AES_128_GCM_SHA256" */
	const char *openssl;  /* OpenSSL's name of it, another one below TLS 1.3 */
	const char *group;    /* "X25519"; "" when not known */
	const char *alpn;     /* "": none */
	const char *peer;     /* common name of the peer's certificate; "": it has none */
	const char *identity; /* see x509/identity.h; NULL: not asked for, or no certificate */
	bool has_peer;        /* the peer showed a certificate, which was verified */
	bool is_tls13;
	bool resumed;
};

/*
 * What a log-in is bound to that is bound to this session (see x509/end_point.h), for who has asked
 * for it; NULL: there is none. Lives as long as the stream.
 */
const struct end_point *tls_stream_end_point(const struct tls_stream *s);

void tls_stream_facts(const struct tls_stream *s, struct tls_facts *ret_facts);

#endif
