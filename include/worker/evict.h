/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_EVICT_H
#define WORKER_EVICT_H

/*
 * Ends the sessions of backends that are down (backend.evict_ms), a bounded number
 * of slots in a turn and not more in a second than the pool's on_down_rate.
 */

#include <stdint.h>

#include "session/host.h"

/* After a wake-up: is there something new to do? */
void evict_notice(struct host *h);
/* In every turn. */
void evict_work(struct host *h);
/* When there is more to do; TIMER_NEVER: nothing. */
uint64_t evict_next_ms(const struct host *h);

#endif
