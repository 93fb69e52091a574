/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ADMIN_WALK_H
#define ADMIN_WALK_H

/*
 * A walk over the sessions of all workers, by queries (state/query.h): what
 * they answer comes back on the main thread's loop.
 */

#include <stdbool.h>

#include "base/def.h"
#include "base/list.h"
#include "io/loop_reader.h"
#include "state/query.h"

struct walk;

struct walk_events {
	void (*found)(void *owner, const struct session_facts *facts);
	/* The walk is over, and gone. */
	void (*done)(void *owner);
};

/* All walks that are under way. */
struct walks {
	struct runtime *runtime;
	struct loop_reader reader;
	struct list all;
	int fd; /* eventfd */
	uint64_t told;
};

/* 0 or -errno. Keeps both. */
MUST_CHECK int walks_init(struct walks *walks, struct loop *loop, struct runtime *runtime);
void walks_start(struct walks *walks);
/* When workers have ended: takes what they have answered, and tells who asked. */
void walks_settle(struct walks *walks);
void walks_stop(struct walks *walks);
bool walks_are_idle(const struct walks *walks);
/* Workers have ended, or were never started. */
void walks_finish(struct walks *walks);

/* Keeps @events. Returns NULL without memory. */
MUST_CHECK struct walk *walk_start(struct walks *walks, enum query_kind kind,
				   const struct session_filter *filter,
				   const struct walk_events *events, void *owner);
/* Nobody is told any more. */
void walk_abandon(struct walk *walk);

#endif
