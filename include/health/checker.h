/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECKER_H
#define HEALTH_CHECKER_H

/*
 * Checks whether the backends are healthy, and lets the pools take their
 * time-driven steps (returns from ejection, slow start). It has a thread and
 * a loop of its own (health/checker_thread.h), so that nobody waits for what
 * checks compute; it tells the pools, which all workers see.
 *
 *	timer -> connect [-> conversation] -> answer, or none -> pool_on_check() -> timer ...
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "io/loop.h"
#include "state/runtime.h"

struct checker;

/*
 * One for the runtime's newest configuration; by the thread that changes it.
 * Keeps @runtime. It does nothing yet. Returns NULL without memory.
 */
MUST_CHECK struct checker *checker_create(struct runtime *runtime);

/* What follows is for the thread that has the loop; between them nobody has it. */

/*
 * From now on it checks, in the place of @old, if that is not NULL: checks come
 * when they would have come. What @old has begun it ends, and is idle then. Keeps @loop,
 * and @is_over: once that is true checks compute nothing more; it is to be stopped then.
 */
void checker_begin(struct checker *checker, struct loop *loop, struct checker *old,
		   const atomic_bool *is_over);

/* Starts nothing new and asks the kernel for all ops back. */
void checker_stop(struct checker *checker);
/* True when it has stopped, or has ended what it had begun, and the kernel holds nothing of it. */
bool checker_is_idle(const struct checker *checker);
/* It must be idle, or have never begun. Accepts NULL. */
void checker_destroy(struct checker *checker);

#endif
