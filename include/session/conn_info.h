/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_CONN_INFO_H
#define SESSION_CONN_INFO_H

/*
 * What a session's first bytes said of its connection, for routing, for the
 * PROXY header and for its log line. Few sessions of a plain listener have any
 * of it, so it is not part of the session: host.infos holds it.
 */

#include <stdbool.h>

#include "base/def.h"
#include "net/addr.h"
#include "proto/hello.h"
#include "tls/stream.h"

struct session;

#define CONN_ALPN_BYTES 64
#define CONN_DETAIL_BYTES 128

struct conn_info {
	char sni[HELLO_NAME_BYTES];            /* "": none */
	char alpn[CONN_ALPN_BYTES];            /* agreed on, or the first offered; "": or longer */
	const char *version, *cipher, *group;  /* of the client's TLS; NULL: not terminated here */
	const char *openssl_cipher;            /* what OpenSSL calls it */
	char client_name[TLS_PEER_NAME_BYTES]; /* common name of its certificate */
	const char *client_rule;               /* that let it in, of the configuration; or NULL */
	struct addr destination;               /* as a PROXY header says; len 0: not said */
	char dial_detail[CONN_DETAIL_BYTES];   /* why the last try failed */
	bool has_certificate;                  /* it showed one, which was verified */
	bool resumed;
};

/* The session's, made when it has none yet; NULL without memory. */
MUST_CHECK struct conn_info *conn_info_of(struct session *s);
void conn_info_release(struct session *s);

/* Why a try failed, in words, for the log; copied. */
void conn_info_note_detail(struct session *s, const char *why);

#endif
