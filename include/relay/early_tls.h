/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELAY_EARLY_TLS_H
#define RELAY_EARLY_TLS_H

/*
 * The client's TLS while its session has no lanes yet: its first bytes are
 * read, or it waits for a backend. What it says goes to session.early, and
 * an end is noted for the lane that follows.
 */

#include <stddef.h>

#include "session/session.h"

/*
 * Ciphertext came, or its stream still has some (@n 0). Borrows @bytes. The
 * session is closing afterwards, or refusing, where TLS has failed.
 */
void early_tls_received(struct session *s, const void *bytes, size_t n);
/* The connection has ended without close_notify: closes the session unless an answer is due. */
void early_tls_truncated(struct session *s);

#endif
