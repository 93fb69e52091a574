/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preread/waiting.h"

#include <stdlib.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "net/sock.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/host.h"

struct waiting *waiting_create(size_t n)
{
	struct waiting *all = calloc(MAX(n, 1), sizeof(*all));

	for (size_t i = 0; all && i < n; i++) {
		list_init(&all[i].for_rate);
		list_init(&all[i].partial);
		list_init(&all[i].unread);
		list_init(&all[i].busy);
	}
	return all;
}

static struct waiting *waiting_of(const struct session *s)
{
	return &s->host->waiting[s->listener->slot];
}

static void become_busy(struct session *s)
{
	struct waiting *w = waiting_of(s);

	if (list_is_empty(&w->busy))
		list_append(&s->host->waiting_busy, &w->busy);
}

void waiting_for_client(struct session *s)
{
	s->preread_wait = WAITS_FOR_CLIENT;
	early_keep(s);
	if (early_n(s) > 0 && list_is_empty(&s->turn))
		list_append(&waiting_of(s)->partial, &s->turn);
}

void waiting_for_memory(struct session *s)
{
	s->preread_wait = WAITS_FOR_MEMORY;
	list_append(&waiting_of(s)->unread, &s->sides[SIDE_CLIENT].waiting);
	become_busy(s);
	counters_add(&s->host->counters->buffer_waits, 1);
}

void waiting_for_turn(struct session *s)
{
	s->preread_wait = WAITS_FOR_TURN;
	session_wait_for_turn(s, s->sides[SIDE_CLIENT].tls);
}

const char *waiting_reason(const struct session *s)
{
	static const char *const reasons[] = {
		[WAITS_FOR_CLIENT] = NULL,
		[WAITS_FOR_RATE] = "waited for handshake_rate",
		[WAITS_FOR_MEMORY] = "waited for memory: buffer_memory is used up",
		[WAITS_FOR_TURN] = "waited for CPU: more handshakes than a worker can do",
	};

	return reasons[s->preread_wait];
}

bool waiting_client_left(struct session *s)
{
	if (!sock_has_ended(s->sides[SIDE_CLIENT].fd))
		return false;
	session_close(s, CLOSE_CLIENT_LEFT, BY_CLIENT);
	return true;
}

/* ---- memory -------------------------------------------------------------- */

static bool has_room_for_more(const struct session *s)
{
	return early_room(s, (uint32_t)(BUF_BYTES - early_n(s))) > 0;
}

/* Who waits longest for the rest of a message, and is not @wants, goes. False: there is none. */
static bool evict_slowest(struct waiting *w, const struct session *wants)
{
	list_for_each(node, &w->partial) {
		struct session *s = container_of(node, struct session, turn);

		if (s == wants)
			continue;
		s->detail = "evicted: buffer_memory is used up";
		early_drop(s);
		session_close(s, CLOSE_PREREAD_TIMEOUT, BY_CLIENT);
		return true;
	}
	return false;
}

struct session *waiting_next_unread(struct waiting *w)
{
	struct side *client;
	struct session *s;

	if (list_is_empty(&w->unread))
		return NULL;
	client = container_of(w->unread.next, struct side, waiting);
	s = side_session(client);
	while (!has_room_for_more(s))
		if (!evict_slowest(w, s))
			return NULL;
	list_remove(&client->waiting);
	return s;
}

/* ---- handshake_rate ------------------------------------------------------ */

/* Takes one of the handshakes that handshake_rate allows; false when it has to wait. */
static bool may_begin(struct session *s)
{
	unsigned per_second = s->config->handshakes_per_s_max;
	const struct bucket_rate rate = { .per_second = per_second, .burst = MAX(per_second, 1) };

	return bucket_shared_take(&s->listener->handshakes, &rate, 1, clock_now_ns());
}

bool waiting_for_rate(struct session *s)
{
	struct waiting *w = waiting_of(s);

	if (s->config->handshakes_per_s_max == 0 || (list_is_empty(&w->for_rate) && may_begin(s)))
		return false;
	s->preread_wait = WAITS_FOR_RATE;
	list_append(&w->for_rate, &s->turn);
	become_busy(s);
	return true;
}

struct session *waiting_next_by_rate(struct waiting *w)
{
	while (!list_is_empty(&w->for_rate)) {
		struct session *s = container_of(w->for_rate.next, struct session, turn);

		if (waiting_client_left(s))
			continue;
		return may_begin(s) ? s : NULL;
	}
	return NULL;
}

void waiting_update_busy(struct waiting *w)
{
	if (list_is_empty(&w->for_rate) && list_is_empty(&w->unread))
		list_remove(&w->busy);
}
