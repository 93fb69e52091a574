/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SESSION_FD_RESERVE_H
#define SESSION_FD_RESERVE_H

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

struct host;
struct runtime;
struct session;

void fd_reserve_init(struct host *host, unsigned pipes_max);
/* Nobody may be waiting. */
void fd_reserve_finish(struct host *host);

/* Is @err, a negative errno, want of descriptors? */
bool fd_is_want(int err);

/*
 * A file could not be opened for a session that was accepted. True when one
 * was given up for it, so that it is worth trying again, now.
 */
MUST_CHECK bool fd_reserve_make_room(struct host *host);

/*
 * The session waits until there is one: then its backend's side is resumed,
 * unless it closes before. Its timer is the caller's.
 */
void fd_reserve_wait(struct session *s);

/* A session has given its files back. */
void fd_reserve_on_session_end(struct host *host);

/* Has any worker too few, so that nothing is to be accepted now? */
bool fds_are_short(const struct runtime *runtime);

#endif
