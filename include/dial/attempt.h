/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_ATTEMPT_H
#define DIAL_ATTEMPT_H

/* The parts of one try to connect a session to the backend that was chosen for it. */

#include "base/def.h"
#include "opening/opening.h"
#include "session/session.h"

/*
 * Opens a socket fit for the backend and bound to the address of ours that is
 * to be seen there. 0 or -errno; the session's detail may say more.
 */
MUST_CHECK int attempt_open(struct session *s, int *ret_fd);

/*
 * The connection stands: says what the backend is to hear first. What the
 * opening does is kept in the session, *ret says how it failed.
 */
MUST_CHECK enum step_verdict attempt_begin(struct session *s, struct opening *ret);
/* Bytes of the backend have come. */
MUST_CHECK enum step_verdict attempt_received(struct session *s, const void *bytes, size_t n,
					      struct opening *ret);
/* How many may be read of it now. */
size_t attempt_wants(struct session *s);

#endif
