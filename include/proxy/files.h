/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_FILES_H
#define PROXY_FILES_H

/*
 * When the process may open no more files. max_sessions is made so that this
 * does not happen, but the limit can be lowered while it runs, and checks and
 * certificates need files too.
 *
 * A session that cannot open the socket to its backend waits for a file, and
 * meanwhile nobody accepts: those who come wait in the kernel's backlog, and
 * the next files are for those who were accepted. Each worker keeps one
 * descriptor in reserve for this, so that one of its sessions can always go
 * on, and end, and leave its files to the others.
 */

#include <stdbool.h>

#include "base/def.h"
#include "base/list.h"
#include "base/log.h"
#include "base/timer.h"

struct engine;
struct proxy;
struct session;

/* Of one worker. */
struct files {
	struct list waiting; /* sides.starved of backends that are to be dialed, in order */
	struct timer retry;
	int spare_fd;       /* -1: it is in use */
	unsigned pipes_max; /* when there is no want */
	bool is_short;      /* counted in proxy.workers_short */
	struct log_rate want;
};

void files_init(struct engine *engine, unsigned pipes_max);
/* Nobody may be waiting. */
void files_finish(struct engine *engine);

/* Is @err, a negative errno, want of files? */
bool files_is_want(int err);

/*
 * A file could not be opened for a session that was accepted. True when one
 * was given up for it, so that it is worth trying again, now.
 */
MUST_CHECK bool files_make_room(struct engine *engine);

/*
 * The session waits until there is one: then dial_resume() is called, unless
 * it closes before. Its timer is the caller's.
 */
void files_wait(struct session *s);

/* A session has given its files back. */
void files_on_session_end(struct engine *engine);

/* Has any worker too few, so that nothing is to be accepted now? */
bool files_are_short(const struct proxy *proxy);

#endif
