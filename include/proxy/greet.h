/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_GREET_H
#define PROXY_GREET_H

/*
 * What comes before a backend is chosen. A listener's configuration says
 * which steps there are, in this order; without any the session goes on at
 * once, so that servers which speak first work:
 *
 *   introduction   a PROXY header: whom somebody in front of us speaks for
 *   postgres       requests for encryption, a start-up packet, a cancel request
 *   hello          a ClientHello: name and ALPN, for the route and the certificate
 *   handshake      TLS, when it is terminated here
 *   startup        PostgreSQL's start-up packet or cancel request inside TLS
 *
 * The bytes of a step that the backend must see wait in its side. All steps
 * together have handshake_timeout. A client that is refused gets the alert or
 * error message that its protocol has for that.
 */

#include <stdbool.h>

#include "base/def.h"
#include "proto/parse.h"
#include "proxy/session.h"

enum greet_step {
	GREET_INTRODUCTION,
	GREET_POSTGRES,
	GREET_HELLO,
	GREET_HANDSHAKE,
	GREET_STARTUP, /* of PostgreSQL, inside TLS */
	GREET_DONE,
	GREET_REFUSED, /* the last words are being sent, what still comes is dropped */
};

/* In the greeting phase; ends in dial_start() or session_close(). */
void greet_start(struct session *s);
void greet_on_deadline(struct session *s);
/* Everything that waited for the client was sent. */
void greet_on_sent(struct session *s);

/* ---- for the steps that have files of their own ---- */

/* Sends to the client. */
void greet_say(struct session *s, const void *bytes, size_t n);
/* Drops the first @n of the bytes that have come. */
void greet_consume(struct session *s, size_t n);
/* On to the step that follows a PROXY header. */
void greet_next(struct session *s);
/* Waits for more; what has come is kept in memory of its size. */
void greet_receive(struct session *s);
/* Is there memory for what the client's socket has? */
bool greet_has_room(const struct session *s);
/* The client's socket has bytes, or has ended. */
void greet_on_input(struct session *s);
/* Reads into s->first, behind what is there. False when the session is over, or waits for more. */
MUST_CHECK bool greet_read(struct session *s);
/* Works on what has come, until a step wants more or the greeting is over. */
void greet_run(struct session *s);
/* The bytes that have come were dealt with. */
void greet_release_first(struct session *s);
/*
 * No. If there is something to say, it is sent before the connection ends,
 * and not with a reset. @detail lives as long as the session.
 */
void greet_refuse(struct session *s, enum close_reason why, const char *detail);
/* To a backend of @pool, or of s->pool where that is known already. */
void greet_done(struct session *s, const struct pool_config *pool);

/* Gives back what the greeting left with the session. */
void greet_finish(struct session *s);

#endif
