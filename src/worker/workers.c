/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/workers.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "tls/library.h"
#include "worker/engine.h"

#define NO_WORKER UINT_MAX

struct worker {
	CACHE_ALIGNED pthread_t thread; /* two workers share no cache line */
	struct workers *all;
	atomic_int error; /* 0, or -errno of what failed */
	const char *step;
	struct engine_options options;
	struct engine engine;
};

static void log_worker_failed(const char *what, unsigned worker, const char *step, int err)
{
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, what))
		return;
	if (worker != NO_WORKER)
		log_u64(&line, "worker", worker);
	log_text(&line, "call", step);
	log_errno(&line, "error", err);
	log_end(&line);
}

/* ---- the thread ---------------------------------------------------------- */

static void wait_for_semaphore(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		continue;
}

static void worker_run(struct worker *w)
{
	int err;

	engine_start(&w->engine, &w->options);
	err = engine_run(&w->engine);
	if (err < 0) {
		log_worker_failed("the ring broke", w->options.worker, NULL, err);
		w->error = err;
	} else {
		engine_finish(&w->engine);
	}
	tls_library_leave_thread();
	(void)eventfd_write(w->all->ended_fd, 1);
}

/* By which the main thread sees how much CPU time it takes. */
static void show_cpu_clock(const struct worker *w)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
		atomic_store(&w->options.runtime->peers[w->options.worker].cpu_clock, clock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct workers *all = w->all;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "worker-%u", w->options.worker);
	(void)pthread_setname_np(pthread_self(), name);
	show_cpu_clock(w);
	err = engine_init(&w->engine, &w->options, &w->step);
	w->error = err;
	sem_post(&all->is_up);
	if (err < 0)
		return NULL;
	wait_for_semaphore(&all->may_run);
	if (all->is_cancelled)
		engine_finish(&w->engine);
	else
		worker_run(w);
	return NULL;
}

/* ---- start --------------------------------------------------------------- */

/* Those that could be created are workers->n afterwards. */
static int create_threads(struct workers *workers, const struct engine_options *options, unsigned n)
{
	CHECK(workers->all);
	for (; workers->n < n; workers->n++) {
		struct worker *w = &workers->all[workers->n];
		int err;

		*w = (struct worker){ .all = workers, .options = options[workers->n] };
		err = pthread_create(&w->thread, NULL, worker_main, w);
		if (err == 0)
			continue;
		log_worker_failed("a worker cannot start", workers->n, "pthread_create", err);
		return -err;
	}
	return 0;
}

static int wait_until_up(struct workers *workers)
{
	int err = 0;

	for (unsigned n = 0; n < workers->n; n++)
		wait_for_semaphore(&workers->is_up);
	for (unsigned n = 0; n < workers->n; n++) {
		struct worker *w = &workers->all[n];

		if (w->error == 0)
			continue;
		log_worker_failed("a worker cannot start", n, w->step, w->error);
		err = w->error;
	}
	return err;
}

static void workers_let_run(struct workers *workers)
{
	for (unsigned n = 0; n < workers->n; n++)
		sem_post(&workers->may_run);
}

static void workers_finish(struct workers *workers)
{
	free(workers->all);
	close(workers->ended_fd);
	sem_destroy(&workers->is_up);
	sem_destroy(&workers->may_run);
}

static void workers_cancel(struct workers *workers)
{
	workers->is_cancelled = true;
	workers_let_run(workers);
	for (unsigned n = 0; n < workers->n; n++)
		(void)pthread_join(workers->all[n].thread, NULL);
	workers_finish(workers);
}

static int workers_prepare(struct workers *workers, unsigned n)
{
	*workers = (struct workers){ .ended_fd = eventfd(0, EFD_CLOEXEC) };
	if (workers->ended_fd < 0) {
		int err = -errno;

		log_worker_failed("the workers cannot start", NO_WORKER, "eventfd", err);
		return err;
	}
	workers->all = aligned_alloc(CACHE_LINE_BYTES, n * sizeof(*workers->all));
	if (!workers->all) {
		close(workers->ended_fd);
		log_worker_failed("the workers cannot start", NO_WORKER, "memory", -ENOMEM);
		return -ENOMEM;
	}
	(void)sem_init(&workers->is_up, 0, 0);
	(void)sem_init(&workers->may_run, 0, 0);
	return 0;
}

int workers_start(struct workers *workers, const struct engine_options *options, unsigned n)
{
	int err = workers_prepare(workers, n), failed;

	if (err < 0)
		return err;
	err = create_threads(workers, options, n);
	failed = wait_until_up(workers);
	if (err == 0)
		err = failed;
	if (err < 0)
		workers_cancel(workers);
	else
		workers_let_run(workers);
	return err;
}

/* ---- end ----------------------------------------------------------------- */

int workers_error(const struct workers *workers)
{
	for (unsigned n = 0; n < workers->n; n++)
		if (workers->all[n].error < 0)
			return workers->all[n].error;
	return 0;
}

static bool worker_join(struct worker *w, uint64_t until_ms)
{
	const struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
					.tv_nsec = (long)(until_ms % 1000) * 1000000 };

	/* The sanitizer of gcc 12 does not see that this one waits for a thread. */
	if (WITH_TSAN)
		return pthread_join(w->thread, NULL) == 0;
	return pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

int workers_join(struct workers *workers, uint64_t until_ms)
{
	int err = workers_error(workers);

	for (unsigned n = 0; n < workers->n; n++) {
		if (worker_join(&workers->all[n], until_ms))
			continue;
		log_worker_failed("a worker does not end", n, NULL, -ETIMEDOUT);
		err = err < 0 ? err : -ETIMEDOUT;
	}
	if (err == 0)
		workers_finish(workers);
	return err;
}
