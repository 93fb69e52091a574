/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_ATTENTION_POOL_H
#define METRICS_ATTENTION_POOL_H

/* What of a pool needs attention; for attention.c. */

#include <stdint.h>

#include "metrics/attention_notes.h"

struct pool;
struct runtime;

void attention_add_pool(struct attention *a, const struct runtime *runtime, struct pool *pool,
			uint64_t now_ms);

#endif
