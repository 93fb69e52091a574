/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_CHECKER_H
#define PROXY_CHECKER_H

/*
 * Asks the backends whether they are well, and lets the pools take their
 * time-driven steps (returns from ejection, slow start). Belongs to the
 * control plane: it has the main thread's ring and timers, and tells the
 * pools, which all workers see.
 *
 *	timer -> connect -> answer, or no answer in time -> pool_on_check() -> timer ...
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/timer.h"
#include "io/ring.h"
#include "proxy/proxy.h"

struct checker;

/* Starts checking. Keeps @proxy, @ring and @timers. Returns NULL without memory. */
MUST_CHECK struct checker *checker_create(struct proxy *proxy, struct ring *ring,
					  struct timers *timers, const uint64_t *now_ms);

/* Starts nothing new and asks the kernel for all ops back. */
void checker_stop(struct checker *checker);
/* True when it has stopped and the kernel holds nothing of it. */
bool checker_is_idle(const struct checker *checker);
/* It must be idle. Accepts NULL. */
void checker_destroy(struct checker *checker);

#endif
