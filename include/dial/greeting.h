/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_GREETING_H
#define DIAL_GREETING_H

/*
 * The connections of a server that hangs are taken by its kernel. Where servers
 * speak first, who hears nothing was shown nothing: once a check finds the
 * server silent, the session is tried elsewhere or held (`hold`), not ended.
 */

#include "session/session.h"

/* Is that to be waited for, before the session relays? */
MUST_CHECK bool greeting_is_due(const struct session *s);

/* Waits for the first byte, as long as a session may be idle; dialing goes on with that. */
void greeting_await(struct session *s);

#endif
