/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/greet_queue.h"

#include <stdlib.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "net/sock.h"
#include "proxy/engine.h"
#include "proxy/greet.h"
#include "proxy/greet_tls.h"

struct greet_queue *greet_queues_create(size_t n)
{
	struct greet_queue *queues = calloc(MAX(n, 1), sizeof(*queues));

	for (size_t i = 0; queues && i < n; i++) {
		list_init(&queues[i].line);
		list_init(&queues[i].half_said);
		list_init(&queues[i].unread);
		list_init(&queues[i].busy);
	}
	return queues;
}

struct greet_queue *greet_queue_of(const struct session *s)
{
	return &s->engine->greet_queues[s->listener->index];
}

static void become_busy(struct session *s)
{
	struct greet_queue *q = greet_queue_of(s);

	if (list_is_empty(&q->busy))
		list_append(&s->engine->greet_queues_busy, &q->busy);
}

/* ---- memory -------------------------------------------------------------- */

void greet_queue_keep(struct session *s)
{
	if (s->first)
		s->first = buf_shrink(&s->engine->bufs, &greet_queue_of(s)->share, s->first);
}

void greet_queue_wait_for_client(struct session *s)
{
	s->greet_wait = GREET_WAITS_FOR_CLIENT;
	greet_queue_keep(s);
	if (s->first && list_is_empty(&s->handshake))
		list_append(&greet_queue_of(s)->half_said, &s->handshake);
}

void greet_queue_wait_for_memory(struct session *s)
{
	s->greet_wait = GREET_WAITS_FOR_MEMORY;
	list_append(&greet_queue_of(s)->unread, &s->sides[SIDE_CLIENT].starved);
	become_busy(s);
	counters_add(&s->engine->counters->starvations, 1);
}

uint32_t greet_queue_room(const struct session *s, uint32_t max)
{
	size_t room = buf_piece_room(&s->engine->bufs, &greet_queue_of(s)->share);
	uint32_t unread;

	if (room >= max)
		return max;
	unread = (uint32_t)sock_unread_bytes(s->sides[SIDE_CLIENT].fd);
	max = MIN(max, MAX(unread, 1));
	return room >= max ? max : 0;
}

/* Who waits longest for the rest of a message, and is not @wants, goes. False: there is none. */
static bool evict_slowest(struct greet_queue *q, const struct session *wants)
{
	list_for_each(node, &q->half_said) {
		struct session *s = container_of(node, struct session, handshake);

		if (s == wants)
			continue;
		s->detail = "cut short: buffers are short";
		greet_release_first(s);
		session_close(s, CLOSE_GREETING_TIMEOUT, BY_CLIENT);
		return true;
	}
	return false;
}

static bool make_room(struct greet_queue *q, struct session *s)
{
	while (!greet_has_room(s))
		if (!evict_slowest(q, s))
			return false;
	return true;
}

static void read_unread(struct greet_queue *q)
{
	while (!list_is_empty(&q->unread)) {
		struct side *client = container_of(q->unread.next, struct side, starved);
		struct session *s = side_session(client);

		if (!make_room(q, s))
			return;
		list_remove(&client->starved);
		greet_on_input(s);
	}
}

bool greet_queue_is_left(struct session *s)
{
	if (!sock_has_ended(s->sides[SIDE_CLIENT].fd))
		return false;
	session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
	return true;
}

/* ---- handshake_rate ------------------------------------------------------ */

/* Takes one of the handshakes that handshake_rate allows; false when it has to wait. */
static bool may_begin(struct session *s)
{
	unsigned per_second = s->listener->config->handshakes_per_s_max;
	const struct bucket_rate rate = { .per_second = per_second, .burst = MAX(per_second, 1) };

	return bucket_shared_take(&s->listener->handshakes, &rate, 1, clock_now_ns());
}

bool greet_queue_wait_for_rate(struct session *s)
{
	struct greet_queue *q = greet_queue_of(s);

	if (s->listener->config->handshakes_per_s_max == 0 ||
	    (list_is_empty(&q->line) && may_begin(s)))
		return false;
	s->greet_wait = GREET_WAITS_FOR_RATE;
	list_append(&q->line, &s->handshake);
	become_busy(s);
	return true;
}

static void move_line(struct greet_queue *q)
{
	while (!list_is_empty(&q->line)) {
		struct session *s = container_of(q->line.next, struct session, handshake);

		if (greet_queue_is_left(s))
			continue;
		if (!may_begin(s))
			return;
		greet_wait_for_turn(s);
	}
}

/* ---- all ----------------------------------------------------------------- */

void greet_queues_work(struct engine *e)
{
	struct list *next;

	for (struct list *node = e->greet_queues_busy.next; node != &e->greet_queues_busy;
	     node = next) {
		struct greet_queue *q = container_of(node, struct greet_queue, busy);

		next = node->next;
		move_line(q);
		read_unread(q);
		if (list_is_empty(&q->line) && list_is_empty(&q->unread))
			list_remove(&q->busy);
	}
}
