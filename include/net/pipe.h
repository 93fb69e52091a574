/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_PIPE_H
#define NET_PIPE_H

/*
 * Pipes for splice(2). A stream borrows one only while bytes are in it: many
 * streams share the few pipes of their worker. Not thread-safe.
 *
 * Two descriptors each: there are no more of them than the process can spare
 * beside those of its sessions.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

struct pipe {
	struct pipe *next;
	int in, out; /* write end, read end */
	uint32_t capacity_bytes;
	uint32_t filled_bytes; /* kept by whoever borrows it */
};

struct pipe_pool {
	struct pipe *free;
	unsigned open_n; /* borrowed or free */
	unsigned free_n;
	unsigned max; /* that may be open; whoever owns the pool says so, also later */
};

/*
 * Borrows an empty pipe, opening one when none is free. NULL when no more
 * can be had (the pool's own limit, open files, memory).
 */
MUST_CHECK struct pipe *pipe_get(struct pipe_pool *pool);
/* Takes a pipe back. One that is not empty is closed, for its bytes belong to nobody. */
void pipe_put(struct pipe_pool *pool, struct pipe *pipe);
/* Closes the free pipes; gives how many there were. */
unsigned pipe_pool_trim(struct pipe_pool *pool);
/* The same, at the end. All must be back. */
void pipe_pool_finish(struct pipe_pool *pool);

#endif
