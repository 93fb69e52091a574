/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_ADMISSION_H
#define SESSION_ADMISSION_H

/*
 * Is this client admitted? The listener's allow and deny rules, then the
 * limits of its source. Asked before anything is spent on a client: right
 * after accept, or, behind a proxy (proxy_protocol), right after its header.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "net/addr.h"
#include "state/reason.h"
#include "state/runtime.h"

struct host;

#define ADMISSION_NO_SOURCE UINT32_MAX

/* Has the listener any rule or limit, or the operator any, that wants to know who a client is? */
bool admission_asks(const struct host *host, const struct listener *listener);

/*
 * When granted, *ret_source is to be given back by admission_leave() at the
 * session's end. Counts and, once in a while, logs who is rejected.
 */
MUST_CHECK enum admission admission_ask(struct host *host, struct listener *listener,
					const struct addr *client, uint32_t *ret_source);
void admission_leave(struct listener *listener, uint32_t source);

/* Is who was rejected for this reason dropped silently (over_limit), or told with a reset? */
bool admission_is_silent(const struct listener *listener, enum admission why);
/* Ends the connection of who was rejected, as configured. */
void admission_reject(const struct listener *listener, int fd, enum admission why);

#endif
