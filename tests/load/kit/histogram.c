/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "histogram.h"

#include "base/def.h"

#define STEPS (1u << HISTOGRAM_STEP_BITS)

void histogram_reset(struct histogram *h)
{
	*h = (struct histogram){ .count = 0 };
}

/* Below STEPS each value has a bucket; above, @shift low bits share one. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < STEPS)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS;
	return shift * STEPS + (unsigned)(ns >> shift);
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
	unsigned shift;

	if (bucket < STEPS)
		return bucket;
	shift = bucket / STEPS - 1;
	return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	h->sum_ns += ns;
	h->max_ns = MAX(h->max_ns, ns);
	h->buckets[bucket_of(ns)]++;
}

uint64_t histogram_quantile_ns(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > wanted)
			return MIN(bucket_top(i), h->max_ns);
	}
	return h->max_ns;
}
