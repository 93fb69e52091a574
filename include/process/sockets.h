/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROCESS_SOCKETS_H
#define PROCESS_SOCKETS_H

/*
 * The listening sockets of all listeners, opened before any worker starts:
 * for each address one for each worker.
 */

#include <stddef.h>

#include "base/def.h"
#include "process/passed.h"
#include "net/sock_file.h"
#include "worker/acceptor.h"
#include "state/runtime.h"

struct sockets {
	struct acceptor_socket *all; /* worker 0's first, then worker 1's ... */
	size_t per_worker;
	unsigned workers_n;
	struct addr *addrs;      /* of the first worker's, as the kernel named them */
	struct sock_file *files; /* of those that are unix sockets */
	size_t wildcards;        /* among those that are open */
	struct passed passed;    /* by whoever has started us, until listeners have taken them */
};

/* Opens them all and logs each address; on failure logs why and returns -errno. */
MUST_CHECK int sockets_open(struct sockets *sockets, struct runtime *runtime);
/*
 * Removes the files of unix sockets, but none that has taken the place of
 * ours: before the sockets are closed, so that whoever is started instead
 * finds its place free, and what it puts there stays.
 */
void sockets_remove_files(struct sockets *sockets);
/* The same, and frees the table; the workers close the sockets. */
void sockets_finish(struct sockets *sockets);

/* All that a listener listens on, as far as there is room for it. Gives @text. */
#define SOCKETS_TEXT_BYTES 160
const char *sockets_describe(const struct sockets *sockets, const struct listener *listener,
			     char text[SOCKETS_TEXT_BYTES]);

static inline const struct acceptor_socket *sockets_of(const struct sockets *sockets,
						       unsigned worker)
{
	return &sockets->all[worker * sockets->per_worker];
}

#endif
