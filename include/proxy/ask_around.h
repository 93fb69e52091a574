/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_ASK_AROUND_H
#define PROXY_ASK_AROUND_H

/*
 * A request to cancel a query of a PostgreSQL session. It names a key, and
 * goes to the backend that gave it. Where TLS passed through, the key is known
 * to that backend alone, and the request may come in clear: it goes to every
 * backend on which its client's address has such sessions, one after the
 * other; those that do not know the key ignore it. To these it goes whatever
 * their load, so they have a few at a time (POOL_BEYOND_MAX) and the others
 * wait. Where there is no such backend, any will do that has a place.
 *
 * It is told, not relayed: the session stays in the dialing phase, and each
 * backend is a try, with the pool's connect_timeout to connect and, where it
 * is one of several, to hang up; all of it within connect_total. The client
 * hears the end of the connection, as from a server that has done what it was
 * asked, when the last of them has.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"
#include "proto/pgsql.h"
#include "proxy/session.h"

/* Does it want to know who the clients of such a listener are? */
bool ask_around_needs_clients(const struct listener_config *config);

/* A session whose bytes cannot be read relays: a request from its client may be for it. */
void ask_around_remember(struct session *s);

/*
 * A request with @key has come: sets where it goes first. False when there is
 * no session that it could be for.
 */
MUST_CHECK bool ask_around_begin(struct session *s, const struct pgsql_key *key);

/* The connection stands, with TLS if that is to be. Ends in dial_leave() or dial_failed(). */
void ask_around_tell(struct session *s);
/* And it is over with this backend: to the next, or to the end. */
void ask_around_go_on(struct session *s);

/* All that was to be sent to its client has been. */
void ask_around_on_sent(struct session *s);

/* It has no backend yet, for the one it wants has as many as it may: looks again in a moment. */
void ask_around_wait(struct session *s);
/* Its timer fired while it had no backend. */
void ask_around_on_timer(struct session *s);

#endif
