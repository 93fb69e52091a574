/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_ADMIN_CLIENT_H
#define ADMIN_ADMIN_CLIENT_H

/* The clients of the control socket. For admin.c. */

#include "base/list.h"
#include "admin/context.h"

#define ADMIN_CLIENTS_MAX 64

struct admin_clients {
	struct control_context *context;
	struct list all; /* the one that was active last is the last */
	unsigned n;
	size_t reply_bytes; /* that all replies hold */
};

/* Keeps @context. */
void admin_clients_init(struct admin_clients *clients, struct control_context *context);
/* Takes @fd, a new one's. */
void admin_clients_add(struct admin_clients *clients, int fd);
/* Lets all go; when the kernel has given everything back, the list is empty. */
void admin_clients_stop(struct admin_clients *clients);

#endif
