/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/*
 * Time that never jumps (CLOCK_MONOTONIC). Deadlines, timers and durations
 * use it; the wall clock is for log lines, certificates and since when we run.
 */

#include <stdint.h>

uint64_t clock_now_ns(void);
uint64_t clock_now_ms(void);

#endif
