/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state/query.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/text.h"
#include "state/inbox.h"

void session_filter_backend(struct session_filter *ret, const char *pool, const char *backend)
{
	*ret = (struct session_filter){ 0 };
	(void)!text_copy(ret->pool, sizeof(ret->pool), pool);
	(void)!text_copy(ret->backend, sizeof(ret->backend), backend);
}

void session_filter_listener(struct session_filter *ret, const char *listener)
{
	*ret = (struct session_filter){ 0 };
	(void)!text_copy(ret->listener, sizeof(ret->listener), listener);
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y ? 1 : 0;
}

void session_filter_sort(struct session_filter *filter)
{
	qsort(filter->ids, filter->ids_n, sizeof(filter->ids[0]), compare_ids);
}

bool session_filter_has_id(const struct session_filter *filter, uint64_t id)
{
	return filter->ids_n == 0 ||
	       bsearch(&id, filter->ids, filter->ids_n, sizeof(filter->ids[0]), compare_ids);
}

static void push(_Atomic(struct query *) *stack, struct query *query)
{
	query->next = atomic_load(stack);
	while (!atomic_compare_exchange_weak(stack, &query->next, query))
		continue;
}

/* Whoever of the two comes later finds them: the worker, or who sends to one that has ended. */
static void give_back_unanswered(struct runtime *runtime, unsigned worker)
{
	struct query *query = query_take(runtime, worker);

	while (query) {
		struct query *next = query->next;

		query->rows_n = 0;
		query->is_done = true;
		query_answer(runtime, query);
		query = next;
	}
}

void query_send(struct runtime *runtime, struct query *query)
{
	struct worker_peer *peer = &runtime->peers[query->worker];
	const struct message wakeup = { .kind = MESSAGE_ORDER };

	push(&peer->queries, query);
	if (atomic_load(&peer->has_ended))
		give_back_unanswered(runtime, (unsigned)(peer - runtime->peers));
	else /* a full inbox wakes it too */
		(void)!inbox_send(peer->inbox_fd, &wakeup);
}

struct query *query_take(struct runtime *runtime, unsigned worker)
{
	return atomic_exchange(&runtime->peers[worker].queries, NULL);
}

void query_answer(struct runtime *runtime, struct query *query)
{
	push(&runtime->answers, query);
	(void)eventfd_write(runtime->answers_fd, 1);
}

struct query *query_take_answers(struct runtime *runtime)
{
	return atomic_exchange(&runtime->answers, NULL);
}

void query_worker_ends(struct runtime *runtime, unsigned worker)
{
	atomic_store(&runtime->peers[worker].has_ended, true);
	give_back_unanswered(runtime, worker);
}
