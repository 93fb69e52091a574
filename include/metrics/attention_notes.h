/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef METRICS_ATTENTION_NOTES_H
#define METRICS_ATTENTION_NOTES_H

/* A list of what needs attention, and how it is filled: see attention.h for who does. */

#include <stdbool.h>
#include <stddef.h>

#include "base/def.h"

/* In this order they are told: what concerns a whole pool or listener is before a backend. */
enum attention_kind {
	ATTENTION_PRIMARIES,
	ATTENTION_POOL_EMPTY,
	ATTENTION_CANNOT_LISTEN,
	ATTENTION_STATUS_PAGE,
	ATTENTION_RELOAD,
	ATTENTION_EXPIRED,
	ATTENTION_HELD,
	ATTENTION_CHECK,
	ATTENTION_FILES,
	ATTENTION_SESSIONS,
	ATTENTION_LISTENER_FULL,
	ATTENTION_QUEUE,
	ATTENTION_PAUSED,
	ATTENTION_EXPIRES,
	ATTENTION_LOG,
	ATTENTION_BACKENDS,
	ATTENTION_KINDS,
};

/* Words for programs: "pool_empty". */
extern const char *const attention_kind_names[ATTENTION_KINDS];

struct attention_note {
	enum attention_kind kind;
	bool is_bad;     /* it harms clients, or will; else it is a warning */
	unsigned weight; /* among those of its kind: the larger, the earlier */
	size_t order;    /* and then in that of the configuration */
	char what[224], why[640];
	char now[96]; /* what changes all the time, such as a number; or "" */
};

struct attention {
	struct attention_note *notes; /* no more than there are things that they are of */
	size_t n, room;
};

/* Gives a note that is to be filled in until the next one is added; never NULL. */
struct attention_note *attention_add(struct attention *a, enum attention_kind kind, bool is_bad);
/* As snprintf(3), in whole letters. */
void attention_say(char *text, size_t room, const char *format, ...) PRINTF_LIKE(3, 4);
#define ATTENTION_SAY(array, ...) attention_say(array, sizeof(array), __VA_ARGS__)

/* The gravest first. */
void attention_sort(struct attention *a);
void attention_finish(struct attention *a);

#endif
