/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_INTRODUCE_H
#define PROXY_INTRODUCE_H

/*
 * PROXY headers in a session's life: a proxy in front of us introduces its
 * client, and we introduce ours to a backend. See proto/proxyhdr.h.
 */

#include "base/def.h"
#include "proto/parse.h"
#include "proxy/session.h"

/* May the client's address, which is known, introduce somebody on this listener? */
MUST_CHECK bool introduce_is_trusted(const struct session *s);

/* The greeting's first step, on a listener that expects a header. */
MUST_CHECK enum parse introduce_greet(struct session *s);

/* Puts the header for the backend before everything that is sent to it. 0 or -errno. */
MUST_CHECK int introduce_client(struct session *s);

/* The backend's socket took @n bytes; gives how many of them were our header's. */
static inline uint32_t introduce_sent(struct side *side, uint32_t n)
{
	struct session *s = side_session(side);
	uint32_t ours = side->index == SIDE_BACKEND ? MIN(n, s->introduced_left) : 0;

	s->introduced_left -= ours;
	return ours;
}

/* A health check's header, straight to its connected socket @fd. */
void introduce_check(int fd, const struct pool_config *config);

#endif
