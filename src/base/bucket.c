/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bucket.h"

#define SECOND_NS 1000000000u

/* In which @tokens flow in; rounded up, so that no rate is exceeded. */
static uint64_t time_of(const struct bucket_rate *rate, uint64_t tokens)
{
	unsigned __int128 ns = (unsigned __int128)tokens * SECOND_NS + rate->per_second - 1;

	return (uint64_t)MIN(ns / rate->per_second, (unsigned __int128)(UINT64_MAX / 4));
}

/* When it is as empty as may be for @tokens to be taken. */
static uint64_t latest_full_ns(const struct bucket_rate *rate, uint64_t tokens, uint64_t now_ns)
{
	uint64_t burst = MAX(rate->burst, 1);

	return now_ns + time_of(rate, burst) - time_of(rate, MIN(tokens, burst));
}

bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint64_t tokens,
		 uint64_t now_ns)
{
	if (bucket_wait_ns(bucket, rate, tokens, now_ns) > 0)
		return false;
	bucket_spend(bucket, rate, tokens, now_ns);
	return true;
}

bool bucket_shared_take(struct bucket_shared *bucket, const struct bucket_rate *rate,
			uint64_t tokens, uint64_t now_ns)
{
	uint64_t before = atomic_load_explicit(&bucket->full_ns, memory_order_relaxed);
	struct bucket copy;

	do {
		copy.full_ns = before;
		if (!bucket_take(&copy, rate, tokens, now_ns))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->full_ns, &before, copy.full_ns,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

void bucket_spend(struct bucket *bucket, const struct bucket_rate *rate, uint64_t tokens,
		  uint64_t now_ns)
{
	uint64_t full_ns = MIN(MAX(bucket->full_ns, now_ns), UINT64_MAX / 2);

	if (rate->per_second > 0)
		bucket->full_ns = full_ns + time_of(rate, tokens);
}

uint64_t bucket_wait_ns(const struct bucket *bucket, const struct bucket_rate *rate,
			uint64_t tokens, uint64_t now_ns)
{
	uint64_t latest_ns;

	if (rate->per_second == 0)
		return 0;
	latest_ns = latest_full_ns(rate, tokens, now_ns);
	return bucket->full_ns > latest_ns ? bucket->full_ns - latest_ns : 0;
}

uint64_t bucket_shared_wait_ns(struct bucket_shared *bucket, const struct bucket_rate *rate,
			       uint64_t tokens, uint64_t now_ns)
{
	struct bucket copy = {
		.full_ns = atomic_load_explicit(&bucket->full_ns, memory_order_relaxed),
	};

	return bucket_wait_ns(&copy, rate, tokens, now_ns);
}
