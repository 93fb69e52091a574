/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_LEAVING_H
#define RELOAD_LEAVING_H

/*
 * Whose sessions go on although the file has them no more, and for how long
 * (drain_timeout of their pool).
 */

#include <stdbool.h>

#include "pool/pool.h"
#include "reload/report.h"
#include "state/query.h"
#include "state/runtime.h"

struct drains;
struct overrides;

/* Those who would leave with @then: a line each. */
void leaving_tell(const struct runtime *runtime, const struct drains *drains,
		  const struct config *then, struct reload_report *report);
/* Those who would come back, of whom the operator has set something: the same. */
void leaving_tell_returns(const struct overrides *overrides, const struct config *then,
			  struct reload_report *report);
/* Listeners that would come back while sessions of theirs are left, and pause: the same. */
void leaving_tell_paused(const struct runtime *runtime, const struct config *then,
			 struct reload_report *report);

/*
 * After another generation was published: sessions of who left have their time from now on,
 * unless it has begun before, and those of who came back go on.
 */
void leaving_drain(const struct runtime *runtime, struct drains *drains,
		   struct reload_report *report);

/* Of pools that left: who has come to wait there since then has its time, too. */
void leaving_drain_waiting(const struct runtime *runtime, struct drains *drains);

/* Has it left, with the pool or without? Then gives its sessions. */
bool leaving_sessions(const struct runtime *runtime, const struct pool *pool,
		      const struct backend *backend, struct session_filter *ret_filter);

#endif
