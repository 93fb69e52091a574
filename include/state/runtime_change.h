/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_RUNTIME_CHANGE_H
#define STATE_RUNTIME_CHANGE_H

/*
 * From one generation to the next, for the main thread:
 *
 *	change = runtime_prepare(runtime, generation, &err);   nothing has changed
 *	runtime_publish(change);                                nothing can fail
 *	peers_ask(runtime);                                     workers pass to it
 *	... while (!runtime_has_passed(runtime)) ...
 *	runtime_collect(runtime, now_ms);                       now and then: see there
 *
 * Listeners and pools that have the names of such as there are keep their
 * slots, and what they are. Who is not in the new one *leaves*: sessions of older
 * generations go on with it, and with the last of these it is gone. A pool
 * that leaves stays as it is.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "state/generation.h"
#include "state/runtime.h"

struct runtime_change;

/*
 * Gives the listeners and pools of @generation their slots, and takes all
 * memory. NULL, and nothing has changed: -ENOMEM, or -ENOSPC when there are
 * too many.
 */
MUST_CHECK struct runtime_change *runtime_prepare(struct runtime *runtime,
						  struct generation *generation, int *ret_err);
/* Nothing comes of it. The generation is the caller's. Accepts NULL. */
void runtime_abandon(struct runtime_change *change);
/* Its generation is the newest, and the runtime's. Waiters may have got slots: see peers.h. */
void runtime_publish(struct runtime_change *change);

#endif
