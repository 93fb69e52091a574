/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_FACTS_H
#define PROXY_FACTS_H

/*
 * What a session's first bytes said of it, for routing, for the PROXY header
 * and for its log line. Few sessions of a plain listener have any, so they
 * are not part of the session: engine.facts holds them.
 */

#include <stdbool.h>

#include "base/def.h"
#include "base/log.h"
#include "net/addr.h"
#include "proto/hello.h"
#include "tls/stream.h"

struct session;

#define FACTS_ALPN_BYTES 64
#define FACTS_DETAIL_BYTES 128

struct facts {
	char sni[HELLO_NAME_BYTES];            /* "": none */
	char alpn[FACTS_ALPN_BYTES];           /* agreed on, or the first offered; "": or longer */
	const char *version, *cipher;          /* of the client's TLS; NULL: not terminated here */
	const char *openssl_cipher;            /* what OpenSSL calls it */
	char client_name[TLS_PEER_NAME_BYTES]; /* common name of its certificate */
	struct addr destination;               /* as a PROXY header says; len 0: not said */
	char dial_detail[FACTS_DETAIL_BYTES];  /* what the last backend said no with */
	bool has_certificate;                  /* it showed one, which was verified */
	bool resumed;
};

/* The session's facts, made when it has none yet; NULL without memory. */
MUST_CHECK struct facts *facts_of(struct session *s);
void facts_release(struct session *s);

void facts_log(const struct facts *facts, struct log_line *line);

#endif
