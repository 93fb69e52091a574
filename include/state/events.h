/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_EVENTS_H
#define STATE_EVENTS_H

/*
 * What happens, for an operator who watches: sessions that begin and end,
 * steps of those that are traced, backends that change. As long as nobody
 * watches that costs the look at a number. Events wait in a bounded queue, from
 * all threads to the main one; nobody waits for it: what finds it full is lost,
 * and counted. There is one for the process, as there is one log.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "config/config.h"
#include "net/addr.h"

#define EVENTS_MAX 4096 /* that wait; a power of two */
#define EVENTS_TRACES_MAX 16

enum event_kind {
	EVENT_SESSION_BEGAN,
	EVENT_SESSION_STEP,  /* of one that is traced */
	EVENT_SESSION_ENDED, /* the last of a session's */
	EVENT_BACKEND,
	EVENT_LISTENER, /* it pauses, or goes on */
	EVENT_PROCESS,  /* it reloads, or drains */
	EVENT_KINDS,
};

struct event {
	enum event_kind kind;
	bool is_traced;   /* somebody traces this client */
	uint64_t at_ms;   /* of clock_now_ms() */
	const char *what; /* the step, the reason, the change; static */
	const char *by;   /* static, or NULL */
	char pool[CONFIG_NAME_BYTES], backend[CONFIG_NAME_BYTES]; /* "": none */

	/* Of a session. */
	uint64_t id;
	struct addr_short client;
	char listener[CONFIG_NAME_BYTES];
	uint64_t bytes[2], age_ms;
	char detail[96];
};

/* How many watch. For events_are_wanted() alone. */
extern atomic_uint events_watchers;

static inline bool events_are_wanted(void)
{
	return atomic_load_explicit(&events_watchers, memory_order_relaxed) > 0;
}

/* Is this client's session traced? From any thread, when events are wanted. */
bool events_are_traced(const struct addr *client);
/* Borrows it. From any thread. */
void events_put(const struct event *event);
/* Something has changed: @what is static; NULL or "": there is no listener, or no detail. */
void events_tell_change(enum event_kind kind, const char *listener, const char *what,
			const char *detail);

/* ---- for the main thread ---- */

/* Somebody watches, and no more. 0 or -ENOMEM. */
MUST_CHECK int events_watch(void);
void events_unwatch(void);
/* And wants to know all of these clients. 0, or -ENOSPC when there are EVENTS_TRACES_MAX. */
MUST_CHECK int events_trace(const struct addr_block *clients);
void events_untrace(const struct addr_block *clients);

/* The next one; false when there is none. */
MUST_CHECK bool events_take(struct event *ret_event);
/* How many were lost since the last time. */
uint64_t events_take_lost(void);

#endif
