/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RELOAD_LOADER_H
#define RELOAD_LOADER_H

/*
 * Reads a configuration, and what TLS is made from, in a thread of its own:
 * host names and certificates take their time, and checks, signals and the
 * control socket do not wait for them.
 *
 * A file that is written in place may be read when it is half done, and half of one can be good.
 * So none may have been changed shortly before, or since: otherwise it is waited, and all of
 * them are read again, some times.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

struct tls_contexts;

/* What nobody has changed for so long is whole: a write follows the one before at once. */
#define LOADER_QUIET_MS 200

struct loader {
	/* What is wanted. */
	const char *path;               /* NULL: @known once more, with its files read anew */
	const struct config *known;     /* the present one: names keep their addresses; kept */
	const struct tls_contexts *tls; /* made of that */
	int done_fd;                    /* eventfd, to be told */
	unsigned quiet_ms;              /* LOADER_QUIET_MS */
	/* What came of it: the caller's. */
	struct config *config; /* NULL: there were mistakes, or there was no path */
	struct tls_contexts *made;
	char *text; /* what is said to it, mistakes and warnings; NULL: there is no memory */
	bool has_errors;

	atomic_bool is_over; /* nobody wants it any more: it waits for no file */
	pthread_t thread;
	bool is_running;
};

/* With the first five set. 0 or -errno; then done_fd is told once. */
MUST_CHECK int loader_start(struct loader *loader);
/* It has said that it is done. */
void loader_join(struct loader *loader);
/* Gives back what came of it and was not taken (set to NULL). */
void loader_drop(struct loader *loader);
/* Is it over within @ms? If not, only the end of the process ends it. */
MUST_CHECK bool loader_join_within(struct loader *loader, unsigned ms);

#endif
