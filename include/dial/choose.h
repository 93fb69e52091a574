/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIAL_CHOOSE_H
#define DIAL_CHOOSE_H

/*
 * Which backend for this session? The only one that will do (a cancel
 * request), the one its client was on before (the stick table), or the one
 * that the pool's balancer picks.
 */

#include "pool/pool.h"
#include "base/def.h"
#include "session/session.h"

/* Before the first choice: what the balancer may want to know of the client. */
void choose_prepare(struct session *s);

/*
 * Takes a slot at a backend that this session has not tried: s->backend is
 * set when the answer is POOL_PICKED. POOL_WAITING: it stands in the queue.
 */
MUST_CHECK enum pool_answer choose_backend(struct session *s);

/* May it try one more? */
bool choose_has_tries_left(const struct session *s);

/* The session is served there: its client is remembered, until some time after choose_release(). */
void choose_hold(struct session *s);
void choose_release(struct session *s);

#endif
