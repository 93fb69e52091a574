/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ROLE_ROLE_JUDGE_H
#define ROLE_ROLE_JUDGE_H

/*
 * Which servers of a pool get new sessions, by their roles: pure, with time
 * as an argument. Checks report facts; each pool judges for itself.
 *
 *	facts -> role_judge_note() -> role_judge_decide() -> admitted or not, and why
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/def.h"
#include "role/failback.h"
#include "role/fencing.h"
#include "role/replica_lag.h"
#include "role/role_evidence.h"

/*
 * What the pool wants; ANY takes primaries and replicas, but not those that lag too much;
 * REPLICA_FIRST primaries only while it has no replica.
 */
enum role_wanted {
	ROLE_WANTED_ANY,
	ROLE_WANTED_PRIMARY,
	ROLE_WANTED_REPLICA,
	ROLE_WANTED_REPLICA_FIRST,
};

#define ROLE_NO_LAG_LIMIT UINT64_MAX

struct role_config {
	enum role_wanted wanted;
	bool fence;             /* two primaries are one too many; else no failback, either */
	uint64_t age_max_ms;    /* of evidence */
	uint64_t lag_max_bytes; /* ROLE_NO_LAG_LIMIT: any */
	uint64_t lag_max_ms;    /* where the server itself says it in time */
	struct failback_config failback;
};

enum role_reason {
	ROLE_ADMITTED,
	ROLE_UNKNOWN,   /* no check has told it lately */
	ROLE_OTHER,     /* it is not what is wanted */
	ROLE_SPARE,     /* it is not, but would do were there nobody else */
	ROLE_READ_ONLY, /* a primary that refuses to write */
	ROLE_STALE,     /* a primary of a timeline that another one has left behind */
	ROLE_SPLIT,     /* one of several primaries */
	ROLE_RETURNED,  /* a primary that was replaced, and that nobody has promoted since */
	ROLE_LAGS,
	ROLE_LAG_UNKNOWN,
	ROLE_REASONS
};

struct role_member {
	struct role_evidence evidence;
	uint16_t port;
	bool is_candidate;       /* it claims to be primary, and may be */
	bool is_out;             /* whatever its role: its owner says that it serves nobody now */
	enum role_reason reason; /* by the last decision */
	enum role_reason as_primary; /* were a primary wanted; of those that claim to be */
};

/* Its owner gives the memory for @members_n of each kind. */
struct role_judge {
	struct role_config config;
	struct role_member *members;
	size_t members_n;
	struct fencing_claim *claims; /* room for as many */
	enum fencing_verdict *verdicts;
	struct fencing fencing;
	struct failback failback;
	struct replica_lag lag;
};

/* Builds one for @n servers, at most 65534. NULL without memory. */
MUST_CHECK struct role_judge *role_judge_create(const struct role_config *config, size_t n);
/* Accepts NULL. */
void role_judge_destroy(struct role_judge *judge);

/* A check of server @n has ended; somebody found that it is not there, or not ready; it is down. */
void role_judge_note(struct role_judge *judge, size_t n, const struct check_facts *facts,
		     uint64_t now_ms);
void role_judge_doubt(struct role_judge *judge, size_t n);
void role_judge_note_down(struct role_judge *judge, size_t n);

/* Decides on all of them; each member's reason is set. True: some reason has changed. */
bool role_judge_decide(struct role_judge *judge, uint64_t now_ms);
/* Was server @n kept out, when it was primary, as another one was, too? */
bool role_judge_has_fenced(const struct role_judge *judge, size_t n);

/* When evidence that counts now grows too old, or a primary may come back; UINT64_MAX: never. */
uint64_t role_judge_next_ms(const struct role_judge *judge, uint64_t now_ms);

/*
 * The operator says that server @n may be primary, whatever was seen before; of several that say
 * they are, and of which nothing tells who is right, it is the one.
 */
void role_judge_allow(struct role_judge *judge, size_t n, uint64_t now_ms);

/* In words for a log line. */
const char *role_reason_text(enum role_reason reason);

#endif
