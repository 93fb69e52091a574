/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

/*
 * The status page, the metrics and what a health script asks, over HTTP, on
 * the main thread's loop. Everything here only looks. Nobody who works with
 * sessions waits for it, and what its clients can make ringmain hold is
 * bounded: so many of them, a few kB of each request, so many bytes of answers
 * that nobody reads.
 */

#include <stdbool.h>

#include "base/def.h"
#include "config/config.h"

struct control_context;
struct status;

/*
 * Listens where @config says, which may be nowhere. Keeps @context. Who
 * may connect, the newest configuration says. Returns NULL without memory or
 * when the socket cannot be had, which it logs, with -errno in *ret_err. An
 * address that is in use is waited for, which it logs, too.
 */
MUST_CHECK struct status *status_create(const struct status_config *config,
					struct control_context *context, int *ret_err);
/* Is it where @config says? Off and off is the same place. */
bool status_is_at(const struct status *status, const struct status_config *config);
/* It does not listen, and is not off: its address is in use. */
bool status_is_waiting(const struct status *status);
/* Who may connect to its unix socket, from now on. */
void status_set_access(struct status *status, const struct sock_access *access);
/* Begins to answer. */
void status_start(struct status *status);
/* Lets all clients go, and asks the kernel for all requests back. */
void status_stop(struct status *status);
/* Does the kernel hold nothing of it? */
bool status_is_idle(const struct status *status);
/* Accepts NULL. */
void status_destroy(struct status *status);

#endif
