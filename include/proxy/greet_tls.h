/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_GREET_TLS_H
#define PROXY_GREET_TLS_H

/* The greeting's steps of TLS: the ClientHello, which routes, and the handshake. */

#include <stdbool.h>

#include "base/def.h"
#include "proto/parse.h"
#include "proxy/session.h"

/* Reads the ClientHello, as far as it has come, and decides by it. */
MUST_CHECK enum parse greet_hello(struct session *s);
/* The handshake can begin: it waits for its turn, greet_work(). */
MUST_CHECK enum parse greet_handshake(struct session *s);

/*
 * A handshake's next move: costs up to milliseconds of CPU, so the engine
 * calls it for as many sessions as there is time for in a turn, those on
 * engine.handshakes_begun and engine.handshakes_new.
 */
void greet_work(struct session *s);
/* Puts it there. */
void greet_wait_for_turn(struct session *s);

#endif
