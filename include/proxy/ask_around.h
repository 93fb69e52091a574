/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_ASK_AROUND_H
#define PROXY_ASK_AROUND_H

/*
 * A request to cancel a query of a PostgreSQL session whose TLS passed
 * through. It names a key that only the session's backend knows, and may come
 * in clear. So it goes to every backend on which its client's address has such
 * sessions, one after the other: those that do not know the key ignore it. The
 * client hears the end of the connection, as from a server that has done what
 * it was asked, when the last of them has.
 *
 * The session stays in the dialing phase for that: each backend is a try, with
 * the pool's connect_timeout to connect, take the request and hang up, all of
 * them within connect_total.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"
#include "proxy/session.h"

/* Does it want to know who the clients of such a listener are? */
bool ask_around_needs_clients(const struct listener_config *config);

/* A session whose bytes cannot be read relays: a request from its client may be for it. */
void ask_around_remember(struct session *s);

/*
 * A request has come whose key is not known: sets where it goes first. False
 * when its client has no session that it could be for.
 */
MUST_CHECK bool ask_around_begin(struct session *s);

/* The connection stands. Ends in dial_leave() or dial_failed(). */
void ask_around_tell(struct session *s);
/* And it is over with this backend: to the next, or to the end. */
void ask_around_go_on(struct session *s);

#endif
