/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECKER_PARTS_H
#define HEALTH_CHECKER_PARTS_H

/* The inside of the checker: for checker*.c alone. */

#include "health/on_down.h"
#include "role/role_watch.h"
#include "probe.h"

/* Who wants to know what a check finds out: a backend of a pool. */
struct subscriber {
	struct pool_timer *pool_timer; /* its pool's */
	struct backend *backend;       /* held; NULL: it has left */
	struct probe *probe;
	struct subscriber *next; /* of the same probe */
	bool is_at_fault;        /* the check, which cannot log in */
	uint64_t warned_ms;      /* when that was said last; 0: never */
	uint64_t fell_ms;        /* when the backend last went down by its checks; 0: never */
};

/* One pool's steps in time. */
struct pool_timer {
	struct checker *checker;
	struct pool *pool;
	struct check_plan *plan;  /* NULL: it has no checks */
	struct role_watch *roles; /* NULL: it wants none */
	struct timer timer;
	uint64_t hurried_ms;            /* when all its checks were hurried last */
	struct subscriber *subscribers; /* by their backends' index */
	size_t subscribers_n;
};

struct checker {
	struct runtime *runtime;
	struct loop *loop; /* NULL: it has not begun */
	struct probe *probes;
	size_t probes_n;
	struct subscriber *subscribers;
	size_t subscribers_n;
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

#endif
