/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_TLS_END_H
#define RELAY_TLS_END_H

/*
 * Resets at the end of TLS. Both ends close with a close_notify that the
 * other does not read any more, so they are usual there, and mean nothing.
 */

#include <stdbool.h>

#include "session/session.h"

/* Looks at what came for @lane, in TLS that passes through. Borrows @buf. */
void tls_end_look(struct lane *lane, const struct buf *buf);

/*
 * Is the reset of @side, -errno, one of those? The client must have said that
 * it ends: by the look of its last record, where that passes through, or by an
 * end of its stream that was clean, where ringmain has said so.
 */
bool tls_end_explains(struct side *side, int err);

/* By whom the session has ended then: who said so first. */
enum close_by tls_end_by(const struct session *s);

#endif
