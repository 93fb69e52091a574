/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A checker begins, or takes over from another. */

#include "health/checker.h"

#include "checker_parts.h"

static const struct pool_timer *find_pool_timer(const struct checker *c, const struct pool *pool)
{
	for (size_t n = 0; n < c->pool_timers_n; n++)
		if (c->pool_timers[n].pool == pool)
			return &c->pool_timers[n];
	return NULL;
}

/* The next check comes when it would have come, and what was found out stays known. */
static void take_over(struct subscriber *s, const struct subscriber *from)
{
	s->is_at_fault = from->is_at_fault;
	s->warned_ms = from->warned_ms;
	s->fell_ms = from->fell_ms;
	probe_take_over(s->probe, from->probe);
}

/* Both are in the order of the backends' indexes, which they keep while they are held. */
static void follow_pool(struct pool_timer *w, const struct pool_timer *from)
{
	size_t at = 0;

	for (size_t n = 0; n < w->subscribers_n; n++) {
		struct subscriber *s = &w->subscribers[n];

		while (at < from->subscribers_n &&
		       (!from->subscribers[at].backend ||
			from->subscribers[at].backend->index < s->backend->index))
			at++;
		if (at < from->subscribers_n && from->subscribers[at].backend == s->backend)
			take_over(s, &from->subscribers[at]);
	}
	if (from->roles && w->roles) /* what was seen of them is evidence still */
		role_watch_follow(w->roles, from->roles);
	for (size_t n = 0; w->roles && !from->roles && n < w->subscribers_n; n++)
		probe_hurry(w->subscribers[n].probe); /* sessions wait for what they say */
}

static void leave(struct checker *c)
{
	c->is_leaving = true;
	for (size_t n = 0; n < c->pool_timers_n; n++)
		timer_stop(&c->loop->timers, &c->pool_timers[n].timer);
	for (size_t n = 0; n < c->probes_n; n++)
		probe_leave(&c->probes[n]);
}

static void follow(struct checker *c, struct checker *old)
{
	for (size_t n = 0; n < c->pool_timers_n; n++) {
		struct pool_timer *w = &c->pool_timers[n];
		const struct pool_timer *from = find_pool_timer(old, w->pool);

		if (from)
			follow_pool(w, from);
	}
	leave(old);
}

void checker_begin(struct checker *c, struct loop *loop, struct checker *old,
		   const atomic_bool *is_over)
{
	c->loop = loop;
	for (size_t n = 0; n < c->pool_timers_n; n++)
		timer_set(&loop->timers, &c->pool_timers[n].timer,
			  loop->now_ms + (old ? 0 : POOL_TIMER_MS));
	for (size_t n = 0; n < c->probes_n; n++) {
		struct pool *pool = c->probes[n].subscribers->pool_timer->pool;

		probe_begin(&c->probes[n], loop, loop->now_ms + pool_first_check_ms(pool), is_over);
	}
	if (old)
		follow(c, old);
}
