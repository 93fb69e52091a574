/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_POSTGRES_H
#define PROXY_POSTGRES_H

/*
 * PostgreSQL in a session's life: its preamble in the greeting, the key that
 * a backend gives to a session, and the cancel request that names it.
 */

#include "base/def.h"
#include "io/buf.h"
#include "proto/parse.h"
#include "proxy/session.h"

/* The greeting's step in clear: requests for encryption, start-up, cancel. */
MUST_CHECK enum parse postgres_greet(struct session *s);

/* The same inside TLS: looks at what was decrypted for the backend; asks for more, or goes on. */
void postgres_startup(struct session *s);

/* The session relays: looks for its key in what the backend sends first, if it is PostgreSQL. */
void postgres_start_watch(struct session *s);
/* Borrows what is sent to the client. */
void postgres_watch(struct session *s, const struct buf *buf);
void postgres_finish(struct session *s);

#endif
