/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef IO_LOOP_H
#define IO_LOOP_H

/*
 * The event loop of one thread: a ring with its buffers, timers, and the time
 * of this turn. A turn is
 *
 *   wait -> completions -> hooks.completed -> timers -> hooks.turned
 *
 * Embed it in whatever the thread owns and find the owner again with
 * container_of().
 */

#include <stdint.h>

#include "base/def.h"
#include "base/timer.h"
#include "io/buf.h"
#include "io/ring.h"

struct loop;

/* What the owner does in each turn; NULL: nothing. */
struct loop_hooks {
	/* When the next turn is to be, at the latest, whatever the timers say; 0: at once. */
	uint64_t (*wait_until_ms)(const struct loop *loop);
	void (*completed)(struct loop *loop); /* before timers fire */
	void (*turned)(struct loop *loop);
};

struct loop {
	struct ring *ring;
	struct buf_pool bufs;
	struct timers timers;
	uint64_t now_ms;      /* of this turn, of clock_now_ms() */
	uint64_t completions; /* ever */
	const struct loop_hooks *hooks;
};

struct loop_options {
	struct ring_options ring;
	unsigned buffers;
	const struct loop_hooks *hooks; /* kept */
};

/* On failure returns -errno and in *ret_step the call that failed. */
MUST_CHECK int loop_init(struct loop *loop, const struct loop_options *options,
			 const char **ret_step);
/* No op may be with the kernel any more. */
void loop_finish(struct loop *loop);

/* One turn; waits for a completion, or until the next timer. 0 or -errno of the ring. */
MUST_CHECK int loop_turn(struct loop *loop);
/* The part of a turn after the wait. */
void loop_work(struct loop *loop, uint64_t now_ms);

#endif
