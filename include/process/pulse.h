/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_PULSE_H
#define PROCESS_PULSE_H

/*
 * Tells the service manager how things are, now and then, and that ringmain
 * lives: only if every worker and the thread of the checks have taken a turn since
 * the last time.
 */

#include "base/timer.h"
#include "process/notify.h"

struct checker_thread;
struct loop;
struct runtime;

struct pulse {
	struct loop *loop;
	struct runtime *runtime;
	struct checker_thread *checks; /* or NULL */
	const char *const *state;
	struct notify notify;
	struct timer status, watchdog;
	struct timer ready; /* set while it is owed this: its queue was full */
};

/* From the environment. *@state is a word for what the process does just now. Keeps all four. */
void pulse_init(struct pulse *pulse, struct loop *loop, struct runtime *runtime,
		struct checker_thread *checks, const char *const *state);
/* All workers are up. */
void pulse_start(struct pulse *pulse);
/* A reload begins; and it is over. */
void pulse_reloading(struct pulse *pulse);
void pulse_ready(struct pulse *pulse);
/* Tells the status, if it has changed. */
void pulse_tell(struct pulse *pulse);
void pulse_finish(struct pulse *pulse);

#endif
