/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_PASSED_H
#define PROCESS_PASSED_H

/*
 * Listening sockets that a service manager has opened and passed on
 * (sd_listen_fds(3)): $LISTEN_FDS of them, from descriptor 3 on, with names in
 * $LISTEN_FDNAMES. One is for the listener of its name that binds its address;
 * where its name is no listener's, its address alone decides.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"

#define PASSED_MAX 256
#define PASSED_FIRST_FD 3

struct passed_socket {
	int fd;        /* kept: listeners have duplicates, and one that comes back takes it again */
	bool is_taken; /* has been, by any */
	struct addr addr;
	char name[CONFIG_NAME_BYTES];
};

struct passed {
	struct passed_socket all[PASSED_MAX];
	size_t n;
};

/*
 * From the environment, which is cleared of it. 0, or -errno, which it logs,
 * when what is there is no listening socket.
 */
MUST_CHECK int passed_init(struct passed *passed);

/* Gives a duplicate of the socket for an address of @listener, the caller's, or -1. */
int passed_take(struct passed *passed, const struct config *config,
		const struct listener_config *listener, const struct addr *addr);

/* After the start: logs those that nobody has taken; false when there are any. */
MUST_CHECK bool passed_are_taken(const struct passed *passed);
/* Is @addr one of theirs? */
bool passed_has(const struct passed *passed, const struct addr *addr);
/* Is there a listener of this name, for which alone a start takes what was passed under it? */
bool passed_is_a_listener(const struct config *config, const char *name);
/* Closes them. */
void passed_finish(struct passed *passed);

#endif
