/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_CANCELLING_H
#define DIAL_CANCELLING_H

/*
 * The cancelling phase: a backend is connected that is to hear a request to
 * cancel (see cancel_fanout.h). It is told, not relayed, and hangs up; then
 * dialing has the next one, or this phase is entered without a backend: the
 * client hears the end of its connection, as from a server that has done what
 * it was asked.
 */

#include "session/session.h"

extern const struct phase_handlers cancelling_handlers;

#endif
