/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_EVICT_H
#define WORKER_EVICT_H

/*
 * Ends the sessions of backends that are down (backend.evict_ms), a bounded number
 * of slots in a turn and not more in a second than the pool's on_down_rate.
 */

#include "session/host.h"

void evict_init(struct host *h);
/* After a wake-up: is there something new to do? */
void evict_notice(struct host *h);
/* In every turn when host.evict.next_ms has come. */
void evict_work(struct host *h);

#endif
