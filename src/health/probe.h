/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

/*
 * One check, again and again: of an address, with what its plan says. What the
 * answer means its owner knows, as well as who wants to know it.
 *
 *	timer -> connect [-> conversation] -> answered() -> timer ...
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "health/check_plan.h"
#include "health/conversation.h"
#include "io/loop.h"

struct probe;
struct subscriber;

/* What came of it. */
struct probe_outcome {
	bool has_passed;
	int err;                         /* -errno of the connect; or 0 */
	const struct check_facts *facts; /* lent; NULL: nothing was said */
	uint64_t took_ms;
};

struct probe_hooks {
	/* Is there somebody to be asked for now? */
	bool (*is_due)(const struct probe *p);
	/* Gives how long after the start of this one the next is to start. */
	uint64_t (*answered)(struct probe *p, const struct probe_outcome *outcome);
	/* It was to leave, and has: no other comes. */
	void (*left)(struct probe *p);
};

/* What is said, once it is connected. */
struct probe_talk {
	struct probe *probe;
	struct conversation_plan plan;
	struct conversation conversation;
};

struct probe {
	const struct probe_hooks *hooks;
	struct loop *loop; /* NULL: it has not begun */
	struct check_plan *plan;
	struct subscriber *subscribers; /* its owner's: who wants to know */
	struct probe *next;             /* the same: of a table */
	struct addr addr;               /* where it is asked */
	uint64_t digest;                /* of all that it is asked */
	struct timer timer;             /* the next start, or the deadline of the one under way */
	struct io_op connect, cancel;
	struct probe_talk *talk; /* NULL: that it takes connections will do */
	bool is_talking, is_stopped;
	bool is_leaving, has_left; /* another one asks in its place */
	bool has_taken_over;
	uint64_t started_ms;
	int fd;          /* -1: none under way; without a connect: see probe_connect_later() */
	bool has_passed; /* the last answer, and how many in a row were like it */
	unsigned answers;
	uint16_t local_addr_turn;
};

/*
 * For @backend and whoever else is asked the same; keeps @plan and @hooks, and needs its memory
 * zeroed. False without memory. It does nothing before it begins.
 */
MUST_CHECK bool probe_init(struct probe *p, const struct probe_hooks *hooks,
			   struct check_plan *plan, const struct backend_config *backend);
/* It is idle. */
void probe_finish(struct probe *p);

/* The first comes then. Keeps @loop and @is_over: see conversation_init(). */
void probe_begin(struct probe *p, struct loop *loop, uint64_t first_ms, const atomic_bool *is_over);
/* It comes when the next one of @from would have come, and knows what that knew. Once. */
void probe_take_over(struct probe *p, const struct probe *from);
/* The next one comes at once, if none is under way. */
void probe_hurry(struct probe *p);

/* Ends what it has begun, if anything, in peace, and then calls left(). */
void probe_leave(struct probe *p);
/* Asks the kernel for all back. */
void probe_stop(struct probe *p);

/* Does the kernel hold anything of it, or does it talk? */
bool probe_is_under_way(const struct probe *p);

#endif
