/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APP_WORKER_H
#define APP_WORKER_H

/*
 * Worker threads: each creates its engine, runs it and takes it down again.
 * The main thread starts them, waits until all are up, and is told by an
 * eventfd when one has ended.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "base/def.h"
#include "proxy/engine.h"

struct worker {
	CACHE_ALIGNED pthread_t thread; /* two workers share no cache line */
	sem_t *is_up;                   /* posted when start-up has succeeded or failed */
	int ended_fd;                   /* eventfd, counts ended workers */
	int error;                      /* 0, or -errno of what failed */
	const char *step;
	struct engine_options options;
	struct engine engine;
};

struct workers {
	struct worker *all;
	unsigned n;
	sem_t is_up;
	int ended_fd;
};

/*
 * Starts one worker for each of @n options, which it copies. On failure says
 * why in the log, ends those that run and returns -errno.
 */
MUST_CHECK int workers_start(struct workers *workers, const struct engine_options *options,
			     unsigned n);
/* Waits for the threads to end; 0, or -errno of the first that failed. */
MUST_CHECK int workers_join(struct workers *workers);

#endif
