/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_FENCING_H
#define ROLE_FENCING_H

/*
 * Which of several servers that all claim to be primary may be written to.
 * Of copies of one database (the same system identifier) the one on the
 * higher timeline: a promotion begins a new one. What cannot be told apart is
 * not written to at all, until one is left or the operator decides. Whoever
 * was overtaken stays out also when the other one is gone.
 *
 * It is no consensus: who promotes decides, and this only sees who did.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"

enum fencing_verdict {
	FENCING_ADMITTED,
	FENCING_STALE, /* of a timeline that another one has left behind */
	FENCING_SPLIT, /* there are others, and nobody can tell which is right */
	FENCING_VERDICTS
};

/* Zeros: not known. */
struct fencing_claim {
	uint64_t system_id;
	uint64_t started_us; /* with system_id and port: the same for two names of one server */
	uint32_t timeline;
	uint16_t port; /* 0 of a unix socket */
};

/* Of a pool, zeroed at first: what was admitted last. */
struct fencing {
	uint64_t system_id;
	uint32_t timeline;
};

/* Judges all @n that claim to be primary now. */
void fencing_judge(struct fencing *f, const struct fencing_claim *claims, size_t n,
		   enum fencing_verdict *ret_verdicts);

/* Is it of a timeline that another one has left behind? */
MUST_CHECK bool fencing_is_stale(const struct fencing *f, const struct fencing_claim *claim);

/* The operator says that what was seen before does not count. */
void fencing_forget(struct fencing *f);

#endif
