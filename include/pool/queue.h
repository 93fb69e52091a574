/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef POOL_QUEUE_H
#define POOL_QUEUE_H

/*
 * Sessions that wait for a slot, first come, first served: at most so many,
 * each until its deadline. Nodes are embedded in what waits; nothing is
 * allocated, no clock is looked at, and there is no lock: the pool has one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "base/list.h"

/* Waits are counted by length: below 1 ms, 2 ms, 4 ms and so on. */
#define QUEUE_WAITS 20

struct queue_node {
	struct list list;
	bool is_waiting;
	bool is_held; /* not for a slot, but for somebody who serves at all */
	uint64_t since_ms, deadline_ms;
};

struct queue_stats {
	unsigned waiting, waiting_most; /* now, ever */
	unsigned held;                  /* of those who wait now */
	uint64_t served;
	uint64_t gone;               /* left before their turn: deadline, client gone */
	uint64_t refused;            /* the queue was full */
	uint64_t waits[QUEUE_WAITS]; /* of those served; the last one counts all longer ones */
	uint64_t waited_ms;          /* all of them together */
	uint64_t held_waits[QUEUE_WAITS], held_waited_ms; /* the same of those that were held */
};

struct queue {
	struct list nodes;
	unsigned max;
	uint64_t timeout_ms;
	struct queue_stats stats;
};

void queue_init(struct queue *queue, unsigned max, uint64_t timeout_ms);
/* For those who come from now on; those who wait keep their deadlines. */
void queue_set_limits(struct queue *queue, unsigned max, uint64_t timeout_ms);

/* Puts @node, which waits nowhere, at the end and sets its deadline. False when it is full. */
MUST_CHECK bool queue_join(struct queue *queue, struct queue_node *node, uint64_t now_ms);

/* The same for one that is held, of at most @max: until @deadline_ms. */
MUST_CHECK bool queue_join_held(struct queue *queue, struct queue_node *node, unsigned max,
				uint64_t deadline_ms, uint64_t now_ms);

/* In order; NULL at the end. */
struct queue_node *queue_first(struct queue *queue);
struct queue_node *queue_next(struct queue *queue, struct queue_node *node);

/* Takes @node out: it is served, or it leaves. Harmless when it does not wait. */
void queue_serve(struct queue *queue, struct queue_node *node, uint64_t now_ms);
void queue_leave(struct queue *queue, struct queue_node *node);

#endif
