/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_POOL_ALERT_H
#define STATE_POOL_ALERT_H

/*
 * What becomes of a pool as a whole: that nobody is left to serve it, that all
 * its backends are full, and that this is over. Each is one line of the log,
 * however many sessions it meets.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pool/pool.h"

/* That nobody waits and none has found a pool full for so long means that it has room again. */
#define POOL_ALERT_CALM_MS 5000

/* Zeroes: all is well. */
struct pool_alert {
	_Atomic uint64_t full_ms; /* when a session last found all backends full; 0: never */
	uint64_t began_ms;        /* when it was first looked at */
	bool is_full, is_out, is_panicking; /* as was logged */
};

/* A session has found all backends full. From any thread. */
void pool_alert_note_full(struct pool_alert *alert, uint64_t now_ms);

/* Logs what has changed. To be called now and then, by one thread. */
void pool_alert_tick(struct pool_alert *alert, struct pool *pool, uint64_t now_ms);

#endif
