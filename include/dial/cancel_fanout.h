/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_CANCEL_FANOUT_H
#define DIAL_CANCEL_FANOUT_H

/*
 * A request to cancel a query of a PostgreSQL session. It names a key, and
 * goes to the backend that gave it. Where TLS passed through, the key is known
 * to that backend alone, and the request may come in clear: it goes to every
 * backend on which its client's address has such sessions, one after the
 * other; those that do not know the key ignore it. To these it goes whatever
 * their load, so they have a few at a time (POOL_BEYOND_MAX) and the others
 * wait. A key that nobody here knows may have been given by another node's
 * session: then it goes to all of the pool's, so often for one source.
 *
 * Each backend is a try, with the pool's connect_timeout to connect and,
 * where it is one of several, to hang up; all of it within connect_total.
 * Dialing connects, cancelling.c tells it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "session/host.h"
#include "session/session.h"

/* Is the session such a request? */
static inline bool cancel_fanout_is_on(const struct session *s)
{
	return s->protocol && s->protocol->is_cancel;
}

/* The id of the only backend that will do now, or 0. */
static inline uint64_t cancel_fanout_pinned(const struct session *s)
{
	return s->protocol ? s->protocol->cancel_id : 0;
}

/* Sets where it goes first, and cancel_fanout_pinned(). Gives NULL, or why it goes nowhere. */
MUST_CHECK const char *cancel_fanout_begin(struct session *s);

/* Puts the request into side.out of the backend; it stays with the session. 0 or -errno. */
MUST_CHECK int cancel_fanout_tell(struct session *s);

/*
 * It is over with one backend, as session.dial_error says. True when there is
 * another one to be tried.
 */
MUST_CHECK bool cancel_fanout_goes_on(struct session *s);

/* When all of it has to be over. */
uint64_t cancel_fanout_until_ms(const struct session *s);

/* What became of it, for the log. */
const char *cancel_fanout_detail(const struct session *s);

#endif
