/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATUS_BUSIEST_H
#define STATUS_BUSIEST_H

/*
 * The sessions that move the most bytes (status_sessions). Who asks for them
 * gets those that the last walk over all sessions has found, and lets another
 * one begin if it is time: workers are asked for a few sessions between two
 * turns, and nobody waits for them.
 */

#include <stdbool.h>

#include "admin/session_rates.h"
#include "base/def.h"

#define BUSIEST_N 20

struct control_context;
struct walk;

struct busiest {
	struct control_context *context;
	struct session_facts rows[BUSIEST_N]; /* the busiest first */
	unsigned n;
	uint64_t found_ms; /* when; 0: never */

	/* The walk under way, or NULL; what it has found so far. */
	struct walk *walk;
	struct session_facts next[BUSIEST_N];
	unsigned next_n;
	uint64_t began_ms, next_ms;
	struct session_rates before, now;
	uint64_t before_ms; /* when the walk before began */
};

/* Keeps @context. */
void busiest_init(struct busiest *b, struct control_context *context);
/* Before walks are stopped: there are none from now on. */
void busiest_stop(struct busiest *b);
void busiest_finish(struct busiest *b);

/* Does the newest configuration want them shown? */
bool busiest_is_on(const struct busiest *b);
/* Gives b->rows, b->n of them, none while nothing is known; see above. */
void busiest_ask(struct busiest *b);

#endif
