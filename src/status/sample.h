/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_SAMPLE_H
#define STATUS_SAMPLE_H

/*
 * All values of the table of metrics at a moment, and beside each thing's
 * values what they are of. An answer is written from one sample, so that its
 * parts fit together.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"
#include "metrics/metrics.h"
#include "state/runtime.h"

struct sample_listener {
	const struct listener *listener;
	struct listener_values values;
};

struct sample_backend {
	struct pool *pool;
	struct backend *backend;
	struct backend_values values;
};

struct sample_pool {
	struct pool *pool;
	struct pool_values values;
	const struct sample_backend *backends; /* backends_n of them */
	size_t backends_n;
};

struct sample {
	const struct runtime *runtime;
	struct process_values process;
	struct worker_values *workers;
	struct sample_listener *listeners;
	struct sample_pool *pools;
	struct sample_backend *backends; /* of all pools, in their order */
	size_t workers_n, listeners_n, pools_n, backends_n;
};

/* Keeps @runtime. False without memory, and then there is nothing to finish. */
MUST_CHECK bool sample_take(struct sample *sample, const struct runtime *runtime);
void sample_finish(struct sample *sample);

#endif
