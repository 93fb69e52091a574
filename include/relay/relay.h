/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/* The relaying phase: both sides are open, and the lanes carry bytes until both have ended. */

#include "session/session.h"

extern const struct phase_handlers relay_handlers;

#endif
