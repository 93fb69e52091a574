/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

/*
 * A token bucket in eight bytes. Instead of a number of tokens and a time it
 * keeps one time: when all that was taken will have flowed in again (the
 * virtual scheduling form of the generic cell rate algorithm, ITU-T I.371).
 * A bucket of zeroes is full. Time is an argument, in nanoseconds of
 * CLOCK_MONOTONIC.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

struct bucket_rate {
	uint64_t per_second; /* tokens that flow in; 0: no limit */
	uint64_t burst;      /* tokens that it holds; at least 1 */
};

struct bucket {
	uint64_t full_ns; /* when it will be full again */
};

/* A bucket that several threads take from. */
struct bucket_shared {
	_Atomic uint64_t full_ns;
};

/*
 * Takes @tokens; false, and nothing taken, when there are not so many. More
 * than it can hold may be taken from a full bucket, which then stays empty
 * until all of it has flowed in.
 */
MUST_CHECK bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint64_t tokens,
			    uint64_t now_ns);
MUST_CHECK bool bucket_shared_take(struct bucket_shared *bucket, const struct bucket_rate *rate,
				   uint64_t tokens, uint64_t now_ns);

/* Takes @tokens in any case, on credit when there are too few: for what is done already. */
void bucket_spend(struct bucket *bucket, const struct bucket_rate *rate, uint64_t tokens,
		  uint64_t now_ns);

/* How long until bucket_take() will give so many; 0: now. */
uint64_t bucket_wait_ns(const struct bucket *bucket, const struct bucket_rate *rate,
			uint64_t tokens, uint64_t now_ns);
uint64_t bucket_shared_wait_ns(struct bucket_shared *bucket, const struct bucket_rate *rate,
			       uint64_t tokens, uint64_t now_ns);

#endif
