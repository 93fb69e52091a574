/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECKER_PARTS_H
#define HEALTH_CHECKER_PARTS_H

/* The inside of the checker: for checker*.c alone. */

#include <stdatomic.h>

#include "health/check_plan.h"
#include "io/loop.h"
#include "health/conversation.h"
#include "health/on_down.h"
#include "health/role_watch.h"

/* What one backend is asked, once it is connected to. */
struct probe_talk {
	struct probe *probe;
	struct conversation_plan plan;
	struct conversation conversation;
};

/* One backend's check. */
struct probe {
	struct checker *checker;
	struct pool_timer *pool_timer; /* its pool's */
	struct pool *pool;
	struct backend *backend; /* held; NULL: it has left */
	struct addr addr;        /* where it is asked */
	struct timer timer;      /* the next start, or the deadline of the one under way */
	struct io_op connect;
	struct io_op cancel;
	struct probe_talk *talk; /* NULL: that it takes connections will do */
	bool is_talking;
	uint64_t started_ms;
	uint64_t warned_ms; /* when it was said last that the check is at fault; 0: never */
	int fd;             /* -1: none under way; without a connect: see probe_connect_later() */
	bool has_passed;    /* the last answer, and how many in a row were like it */
	unsigned answers;
	uint16_t local_addr_turn;
};

/* One pool's steps in time. */
struct pool_timer {
	struct checker *checker;
	struct pool *pool;
	struct check_plan *plan;  /* NULL: it has no checks */
	struct role_watch *roles; /* NULL: it wants none */
	struct timer timer;
	struct down_count downs;
	uint64_t hurried_ms; /* when all its checks were hurried last */
};

struct checker {
	struct runtime *runtime;
	struct loop *loop; /* NULL: it has not begun */
	struct probe *probes;
	size_t probes_n;
	struct probe_talk *talks;
	size_t talks_n, talks_max;
	struct pool_timer *pool_timers;
	size_t pool_timers_n;
	bool is_stopped;
	bool is_leaving; /* another one has taken over: it ends what it has begun */
};

/*
 * A pool's steps are taken when they are due, and this often it is asked
 * when that is: an ejection may begin at any time, in a worker, and is not so
 * urgent that it would be worth a wake-up.
 */
#define POOL_TIMER_MS 500

/* Does the kernel hold anything of it, or does it talk? */
bool probe_is_under_way(const struct probe *p);
/* Its first check will come. */
void probe_begin(struct probe *p, const atomic_bool *is_over);
/* It is asked no more. */
void probe_let_go(struct probe *p);

#endif
