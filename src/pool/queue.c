/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool/queue.h"

void queue_init(struct queue *queue, unsigned max, uint64_t timeout_ms)
{
	*queue = (struct queue){ .max = max, .timeout_ms = timeout_ms };
	list_init(&queue->nodes);
}

void queue_set_limits(struct queue *queue, unsigned max, uint64_t timeout_ms)
{
	queue->max = max;
	queue->timeout_ms = timeout_ms;
}

static void join(struct queue *queue, struct queue_node *node, uint64_t deadline_ms,
		 uint64_t now_ms)
{
	struct queue_stats *stats = &queue->stats;

	list_init(&node->list);
	list_append(&queue->nodes, &node->list);
	node->is_waiting = true;
	node->is_held = false;
	node->since_ms = now_ms;
	node->deadline_ms = deadline_ms;
	stats->waiting++;
	stats->waiting_most = MAX(stats->waiting_most, stats->waiting);
}

bool queue_join(struct queue *queue, struct queue_node *node, uint64_t now_ms)
{
	if (queue->stats.waiting - queue->stats.held >= queue->max) {
		queue->stats.refused++;
		return false;
	}
	join(queue, node, now_ms + queue->timeout_ms, now_ms);
	return true;
}

bool queue_join_held(struct queue *queue, struct queue_node *node, unsigned max,
		     uint64_t deadline_ms, uint64_t now_ms)
{
	if (queue->stats.held >= max) {
		queue->stats.refused++;
		return false;
	}
	join(queue, node, deadline_ms, now_ms);
	node->is_held = true;
	queue->stats.held++;
	return true;
}

static struct queue_node *node_at(struct queue *queue, struct list *at)
{
	return at == &queue->nodes ? NULL : container_of(at, struct queue_node, list);
}

struct queue_node *queue_first(struct queue *queue)
{
	return node_at(queue, queue->nodes.next);
}

struct queue_node *queue_next(struct queue *queue, struct queue_node *node)
{
	return node_at(queue, node->list.next);
}

static void take_out(struct queue *queue, struct queue_node *node)
{
	list_remove(&node->list);
	node->is_waiting = false;
	queue->stats.waiting--;
	queue->stats.held -= node->is_held;
}

/* 0 for less than 1 ms, then one more for each doubling. */
static unsigned length_class(uint64_t ms)
{
	unsigned bits = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);

	return MIN(bits, QUEUE_WAITS - 1);
}

void queue_serve(struct queue *queue, struct queue_node *node, uint64_t now_ms)
{
	uint64_t waited_ms = now_ms - MIN(node->since_ms, now_ms);

	if (!node->is_waiting)
		return;
	take_out(queue, node);
	if (node->is_held) {
		queue->stats.held_waits[length_class(waited_ms)]++;
		queue->stats.held_waited_ms += waited_ms;
	}
	queue->stats.served++;
	queue->stats.waits[length_class(waited_ms)]++;
	queue->stats.waited_ms += waited_ms;
}

void queue_leave(struct queue *queue, struct queue_node *node)
{
	if (!node->is_waiting)
		return;
	take_out(queue, node);
	queue->stats.gone++;
}
