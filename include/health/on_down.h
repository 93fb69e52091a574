/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_ON_DOWN_H
#define HEALTH_ON_DOWN_H

/* What becomes of the sessions of a backend that gets no more new ones. */

#include <stdint.h>

#include "state/runtime.h"

enum down_cause {
	DOWN_REFUSED, /* nobody listens there, or it says itself that it does not serve */
	DOWN_SILENT,  /* it took the connection, or not even that, and said nothing that counts */
	DOWN_ROLE,    /* it is not any more what the pool wants */
};

/* @fallen: so many of its pool, with it, went down within the time of one check. */
struct down_event {
	struct runtime *runtime;
	struct pool *pool;
	unsigned fallen;
	uint64_t now_ms;
};

/*
 * @backend went down for this reason. Tells the workers to end its sessions, if
 * that is what the pool wants; not when so many are down at a time that
 * something else must be wrong, which the log says then.
 */
void on_down_note(const struct down_event *e, struct backend *backend, enum down_cause cause);

#endif
