/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_BOUND_SOCKET_H
#define PROCESS_BOUND_SOCKET_H

/* An address that is listened on, with a socket for each worker. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"
#include "net/sock_file.h"

struct listener;

struct bound_socket {
	uint64_t id;               /* no other socket ever has it; in the order of the table */
	struct listener *listener; /* whose it is in the newest generation */
	struct addr wanted;        /* as it was configured */
	struct addr addr;          /* as the kernel named it */
	struct sock_file file;     /* of a unix socket */
	struct sock_access access; /* of that */
	int *fds;                  /* by worker */
	bool is_passed;            /* others have it, too: see process/passed.h */
};

/* Does one of these addresses take, of the same port, a part of what comes to the other? */
bool bound_addrs_overlap(const struct addr *a, const struct addr *b);

/* Does @wildcard, of the same port, take what comes to @addr where nobody listens there? */
bool bound_addr_is_within(const struct addr *addr, const struct addr *wildcard);

/* Does one of these have @addr, or a part of it; of a unix socket, by whatever path? */
bool bound_sockets_have(const struct bound_socket *all, size_t n, const struct addr *addr);

#endif
