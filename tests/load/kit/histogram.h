/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LOAD_KIT_HISTOGRAM_H
#define LOAD_KIT_HISTOGRAM_H

/*
 * Counts times in nanoseconds, from one to hours, in buckets that are at most
 * 1.6 % wide: 64 of them for every power of two.
 */

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS)

struct histogram {
	uint64_t count, sum_ns, max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);

/* The time that @share (0..1) of all do not exceed; 0 when nothing was counted. */
uint64_t histogram_quantile_ns(const struct histogram *h, double share);

#endif
