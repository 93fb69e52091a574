/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Waiting for a slot.
 *
 * Between two calls nobody in the queue could be served: whenever a backend
 * joins the balancer, may_serve_queue is set, and stays so until every waiter that
 * can have a slot has one. So who is new may take what pool_choose() gives
 * it, unless may_serve_queue is set: then those who were first are about to be asked,
 * and it stands behind them.
 */

#include "balance/pool.h"

#include "pool_choose.h"

/* So many waiters are asked for one that can use the slot that is free; mostly the first can. */
#define ASK_MAX 64

enum pool_answer pool_pick_or_wait(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	enum pool_answer answer;
	int index = -1;

	waiter->backend = NULL;
	waiter->node.is_waiting = false;
	pthread_mutex_lock(&pool->lock);
	answer = pool_explain(pool, &waiter->ask);
	if (!pool->may_serve_queue || answer != POOL_ALL_FULL)
		index = pool_choose(pool, &waiter->ask, &answer);
	if (index >= 0)
		waiter->backend = &pool->status[index]->backend;
	else if (answer == POOL_ALL_FULL && queue_join(&pool->queue, &waiter->node, now_ms))
		answer = POOL_WAITING;
	pthread_mutex_unlock(&pool->lock);
	return answer;
}

bool pool_may_serve_queue(const struct pool *pool)
{
	return atomic_load_explicit(&pool->may_serve_queue, memory_order_relaxed);
}

static struct pool_waiter *call_first(struct pool *pool, uint64_t now_ms)
{
	struct queue_node *node = queue_first(&pool->queue), *next;
	unsigned asked = 0;

	for (; node && asked < ASK_MAX; node = next) {
		struct pool_waiter *waiter = container_of(node, struct pool_waiter, node);
		enum pool_answer why;
		int index;

		next = queue_next(&pool->queue, node);
		if (now_ms >= node->deadline_ms) {
			queue_leave(&pool->queue, node); /* its owner will notice */
			continue;
		}
		asked++;
		index = pool_choose(pool, &waiter->ask, &why);
		if (index < 0)
			continue;
		waiter->backend = &pool->status[index]->backend;
		queue_serve(&pool->queue, node, now_ms);
		return waiter;
	}
	return NULL;
}

struct pool_waiter *pool_serve_next(struct pool *pool, uint64_t now_ms)
{
	struct pool_waiter *waiter;

	pthread_mutex_lock(&pool->lock);
	waiter = call_first(pool, now_ms);
	if (!waiter)
		pool->may_serve_queue = false;
	pthread_mutex_unlock(&pool->lock);
	return waiter;
}

bool pool_leave(struct pool *pool, struct pool_waiter *waiter)
{
	bool has_slot;

	pthread_mutex_lock(&pool->lock);
	has_slot = waiter->backend;
	queue_leave(&pool->queue, &waiter->node);
	pthread_mutex_unlock(&pool->lock);
	return !has_slot;
}

void pool_queue_stats(struct pool *pool, struct queue_stats *ret_stats)
{
	pthread_mutex_lock(&pool->lock);
	*ret_stats = pool->queue.stats;
	pthread_mutex_unlock(&pool->lock);
}
