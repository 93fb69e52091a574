/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_COUNTERS_LOG_H
#define METRICS_COUNTERS_LOG_H

/*
 * The counters of all workers, added up and put into words. The keys are part
 * of ringmain's interface: ringmain(8) lists them, and scripts look for them.
 */

struct runtime;

/* Logs all counters of @runtime. For one thread at a time. */
void counters_log(const struct runtime *runtime);

#endif
