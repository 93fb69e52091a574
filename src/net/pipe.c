/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pipe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

/*
 * As much as an unprivileged process may ask for. The kernel allows a user
 * 64 MB of it by default (pipe-user-pages-soft), after which it says no and
 * the pipe keeps its 64 kB.
 */
#define PIPE_WANTED_BYTES (1u << 20)
#define PIPE_DEFAULT_BYTES (1u << 16)

/* Free pipes above this are closed: a burst of slow readers does not hold descriptors for ever. */
#define PIPES_KEPT_MAX 64

static void pipe_close(struct pipe_pool *pool, struct pipe *pipe)
{
	close(pipe->in);
	close(pipe->out);
	free(pipe);
	pool->open_n--;
}

static struct pipe *pipe_open(struct pipe_pool *pool)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));
	int ends[2], size;

	if (!pipe)
		return NULL;
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(pipe);
		return NULL;
	}
	pipe->out = ends[0];
	pipe->in = ends[1];
	size = fcntl(pipe->in, F_SETPIPE_SZ, PIPE_WANTED_BYTES);
	pipe->capacity_bytes = size > 0 ? (uint32_t)size : PIPE_DEFAULT_BYTES;
	pool->open_n++;
	return pipe;
}

struct pipe *pipe_get(struct pipe_pool *pool)
{
	struct pipe *pipe = pool->free;

	if (!pipe)
		return pool->open_n < pool->max ? pipe_open(pool) : NULL;
	pool->free = pipe->next;
	pool->free_n--;
	pipe->next = NULL;
	return pipe;
}

void pipe_put(struct pipe_pool *pool, struct pipe *pipe)
{
	CHECK(!pipe->next);
	if (pipe->filled_bytes > 0 || pool->free_n >= PIPES_KEPT_MAX || pool->open_n > pool->max) {
		pipe_close(pool, pipe);
		return;
	}
	pipe->next = pool->free;
	pool->free = pipe;
	pool->free_n++;
}

unsigned pipe_pool_trim(struct pipe_pool *pool)
{
	unsigned n = pool->free_n;

	while (pool->free) {
		struct pipe *pipe = pool->free;

		pool->free = pipe->next;
		pool->free_n--;
		pipe_close(pool, pipe);
	}
	return n;
}

void pipe_pool_finish(struct pipe_pool *pool)
{
	CHECK(pool->free_n == pool->open_n);
	(void)pipe_pool_trim(pool);
}
