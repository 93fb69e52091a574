/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * Waiting for a slot.
 *
 * Between two calls nobody in the queue could be served: whenever a backend
 * joins the balancer, may_serve_queue is set, and stays so until every waiter that
 * can have a slot has one. So who is new may take what pool_choose() gives
 * it, unless may_serve_queue is set: then those who were first are about to be asked,
 * and it stands behind them. Those who are held are let go in order, but may be
 * overtaken by who comes when somebody serves again: at a rate (hold_rate) they might
 * never come to an end otherwise.
 */

#include "pool/pool.h"

#include "pool_choose.h"

/* So many waiters are asked for one that can use the slot that is free; mostly the first can. */
#define ASK_MAX 64

#define NS_PER_MS 1000000ull

/* So soon it is looked again whether one more may be let go. */
#define HOLD_RETRY_MS 10

/* ---- those who are held --------------------------------------------------- */

/* As configured; or, where the first checks have to be heard yet, as long as these may take. */
static uint64_t hold_ms(const struct pool *pool)
{
	const struct check_config *check = &pool->config->check;

	if (pool->config->hold.ms > 0 || !pool_is_undecided(pool))
		return pool->config->hold.ms;
	return check->timeout_ms * check->fall;
}

/* False where there is no hold, its time is over, or too many are. */
static bool hold(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	const struct hold_config *config = &pool->config->hold;
	const uint64_t ms = hold_ms(pool);

	if (ms == 0)
		return false;
	if (waiter->hold_until_ms == 0)
		waiter->hold_until_ms = now_ms + ms;
	waiter->proof = pool->proofs;
	return now_ms < waiter->hold_until_ms &&
	       queue_join_held(&pool->queue, &waiter->node, config->max, waiter->hold_until_ms,
			       now_ms);
}

/* What it asks now: whom it has tried in vain, and who has shown since that it serves, may be tried
 * again. */
static struct pool_ask ask_of_held(const struct pool *pool, const struct pool_waiter *waiter)
{
	struct pool_ask ask = waiter->ask;

	ask.tried_n = 0;
	for (unsigned i = 0; i < waiter->ask.tried_n; i++) {
		const struct backend_status *s = pool->status[waiter->ask.tried[i]];

		if (!s || s->proof <= waiter->proof)
			ask.tried[ask.tried_n++] = waiter->ask.tried[i];
	}
	return ask;
}

static struct bucket_rate hold_rate(const struct pool *pool)
{
	const unsigned per_s = pool->config->hold.per_s;

	return (struct bucket_rate){ .per_second = per_s, .burst = MAX(per_s / 100, 1) };
}

static bool may_let_go(const struct pool *pool, uint64_t now_ms)
{
	const struct bucket_rate rate = hold_rate(pool);

	return bucket_wait_ns(&pool->hold_bucket, &rate, 1, now_ms * NS_PER_MS) == 0;
}

static int choose_for_held(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	const struct pool_ask ask = ask_of_held(pool, waiter);
	const struct bucket_rate rate = hold_rate(pool);
	enum pool_answer why;
	int index = pool_choose(pool, &ask, now_ms, &why);

	if (index < 0)
		return index;
	waiter->ask.tried_n = 0;
	bucket_spend(&pool->hold_bucket, &rate, 1, now_ms * NS_PER_MS);
	return index;
}

enum pool_answer pool_hold_waiter(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	bool is_held;

	waiter->backend = NULL;
	waiter->node.is_waiting = false;
	pthread_mutex_lock(&pool->lock);
	is_held = hold(pool, waiter, now_ms);
	pthread_mutex_unlock(&pool->lock);
	return is_held ? POOL_WAITING : POOL_NONE_READY;
}

uint64_t pool_pace(struct pool *pool, uint64_t now_ms)
{
	if (!pool->is_paced)
		return POOL_NEVER;
	pool->is_paced = false;
	pool->may_serve_queue = true;
	return now_ms + HOLD_RETRY_MS;
}

/* ---- all ------------------------------------------------------------------ */

/*
 * Somebody is about to have the slot that is free, who was first. Where nobody may wait for a
 * slot these are held, and get one of those that are left.
 */
static bool is_behind(const struct pool *pool, enum pool_answer answer)
{
	return pool->may_serve_queue && answer == POOL_ALL_FULL && pool->config->queue_max > 0;
}

enum pool_answer pool_pick_or_wait(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	enum pool_answer answer;
	int index = -1;

	waiter->backend = NULL;
	waiter->node.is_waiting = false;
	pthread_mutex_lock(&pool->lock);
	answer = pool_explain(pool, &waiter->ask);
	if (!is_behind(pool, answer))
		index = pool_choose(pool, &waiter->ask, now_ms, &answer);
	if (index >= 0)
		waiter->backend = &pool->status[index]->backend;
	else if ((answer == POOL_ALL_FULL && queue_join(&pool->queue, &waiter->node, now_ms)) ||
		 (answer == POOL_NONE_READY && hold(pool, waiter, now_ms)))
		answer = POOL_WAITING;
	pthread_mutex_unlock(&pool->lock);
	return answer;
}

bool pool_may_serve_queue(const struct pool *pool)
{
	return atomic_load_explicit(&pool->may_serve_queue, memory_order_relaxed);
}

static int choose_for(struct pool *pool, struct pool_waiter *waiter, uint64_t now_ms)
{
	enum pool_answer why;

	if (waiter->node.is_held)
		return choose_for_held(pool, waiter, now_ms);
	return pool_choose(pool, &waiter->ask, now_ms, &why);
}

static struct pool_waiter *call_first(struct pool *pool, uint64_t now_ms)
{
	struct queue_node *node = queue_first(&pool->queue), *next;
	unsigned asked = 0;

	for (; node && asked < ASK_MAX; node = next) {
		struct pool_waiter *waiter = container_of(node, struct pool_waiter, node);
		int index;

		next = queue_next(&pool->queue, node);
		if (now_ms >= node->deadline_ms) {
			queue_leave(&pool->queue, node); /* its owner will notice */
			continue;
		}
		if (node->is_held && !may_let_go(pool, now_ms)) {
			pool->is_paced = true;
			continue;
		}
		asked++;
		index = choose_for(pool, waiter, now_ms);
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
