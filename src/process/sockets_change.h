/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_CHANGE_H
#define PROCESS_SOCKETS_CHANGE_H

/* From the sockets there are to those of another generation: what sockets.c finds out of it. */

#include "config/config.h"
#include "process/sockets_failure.h"
#include "process/sockets_table.h"
#include "state/generation.h"

/* One address of a bind, and what is found for it. */
struct target {
	const struct bind_config *bind;
	struct addr addr;
	struct listener *listener;
	const struct listener_config *config;
	struct bound_socket *known; /* NULL: it is opened */
	struct bound_socket fresh;
	bool is_covered; /* see generation_socket */
};

struct sockets_change {
	struct sockets *sockets;
	struct generation *generation;
	struct target *targets; /* in the order of the configuration */
	size_t n, fresh_n;
	size_t wildcards_n;            /* that were opened */
	struct bound_socket **by_port; /* those there are */
	bool *stays;                   /* by index in the table */
	struct bound_socket *all;      /* room for the new table */
	bool is_first;
	struct sockets_failures *failures; /* of who asks */
};

/* What workers find in the generation, to close, open and keep sockets by. 0 or -ENOMEM. */
MUST_CHECK int sockets_lay_out(struct sockets_change *change);

#endif
