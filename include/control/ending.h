/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTROL_ENDING_H
#define CONTROL_ENDING_H

/*
 * How the process ends when it is told to:
 *
 *   not --TERM--> delayed --drain_delay--> draining --drain_timeout--> now
 *
 * A second TERM goes to the last at once. For the main thread.
 */

#include <stdbool.h>

#include "base/timer.h"

struct admin;
struct control_context;
struct pulse;
struct sockets;

enum ending_state { ENDING_NOT, ENDING_DELAYED, ENDING_DRAINING, ENDING_NOW };

/* Whom it tells; kept. */
struct ending_parts {
	struct control_context *context;
	struct sockets *sockets; /* whose files are removed before draining begins */
	struct admin *admin;
	struct pulse *pulse;
	void (*stuck)(struct timer *timer); /* what should have ended has not */
};

struct ending {
	struct ending_parts parts;
	enum ending_state state;
	struct timer delay; /* set while it still accepts, and is about to drain */
	struct timer drain; /* set while draining has an end */
	struct timer stuck; /* set when everything should end at once */
};

void ending_init(struct ending *ending, const struct ending_parts *parts);

/* Begins to end, or goes on to the last. */
void ending_advance(struct ending *ending);

/* What runs still is to end within some seconds, or @stuck is called. */
void ending_expect(struct ending *ending);

#endif
