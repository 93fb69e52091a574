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
/* More of the handshake has come: it waits for its turn, greet_work(). */
MUST_CHECK enum parse greet_handshake(struct session *s);

/*
 * A handshake's next move: costs up to milliseconds of CPU, so the engine
 * calls it for a few sessions in each turn, those on engine.handshakes.
 */
void greet_work(struct session *s);
/* One of engine.handshake_lines: begins what its listener's handshake_rate allows. */
void greet_move_line(struct list *line);

#endif
