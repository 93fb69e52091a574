/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HEALTH_CHECKER_H
#define HEALTH_CHECKER_H

/*
 * Checks whether the backends are healthy, and lets the pools take their
 * time-driven steps (returns from ejection, slow start). Belongs to the
 * control plane: it has the main thread's loop, and tells the pools, which all workers see.
 *
 *	timer -> connect [-> conversation] -> answer, or none -> pool_on_check() -> timer ...
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "io/loop.h"
#include "state/runtime.h"

struct checker;

/* Starts checking. Keeps @runtime and @loop. Returns NULL without memory. */
MUST_CHECK struct checker *checker_create(struct runtime *runtime, struct loop *loop);

/*
 * One for the runtime's newest configuration, in the place of @old: checks come
 * when they would have come. What @old has begun it ends, and is idle then.
 * NULL without memory: then nothing has changed.
 */
MUST_CHECK struct checker *checker_follow(struct checker *old);

/* Starts nothing new and asks the kernel for all ops back. */
void checker_stop(struct checker *checker);
/* True when it has stopped, or has ended what it had begun, and the kernel holds nothing of it. */
bool checker_is_idle(const struct checker *checker);
/* It must be idle. Accepts NULL. */
void checker_destroy(struct checker *checker);

#endif
