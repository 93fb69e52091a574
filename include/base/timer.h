/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

/*
 * A hierarchical timing wheel (Varghese and Lauck, SOSP 1987, scheme 7):
 * setting and stopping a timer is O(1), whatever the number of timers. A
 * timer is embedded in what it belongs to and found again by container_of().
 * Time is an argument, in milliseconds of CLOCK_MONOTONIC: no call here looks
 * at a clock. One thread owns a wheel and its timers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/list.h"

struct timer;
typedef void timer_fire_fn(struct timer *timer);

struct timer {
	struct list node; /* on a slot of the wheel, or on nothing */
	uint64_t due_ms;
	timer_fire_fn *fire;
};

#define TIMER_NEVER UINT64_MAX
#define TIMER_LEVELS 5
#define TIMER_SLOTS 64 /* of 1 ms, 64 ms, 4 s, 4.4 min and 4.7 h: 12.4 days in all */

struct timers {
	uint64_t now_ms;                 /* all that is due by then has fired */
	uint64_t occupied[TIMER_LEVELS]; /* bit n: slot n holds timers */
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
	struct list far; /* due when the coarsest level has gone round */
	uint32_t armed;  /* timers that are set */
};

void timers_init(struct timers *timers, uint64_t now_ms);

/* Must be called once before a timer's first use. */
void timer_init(struct timer *timer, timer_fire_fn *fire);

/*
 * Lets @timer fire once, at the first timers_run() with now >= @due_ms. Moves
 * it when it is set already. A due time in the past fires at the next run,
 * which for a callback is not the one it is called from. TIMER_NEVER stops it.
 */
void timer_set(struct timers *timers, struct timer *timer, uint64_t due_ms);

/* Harmless when it is not set. */
void timer_stop(struct timers *timers, struct timer *timer);
bool timer_is_set(const struct timer *timer);

/*
 * Fires all that is due, in the order of due times, each taken off before its
 * call; a callback may set and stop any timer, its own too, and free what its
 * timer is embedded in. Never fires early. A @now_ms that lies before the last
 * one counts as the last one.
 */
void timers_run(struct timers *timers, uint64_t now_ms);

/*
 * When timers_run() should be called next: never later than the earliest
 * timer's due time (it may be earlier, when a slot of a coarse level has to
 * be sorted into a finer one). TIMER_NEVER when no timer is set.
 */
uint64_t timers_next_ms(const struct timers *timers);

#endif
