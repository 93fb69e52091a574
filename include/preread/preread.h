/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PREREAD_PREREAD_H
#define PREREAD_PREREAD_H

/*
 * What a client says before a backend is chosen. A listener's configuration
 * says which steps there are, in this order; without any the session goes on
 * at once, so that servers which speak first work:
 *
 *   PROXY header -> the protocol in clear -> ClientHello -> TLS handshake -> the protocol inside
 *
 * All steps together have handshake_timeout. A client that is refused gets the
 * alert or error message that its protocol has for that.
 */

#include "session/host.h"
#include "session/session.h"

extern const struct phase_handlers preread_handlers;

/* Lets those go on who wait for memory or for handshake_rate, if they can now. */
void preread_work(struct host *host);

#endif
