/* SPDX-License-Identifier: GPL-2.0-or-later */

/* A checker begins, or takes over from another. */

#include "health/checker.h"

#include "checker_parts.h"

/* ---- another configuration ------------------------------------------------ */

static const struct probe *find_probe(const struct checker *c, const struct backend *backend)
{
	for (size_t n = 0; n < c->probes_n; n++)
		if (c->probes[n].backend == backend)
			return &c->probes[n];
	return NULL;
}

/* The next check comes when it would have come, and what was found out stays known. */
static void take_over(struct probe *p, const struct probe *from)
{
	struct checker *c = p->checker;
	uint64_t interval_ms = pool_config(p->pool)->check.interval_ms;
	uint64_t due_ms = probe_is_under_way(from) ? from->started_ms + interval_ms
						   : from->timer.due_ms;

	p->has_passed = from->has_passed;
	p->answers = from->answers;
	p->warned_ms = from->warned_ms;
	p->local_addr_turn = from->local_addr_turn;
	due_ms = MAX(due_ms, c->loop->now_ms + 1);
	timer_set(&c->loop->timers, &p->timer, MIN(due_ms, c->loop->now_ms + interval_ms));
}

static void leave(struct checker *c)
{
	c->is_leaving = true;
	for (size_t n = 0; n < c->pool_timers_n; n++)
		timer_stop(&c->loop->timers, &c->pool_timers[n].timer);
	for (size_t n = 0; n < c->probes_n; n++) {
		if (probe_is_under_way(&c->probes[n]))
			continue;
		timer_stop(&c->loop->timers, &c->probes[n].timer);
		probe_let_go(&c->probes[n]);
	}
}

/* What was seen of roles is evidence still. */
static void follow_roles(struct pool_timer *w, const struct checker *old)
{
	for (size_t n = 0; n < old->pool_timers_n; n++)
		if (old->pool_timers[n].pool == w->pool && old->pool_timers[n].roles && w->roles)
			role_watch_follow(w->roles, old->pool_timers[n].roles);
}

static void follow(struct checker *c, struct checker *old)
{
	for (size_t n = 0; n < c->probes_n; n++) {
		const struct probe *from = find_probe(old, c->probes[n].backend);

		if (from)
			take_over(&c->probes[n], from);
	}
	for (size_t n = 0; n < c->pool_timers_n; n++)
		follow_roles(&c->pool_timers[n], old);
	leave(old);
}

void checker_begin(struct checker *c, struct loop *loop, struct checker *old,
		   const atomic_bool *is_over)
{
	c->loop = loop;
	for (size_t n = 0; n < c->pool_timers_n; n++)
		timer_set(&loop->timers, &c->pool_timers[n].timer, loop->now_ms + POOL_TIMER_MS);
	for (size_t n = 0; n < c->probes_n; n++)
		probe_begin(&c->probes[n], is_over);
	if (old)
		follow(c, old);
}
