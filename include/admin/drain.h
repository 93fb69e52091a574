/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_DRAIN_H
#define ADMIN_DRAIN_H

/*
 * Ends sessions within a time: of a backend or of a listener that the operator
 * wants empty, or of all, for the process is to end. Those that are known to
 * be idle (relay/idle_watch.h) come first, within a tenth of the time, and
 * later each as soon as it is; of the others the ones that have been silent
 * longest, spread evenly over the time, so that their clients do not all come
 * back at once somewhere else. Sessions that begin later are left alone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "admin/walk.h"
#include "base/def.h"
#include "base/list.h"
#include "base/timer.h"
#include "state/query.h"

#define DRAINS_MAX 256

struct loop;
struct drain;

struct drains {
	struct loop *loop;
	struct walks *walks;
	struct list all;
	unsigned n;
};

/* Keeps both. */
void drains_init(struct drains *drains, struct loop *loop, struct walks *walks);
/* Ends them all; the sessions that are left go on. */
void drains_stop(struct drains *drains);

/*
 * Begins to end all sessions of a listener, or of a backend; all three NULL:
 * all there are. @timeout_ms 0: only those that are idle, whenever they are. One
 * that goes on for the same ones begins anew. It is over when they have ended, and
 * at the end of its time. 0, -ENOMEM, or -ENOSPC when there
 * are DRAINS_MAX.
 */
MUST_CHECK int drains_start(struct drains *drains, const struct session_filter *filter,
			    uint64_t timeout_ms);
/* Lets the sessions live that are left. False when none goes on for these. */
bool drains_end(struct drains *drains, const struct session_filter *filter);
/* Does one go on for these? Then says how much of its time is left; 0: it has no end. */
MUST_CHECK bool drains_find(const struct drains *drains, const struct session_filter *filter,
			    uint64_t *ret_left_ms);
/* The same of two, of which the one that ends sooner counts. */
MUST_CHECK bool drains_soonest(const struct drains *drains, const struct session_filter *filter,
			       const struct session_filter *other, uint64_t *ret_left_ms);

#endif
