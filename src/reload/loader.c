/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "reload/loader.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/file_notes.h"
#include "config/load.h"
#include "state/tls_contexts.h"

#define MS_PER_S 1000
#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

/* How often all files are read while somebody writes to one. */
#define LOADS_MAX 5

/* After the configuration, while its lines are known. */
static void make_tls(const struct config *config, struct diag *diag, void *owner)
{
	struct loader *l = owner;

	l->made = tls_contexts_create_next(config, diag, l->known, l->tls);
}

static void load_once(struct loader *l, struct diag *diag)
{
	if (l->path)
		l->config = config_load_again(l->path, diag, l->known, make_tls, l);
	else
		make_tls(l->known, diag, l);
	l->has_errors = diag_has_errors(diag);
}

static void wait_ms(unsigned ms)
{
	const struct timespec pause = {
		.tv_sec = ms / MS_PER_S,
		.tv_nsec = (long)(ms % MS_PER_S) * NS_PER_MS,
	};

	nanosleep(&pause, NULL);
}

/* The path of one that is still written to, or NULL. */
static const char *find_unsettled(const struct loader *l, const struct file_notes *notes)
{
	uint64_t quiet_ms = file_notes_quiet_ms(notes);

	if (quiet_ms < l->quiet_ms)
		wait_ms((unsigned)(l->quiet_ms - quiet_ms));
	return file_notes_changed(notes);
}

static void report_unsettled(struct loader *l, const char *path, struct diag *diag)
{
	const struct config_location location = { .file = path };

	diag_error(diag, &location,
		   "is being written: it changed while it was read; write another file and rename "
		   "it to this one");
	l->has_errors = true;
}

/* False: it is to be done again. */
static bool try_load(struct loader *l, bool is_last, struct diag *diag)
{
	struct file_notes notes;
	const char *path;
	bool is_over;

	file_notes_begin(&notes);
	load_once(l, diag);
	file_notes_end();
	path = atomic_load(&l->is_over) ? NULL : find_unsettled(l, &notes);
	is_over = !path || is_last || atomic_load(&l->is_over);
	if (path && is_over)
		report_unsettled(l, path, diag);
	file_notes_finish(&notes);
	return is_over;
}

static void load(struct loader *l, struct diag *diag)
{
	for (int n = 1; !try_load(l, n == LOADS_MAX, diag); n++) {
		loader_drop(l);
		diag_finish(diag);
	}
}

static void *loader_main(void *arg)
{
	struct loader *l = arg;
	const uint64_t one = 1;
	struct diag diag;
	size_t bytes;
	FILE *to;

	diag_init(&diag);
	load(l, &diag);
	to = open_memstream(&l->text, &bytes);
	if (to) {
		diag_write(&diag, to);
		fclose(to);
	}
	diag_finish(&diag);
	(void)!write(l->done_fd, &one, sizeof(one));
	return NULL;
}

int loader_start(struct loader *l)
{
	int err = -pthread_create(&l->thread, NULL, loader_main, l);

	l->is_running = err == 0;
	return err;
}

void loader_join(struct loader *l)
{
	pthread_join(l->thread, NULL);
	l->is_running = false;
}

bool loader_join_within(struct loader *l, unsigned ms)
{
	struct timespec until;

	if (!l->is_running)
		return true;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / MS_PER_S;
	until.tv_nsec += (long)(ms % MS_PER_S) * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	if (pthread_timedjoin_np(l->thread, NULL, &until) != 0)
		return false;
	l->is_running = false;
	return true;
}

void loader_drop(struct loader *l)
{
	tls_contexts_destroy(l->made);
	config_destroy(l->config);
	free(l->text);
	l->made = NULL;
	l->config = NULL;
	l->text = NULL;
}
