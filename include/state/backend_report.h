/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_BACKEND_REPORT_H
#define STATE_BACKEND_REPORT_H

/* What is told of a backend when its state changes: that, why, and for how long it was away. */

#include <stdint.h>

#include "pool/pool.h"
#include "base/def.h"

struct backend_report {
	enum health_change change;
	int err;            /* the last failure, a negative errno; 0: it was none */
	const char *detail; /* what more is known of that, or NULL */
	unsigned answers;   /* of checks, so many in a row */
	uint64_t now_ms;
	uint64_t took_ms;  /* of the last check */
	const char *words; /* the last failure in words of its own, with err 0; or NULL */
};

/*
 * Says so in the log, once for all workers. Its checks' changes come from one
 * thread, that of its ejections from any.
 */
void backend_report_change(struct pool *pool, struct backend *backend,
			   const struct backend_report *report);

/* To who watches (state/events.h) alone. @what is static; @detail is borrowed, or NULL. */
void backend_tell(const struct pool *pool, const struct backend *backend, const char *what,
		  const char *detail, uint64_t now_ms);

#endif
