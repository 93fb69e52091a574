/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

struct walk {
	struct list node;
	struct walks *walks;
	const struct walk_events *events; /* NULL: it was abandoned */
	void *owner;
	unsigned outstanding; /* queries */
};

/* ---- answers ------------------------------------------------------------- */

static void walk_is_over(struct walk *walk)
{
	const struct walk_events *events = walk->events;
	void *owner = walk->owner;

	list_remove(&walk->node);
	free(walk);
	if (events)
		events->done(owner);
}

static void walk_on_answer(struct walk *walk, struct query *q)
{
	for (unsigned n = 0; walk->events && n < q->rows_n; n++)
		walk->events->found(walk->owner, &q->rows[n]);
	if (walk->events && !q->is_done) {
		query_send(walk->walks->runtime, q);
		return;
	}
	free(q);
	if (--walk->outstanding == 0)
		walk_is_over(walk);
}

/* False: there were none. */
static bool take_answers(struct walks *walks)
{
	struct query *q = query_take_answers(walks->runtime);
	const bool has_some = q != NULL;

	while (q) {
		struct query *next = q->next;

		walk_on_answer(q->owner, q);
		q = next;
	}
	return has_some;
}

static void walks_on_told(struct loop_reader *reader, int res)
{
	(void)res;
	(void)take_answers(container_of(reader, struct walks, reader));
}

/* ---- walks --------------------------------------------------------------- */

struct walk *walk_start(struct walks *walks, enum query_kind kind,
			const struct session_filter *filter, const struct walk_events *events,
			void *owner)
{
	struct query *queries[WORKERS_MAX];
	unsigned workers_n = walks->runtime->workers_n, n = 0;
	struct walk *walk = calloc(1, sizeof(*walk));

	for (; walk && n < workers_n; n++) {
		queries[n] = calloc(1, sizeof(struct query));
		if (!queries[n])
			break;
		queries[n]->kind = kind;
		queries[n]->worker = n;
		queries[n]->filter = *filter;
		queries[n]->owner = walk;
	}
	if (!walk || n < workers_n) {
		while (n > 0)
			free(queries[--n]);
		free(walk);
		return NULL;
	}
	*walk = (struct walk){ .walks = walks, .events = events, .owner = owner, .outstanding = n };
	list_append(&walks->all, &walk->node);
	while (n > 0)
		query_send(walks->runtime, queries[--n]);
	return walk;
}

void walk_abandon(struct walk *walk)
{
	walk->events = NULL;
}

int walks_init(struct walks *walks, struct loop *loop, struct runtime *runtime)
{
	*walks = (struct walks){ .runtime = runtime, .fd = eventfd(0, EFD_CLOEXEC) };
	if (walks->fd < 0)
		return -errno;
	list_init(&walks->all);
	runtime->answers_fd = walks->fd;
	walks->reader = (struct loop_reader){
		.loop = loop,
		.fd = walks->fd,
		.bytes = &walks->told,
		.room = sizeof(walks->told),
		.arrived = walks_on_told,
	};
	return 0;
}

void walks_start(struct walks *walks)
{
	loop_reader_start(&walks->reader);
}

void walks_settle(struct walks *walks)
{
	while (take_answers(walks))
		continue;
}

void walks_stop(struct walks *walks)
{
	loop_reader_stop(&walks->reader);
}

bool walks_are_idle(const struct walks *walks)
{
	return loop_reader_is_idle(&walks->reader);
}

/* What is still on its way: the workers have put it where it is found. */
void walks_finish(struct walks *walks)
{
	list_for_each(node, &walks->all)
		walk_abandon(container_of(node, struct walk, node));
	(void)take_answers(walks);
	CHECK(list_is_empty(&walks->all));
	walks->runtime->answers_fd = -1;
	close(walks->fd);
}
