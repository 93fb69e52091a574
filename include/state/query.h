/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_QUERY_H
#define STATE_QUERY_H

/*
 * What the main thread asks workers about their sessions. A query is memory
 * that is handed over to one worker, which looks at some of its sessions
 * between two turns, fills it in and hands it back: nobody waits, and a turn
 * gets no longer than by a look at QUERY_SLOTS sessions. Who wants to know of
 * all of them sends the query again until it is done.
 *
 * A worker that has ended answers nothing any more; what it is sent comes back
 * at once, done.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"
#include "state/counters.h"
#include "state/runtime.h"

#define QUERY_SLOTS 256 /* sessions that are looked at each time */
#define QUERY_ROWS 64   /* of which so many may be described */
#define QUERY_IDS 256
#define QUERY_FAILURES_MAX 100 /* that a worker remembers */

/* Which sessions. Fields that are zero or empty do not matter. */
struct session_filter {
	char listener[CONFIG_NAME_BYTES], pool[CONFIG_NAME_BYTES], backend[CONFIG_NAME_BYTES];
	uint64_t backend_id; /* that backend, and no other of its name */
	bool has_client;
	struct addr_block client;
	uint64_t older_ms, idle_ms; /* as old, or as long without a byte, or more */
	uint64_t begun_by_ms;       /* then, or before: of loop.now_ms */
	unsigned before_generation; /* accepted in an older one */
	uint64_t ids[QUERY_IDS];    /* in order: see session_filter_sort() */
	unsigned ids_n;
};

/* A session, as it was at a moment. */
struct session_facts {
	uint64_t id;
	unsigned generation; /* in which it was accepted */
	char listener[CONFIG_NAME_BYTES], pool[CONFIG_NAME_BYTES], backend[CONFIG_NAME_BYTES];
	char address[ADDR_TEXT_BYTES]; /* of the backend: one that left may have had its name */
	struct addr_short client;      /* len 0: not known */
	const char *phase;             /* static */
	uint64_t started_ms;           /* of loop.now_ms */
	uint64_t age_ms, idle_ms;
	uint64_t bytes[LANES];
	bool is_idle;                /* known to be: see relay/idle_watch.h */
	uint64_t rates[LANES];       /* bytes in a second; for the asker, who looks twice */
	char user[64], database[64]; /* "": not known */
	char sni[96];                /* "": none, or it is longer */
	char tls[16];                /* version; "": it is not terminated here */
	uint64_t ended_ms;           /* of clock_now_ms(); 0: it lives */
	const char *reason, *by;     /* then: why and by whom, static */
	char detail[96];
};

enum query_kind {
	QUERY_SESSIONS, /* describe them */
	QUERY_KILL,     /* and end them */
	QUERY_PART,     /* end those that are idle still; describe which */
	QUERY_END,      /* end them, idle or not, for their time to drain is over */
	QUERY_FAILURES, /* describe the last that ended by something that went wrong */
	QUERY_TURN,     /* nothing: what workers were told before, they have done when it is back */
};

struct query {
	enum query_kind kind;
	unsigned worker;
	struct session_filter filter;
	void *owner; /* the asker's */

	uint32_t slot; /* where the look begins; then, where the next one does */
	bool is_done;  /* there are no more */
	struct session_facts rows[QUERY_ROWS];
	unsigned rows_n;

	struct query *next; /* while it is on its way */
};

/* All of the backend, or of the listener, of that name. */
void session_filter_backend(struct session_filter *ret, const char *pool, const char *backend);
void session_filter_listener(struct session_filter *ret, const char *listener);
/* After ids were added in any order. */
void session_filter_sort(struct session_filter *filter);
bool session_filter_has_id(const struct session_filter *filter, uint64_t id);

/* Lends @query to its worker. */
void query_send(struct runtime *runtime, struct query *query);
/* Those of a worker, linked by next; NULL for none. */
MUST_CHECK struct query *query_take(struct runtime *runtime, unsigned worker);
/* The worker gives it back. */
void query_answer(struct runtime *runtime, struct query *query);
/* Of all workers, in no order; NULL for none. */
MUST_CHECK struct query *query_take_answers(struct runtime *runtime);
/* The worker has ended: it looks at nothing more. */
void query_worker_ends(struct runtime *runtime, unsigned worker);

#endif
