/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

/*
 * The control socket and its clients, on the main thread's loop: lines come
 * in, replies go out, one command of a client at a time. Nobody who works
 * with sessions waits for any of them, and all that a client can make ringmain
 * hold is bounded: a line, a reply, so many of them. Who comes when there are
 * so many takes the place of the one that has been idle longest.
 */

#include "base/def.h"
#include "config/config.h"
#include "admin/context.h"

struct admin;

/*
 * Listens where @config says, which may be nowhere. Keeps @context. Returns
 * NULL without memory or when the socket cannot be had, which it logs, with
 * -errno in *ret_err.
 */
MUST_CHECK struct admin *admin_create(const struct control_config *config,
				      struct control_context *context, int *ret_err);
/* Can anybody connect? */
bool admin_is_on(struct admin *admin);
/*
 * Another configuration: where it is to be and who may connect. First all that may
 * fail, with the old one as it is: 0 or -errno, with the call that failed, and *ret_addr as far as
 * it is known. Then one of the other two; clients that there are stay.
 */
MUST_CHECK int admin_prepare(struct admin *admin, const struct control_config *config,
			     struct addr *ret_addr, const char **ret_step);
void admin_commit(struct admin *admin);
void admin_abandon(struct admin *admin);
/* Begins to accept. */
void admin_start(struct admin *admin);
/*
 * Gives the socket's file another name, its own and ".draining", so that
 * whoever is started instead finds its place free, and this process can still
 * be asked.
 */
void admin_make_way(struct admin *admin);
/* Lets all clients go, and asks the kernel for all requests back. */
void admin_stop(struct admin *admin);
/* Does the kernel hold nothing of it? */
bool admin_is_idle(const struct admin *admin);
/* Accepts NULL. */
void admin_destroy(struct admin *admin);

#endif
