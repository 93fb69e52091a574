/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WORKER_WORKERS_H
#define WORKER_WORKERS_H

/*
 * Worker threads: each creates its engine, runs it and takes it down again.
 * None accepts before all have got what they need. The main thread starts
 * them, and is told by an eventfd when one has ended.
 */

#include <semaphore.h>
#include <stdbool.h>

#include "base/def.h"
#include "worker/engine_options.h"

struct worker;

struct workers {
	struct worker *all;
	unsigned n;
	sem_t is_up;       /* posted by each when its start has succeeded or failed */
	sem_t may_run;     /* posted for each when all are up, or one is not */
	bool is_cancelled; /* then they end instead */
	int ended_fd;      /* eventfd, counts workers that have ended */
};

/*
 * Starts one worker for each of @n options, which it copies. On failure says
 * why in the log, ends those that run and returns -errno; nothing was accepted.
 */
MUST_CHECK int workers_start(struct workers *workers, const struct engine_options *options,
			     unsigned n);

/* 0, or -errno of a worker whose ring broke. */
MUST_CHECK int workers_error(const struct workers *workers);

/*
 * Waits for the threads to end, until @until_ms of clock_now_ms(). Returns 0
 * when all have, and all was well: then everything is given back. Else -errno
 * of a worker that failed, or -ETIMEDOUT for one that is stuck, which the log
 * names: only the end of the process gives back what they have.
 */
MUST_CHECK int workers_join(struct workers *workers, uint64_t until_ms);

#endif
