/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_ENGINE_H
#define WORKER_ENGINE_H

/*
 * One worker's loop, and all that it owns:
 *
 *   completions -> served by queues -> pushes -> timers -> handshakes -> buffers -> ends ...
 *
 * One thread creates, runs and destroys an engine. Other threads reach it by
 * its inbox only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "io/loop_reader.h"
#include "session/host.h"
#include "state/inbox.h"
#include "state/reason.h"
#include "worker/acceptor.h"
#include "worker/engine_options.h"

#define ENGINE_MESSAGES_MAX 64 /* read at a time */

struct engine {
	struct host host;
	struct acceptor *acceptors;
	size_t acceptors_n; /* those that are or were open */
	size_t acceptors_max;
	struct generation *generation; /* to which it has passed */
	bool is_passing;               /* sockets of older ones are still being closed */
	int inbox_fd;
	struct loop_reader inbox;
	struct message messages[ENGINE_MESSAGES_MAX];
	enum worker_order order; /* the last one that was carried out */
	unsigned pauses;         /* the last of runtime.pauses that was applied */
};

/* On failure gives back everything it took, and in *ret_step the call that failed. */
MUST_CHECK int engine_init(struct engine *engine, const struct engine_options *options,
			   const char **ret_step);
/* Begins to accept and to read its inbox; @options as they were. */
void engine_start(struct engine *engine, const struct engine_options *options);
/* It has ended its run, or was never started: then the listening sockets stay the caller's. */
void engine_finish(struct engine *engine);

/* Runs until it is drained or stopped and the last session has ended. 0 or -errno of the ring. */
MUST_CHECK int engine_run(struct engine *engine);
bool engine_is_over(const struct engine *engine);

/* Accept nothing more; or that, and end every session. */
void engine_drain(struct engine *engine);
void engine_stop(struct engine *engine, enum close_reason why);

#endif
