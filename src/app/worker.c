/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "app/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "tls/library.h"

static void log_worker_failed(const struct worker *w, const char *what)
{
	struct log_line line;

	if (!log_begin(&line, LOG_ERROR, what))
		return;
	log_u64(&line, "worker", w->options.worker);
	if (w->step)
		log_text(&line, "call", w->step);
	log_errno(&line, "error", w->error);
	log_end(&line);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", w->options.worker);
	(void)pthread_setname_np(pthread_self(), name);
	w->error = engine_init(&w->engine, &w->options, &w->step);
	sem_post(w->is_up);
	if (w->error < 0)
		return NULL;

	w->step = NULL;
	w->error = engine_run(&w->engine);
	if (w->error < 0)
		log_worker_failed(w, "the ring broke");
	else
		engine_finish(&w->engine);
	tls_library_leave_thread();
	(void)eventfd_write(w->ended_fd, 1);
	return NULL;
}

static int create_threads(struct workers *workers, const struct engine_options *options)
{
	for (unsigned n = 0; n < workers->n; n++) {
		struct worker *w = &workers->all[n];
		int err;

		w->options = options[n];
		w->is_up = &workers->is_up;
		w->ended_fd = workers->ended_fd;
		err = pthread_create(&w->thread, NULL, worker_main, w);
		if (err != 0) {
			workers->n = n;
			return -err;
		}
	}
	return 0;
}

static int wait_until_up(struct workers *workers)
{
	int err = 0;

	for (unsigned n = 0; n < workers->n; n++)
		while (sem_wait(&workers->is_up) < 0)
			continue;
	for (unsigned n = 0; n < workers->n; n++) {
		if (workers->all[n].error == 0)
			continue;
		log_worker_failed(&workers->all[n], "a worker cannot start");
		err = workers->all[n].error;
	}
	return err;
}

int workers_start(struct workers *workers, const struct engine_options *options, unsigned n)
{
	int err;

	*workers = (struct workers){ .n = n };
	workers->all = aligned_alloc(CACHE_LINE_BYTES, n * sizeof(*workers->all));
	workers->ended_fd = eventfd(0, EFD_CLOEXEC);
	if (!workers->all || workers->ended_fd < 0 || sem_init(&workers->is_up, 0, 0) < 0)
		return -ENOMEM;
	for (unsigned w = 0; w < n; w++)
		workers->all[w] = (struct worker){ 0 };
	err = create_threads(workers, options);
	if (err == 0)
		err = wait_until_up(workers);
	return err;
}

int workers_join(struct workers *workers)
{
	int err = 0;

	for (unsigned n = 0; n < workers->n; n++) {
		(void)pthread_join(workers->all[n].thread, NULL);
		if (workers->all[n].error < 0)
			err = workers->all[n].error;
	}
	free(workers->all);
	close(workers->ended_fd);
	sem_destroy(&workers->is_up);
	return err;
}
