/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BALANCE_BACKEND_H
#define BALANCE_BACKEND_H

/*
 * One server of a pool as all workers see it: what the operator wrote, how it
 * is, how much it carries. Shared between threads; the pool owns it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/def.h"
#include "config/config.h"

enum backend_state {
	BACKEND_READY,   /* gets new sessions */
	BACKEND_DRAIN,   /* keeps its sessions, gets no new ones */
	BACKEND_DOWN,    /* its check or its clients found it dead */
	BACKEND_MAINT,   /* taken out by the operator, not even checked */
	BACKEND_EJECTED, /* out for a while: too many sessions could not connect */
	BACKEND_STANDBY, /* healthy, but not what the pool wants: see pool_set_standby() */
	BACKEND_LEAVING, /* not in the configuration any more; goes with its last session */
	BACKEND_STATES,
};

/* Which sessions of a backend that went down are to end. */
enum evict_whom {
	EVICT_ALL,
	EVICT_IDLE,    /* each when it is */
	EVICT_UNACKED, /* it is down and acknowledges nothing of what they have sent to it */
};

extern const char *const backend_state_names[BACKEND_STATES];

/* What its server is, as checks have found out lately, where the pool asks for roles. */
enum backend_role { BACKEND_ROLE_UNKNOWN, BACKEND_PRIMARY, BACKEND_REPLICA, BACKEND_ROLES };

extern const char *const backend_role_names[BACKEND_ROLES];

#define BACKEND_LAG_UNKNOWN UINT64_MAX

/* Why it is as it is, with a NUL. */
#define BACKEND_WORDS_BYTES 160

/* Payload to it and from it. Few workers share one, so that none waits for a cache line. */
#define BACKEND_TRAFFIC_PARTS 8

struct backend_traffic {
	CACHE_ALIGNED atomic_uint_fast64_t up;
	atomic_uint_fast64_t down;
};

/*
 * Its configuration is a copy of its own, apart from locations, which it has
 * none of. A reload may put a newer one in its place: its name and address
 * are the same for ever, the rest holds until the end of the turn.
 */
struct backend {
	_Atomic(const struct backend_config *) config;
	uint64_t id;         /* no other backend of any pool has had it or will; never 0 */
	unsigned index;      /* in its pool; another one's once it is freed: see pool_collect() */
	atomic_uint holders; /* see pool_hold() */
	_Atomic(enum backend_state) state; /* set, with its time, where the pool decides on it */
	atomic_uint_fast64_t changed_ms;   /* when it became that; 0: it always was */

	/* Sessions that are connecting to it or relaying, over all workers. */
	CACHE_ALIGNED atomic_uint sessions;
	atomic_uint_fast64_t picked;
	atomic_uint_fast64_t connects;
	atomic_uint_fast64_t connect_failures;
	atomic_uint_fast64_t local_failures; /* trouble of our own: see enum health_result */
	atomic_uint failures_in_row;         /* of connects; 0 after a success */
	atomic_uint unserved_in_row;         /* sessions that it took: see health.h */
	atomic_uint_fast64_t served_ms;      /* when one heard something of it last; 0: none did */
	atomic_uint_fast64_t retries;        /* sessions that went elsewhere after it had failed */
	atomic_uint_fast64_t checks_passed, checks_failed, checks_ms; /* ms: how long they took */
	atomic_uint_fast64_t ejections;

	/* Its sessions that began before this end, of those that are meant; 0: none does. */
	atomic_uint_fast64_t evict_ms;
	_Atomic(enum evict_whom) evict_whom;
	struct bucket_shared evictions;

	_Atomic(enum backend_role) role;
	atomic_uint_fast64_t role_until_ms; /* so long that is believed; see pool_take_expiry() */
	atomic_bool is_fenced;              /* it says that it is primary, as another one did */
	/* How far behind the primary, as was seen and as it says; or BACKEND_LAG_UNKNOWN. */
	atomic_uint_fast64_t lag_bytes, lag_ms;

	/* For the log. The pool says for what it was ejected last: see struct health. */
	atomic_uint blamed_failures, blamed_connects;
	atomic_uint_fast64_t down_since_ms, ejected_since_ms; /* 0: it is not; see report.h */
	atomic_int changed_error; /* for which failure it went, a negative errno; 0: none */

	struct backend_traffic traffic[BACKEND_TRAFFIC_PARTS]; /* a worker counts in one */
};

#endif
