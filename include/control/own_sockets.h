/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONTROL_OWN_SOCKETS_H
#define CONTROL_OWN_SOCKETS_H

/*
 * The process's own sockets, of control and status: where the configuration
 * says, also after a reload. For the main thread.
 */

#include <stdbool.h>

#include "admin/admin.h"
#include "base/def.h"
#include "base/timer.h"
#include "config/config.h"
#include "reload/report.h"
#include "status/status.h"

struct own_sockets {
	struct control_context *context;
	struct admin *admin;
	struct status *status;
	struct status *next; /* opened by a reload; NULL: it stays */
	struct status *old;  /* whose last request is in the kernel */
	struct timer retire;
};

/* Keeps @context. 0, or -errno with what failed in *ret_step; it was logged. */
MUST_CHECK int own_sockets_open(struct own_sockets *own, struct control_context *context,
				const char **ret_step);
/* Begins to accept. */
void own_sockets_start(struct own_sockets *own);

/* See struct reload. */
MUST_CHECK bool own_sockets_prepare(struct own_sockets *own, const struct global_config *then,
				    struct reload_report *report);
void own_sockets_commit(struct own_sockets *own);
void own_sockets_abandon(struct own_sockets *own);

/* Asks the kernel for all requests back. */
void own_sockets_stop(struct own_sockets *own);
bool own_sockets_are_idle(const struct own_sockets *own);
void own_sockets_close(struct own_sockets *own);

#endif
