/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NEGOTIATION_NEGOTIATION_H
#define NEGOTIATION_NEGOTIATION_H

/*
 * The negotiating phase: both sides are open and the lanes are not. The
 * backend hears what the client has said (session.early, which is kept), and
 * its protocol reads the answer (protocol.read_answer): it is the client's,
 * and the session goes on to relay; or the client speaks next (preread, with
 * the backend at hand); or another backend is tried, which hears the same, for
 * the client has been shown nothing.
 *
 * The dialing phase is told how it went, by session.dial_error: it knows what
 * follows from a try that failed, and from one that did not.
 */

#include "session/session.h"

extern const struct phase_handlers negotiation_handlers;

#endif
