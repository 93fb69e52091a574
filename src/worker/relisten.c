/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/relisten.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "state/runtime.h"

static void note_failure(struct relisten *r, struct listener *listener, int err)
{
	struct log_line line;

	atomic_store(&listener->listen_error, err);
	if (r->has_failed)
		return;
	r->has_failed = true;
	atomic_fetch_add(&listener->cannot_listen, 1);
	if (!log_begin(&line, LOG_ERROR, "cannot listen again, trying"))
		return;
	log_text(&line, "listener", listener->config->name);
	log_errno(&line, "error", err);
	log_end(&line);
}

bool relisten_try(struct relisten *r, int fd, struct listener *listener)
{
	if (listen(fd, (int)listener->config->backlog) < 0) {
		note_failure(r, listener, -errno);
		return false;
	}
	if (r->has_failed)
		log_say(LOG_INFO, "listener %s listens again", listener->config->name);
	relisten_forget(r, listener);
	return true;
}

void relisten_forget(struct relisten *r, struct listener *listener)
{
	if (r->has_failed)
		atomic_fetch_sub(&listener->cannot_listen, 1);
	r->has_failed = false;
}

void relisten_move(struct relisten *r, struct listener *from, struct listener *to)
{
	if (!r->has_failed || from == to)
		return;
	atomic_fetch_sub(&from->cannot_listen, 1);
	atomic_store(&to->listen_error, atomic_load(&from->listen_error));
	atomic_fetch_add(&to->cannot_listen, 1);
}
