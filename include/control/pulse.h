/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTROL_PULSE_H
#define CONTROL_PULSE_H

/*
 * Tells the service manager how things are, now and then, and that ringmain
 * lives: only if every worker has taken a turn since the last time.
 */

#include "base/timer.h"
#include "control/notify.h"

struct control_context;

struct pulse {
	struct control_context *context;
	struct notify notify;
	struct timer status, watchdog;
};

/* From the environment. Keeps @context. */
void pulse_init(struct pulse *pulse, struct control_context *context);
/* All workers are up. */
void pulse_start(struct pulse *pulse);
/* Tells the status, if it has changed. */
void pulse_tell(struct pulse *pulse);
void pulse_finish(struct pulse *pulse);

#endif
