/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STATE_PEERS_H
#define STATE_PEERS_H

/* What threads tell the workers. Nothing here waits. */

#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"
#include "state/runtime.h"

/* The worker that a new session should go to, seen from worker @self. */
unsigned peers_least_loaded(const struct runtime *runtime, unsigned self);

/*
 * Slots may have become free at backends of @pool: those who wait for one get
 * it, and their workers are woken. From any thread.
 */
void peers_serve_queue(struct runtime *runtime, struct pool *pool, uint64_t now_ms);
/* Takes all of the worker's that were served, linked by served_next; NULL for none. */
MUST_CHECK struct pool_waiter *peers_take_served(struct runtime *runtime, unsigned worker);

/*
 * Gives an order to all workers: one whose inbox is full looks at the order
 * when it has read some of it.
 */
void peers_order(struct runtime *runtime, enum worker_order order);

/* Workers pause @listener and all of its name, or go on with them: one may take another's place. */
void peers_pause(struct runtime *runtime, struct listener *listener, enum listener_pause pause);

/* Sessions of some backends are to end: see backend.evict_ms. */
void peers_evict(struct runtime *runtime);

/*
 * Asks every worker for a turn; have all taken one since? Those that have ended
 * need not, and before the first time nobody was asked.
 */
void peers_ask(struct runtime *runtime);
bool peers_have_answered(const struct runtime *runtime);
/* The worker takes a turn. */
void peers_answer(struct runtime *runtime, unsigned worker);

/*
 * ORDER_STOP while a worker has failed or is stuck: the others do not wait for
 * what it may still hand over to them.
 */
void peers_abandon(struct runtime *runtime);

/*
 * A worker accepts and hands over no more. When all do, each is woken once
 * more to see that nothing can be on its way to it any longer.
 */
void peers_worker_drains(struct runtime *runtime);
/* Has @worker sessions, or may one still be handed over to it? */
bool peers_expects_sessions(const struct runtime *runtime, unsigned worker);

#endif
