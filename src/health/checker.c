/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "health/checker.h"

#include <errno.h>
#include <stdlib.h>

#include "checker_parts.h"
#include "base/log.h"
#include "net/sock_error.h"
#include "probe_table.h"
#include "state/peers.h"
#include "state/backend_report.h"

/* As POOL_TIMER_MS, where roles are wanted: what sessions meet there is to be looked into soon. */
#define ROLE_TIMER_MS 100

/* The same after a check that has changed something; others may do so at the same time. */
#define POOL_TIMER_SOON_MS 5

static void pool_timer_reschedule(struct pool_timer *w)
{
	struct checker *c = w->checker;

	if (c->is_leaving)
		return;
	timer_set(&c->loop->timers, &w->timer,
		  MIN(w->timer.due_ms, c->loop->now_ms + POOL_TIMER_SOON_MS));
}

/* ---- what a check has found out ------------------------------------------- */

static uint64_t now_of(const struct subscriber *s)
{
	return s->pool_timer->checker->loop->now_ms;
}

/* Something has happened to one of them: the others are asked at once. */
static void check_soon(struct pool_timer *w)
{
	const uint64_t now_ms = w->checker->loop->now_ms;

	if (now_ms < w->hurried_ms + pool_config(w->pool)->check.fast_interval_ms)
		return;
	w->hurried_ms = now_ms;
	for (size_t n = 0; n < w->subscribers_n; n++)
		if (w->subscribers[n].backend)
			probe_hurry(w->subscribers[n].probe);
}

/*
 * A black hole is silence, and so is what tells of one in other words: nobody has that address
 * (any more), or a hung server's backlog is full. None of them resets the sessions that it has.
 */
static bool is_silence(int err)
{
	const enum sock_fault fault = sock_fault_of(err);

	return fault == SOCK_FAULT_NONE || fault == SOCK_FAULT_TIMEOUT ||
	       fault == SOCK_FAULT_UNREACHABLE || err == -EAGAIN;
}

/* It came in time, as far as is known: one that lay here while the machine was stopped is old. */
static bool is_current(const struct subscriber *s, const struct probe_outcome *outcome)
{
	const bool has_told = outcome->facts && outcome->facts->verdict != CHECK_FAILED;

	return !has_told || outcome->took_ms <= pool_config(s->pool_timer->pool)->check.timeout_ms;
}

/* Tells the pool's roles. */
static void judge_role(struct subscriber *s, const struct probe_outcome *outcome,
		       enum health_change change)
{
	const struct check_facts *facts = outcome->facts;
	struct pool_timer *w = s->pool_timer;
	bool is_urgent = !s->probe->has_passed && s->probe->answers == 1;
	bool is_news = change != HEALTH_SAME;

	is_urgent |= role_watch_wake(w->roles, now_of(s));
	if (is_current(s, outcome))
		is_news |= role_watch_hear(w->roles, s->backend);
	if (facts && is_current(s, outcome))
		is_news |= role_watch_note(w->roles, s->backend, facts, now_of(s));
	else if (!facts && !is_silence(outcome->err))
		is_news |= role_watch_doubt(w->roles, s->backend);
	if (change == HEALTH_WENT_DOWN)
		role_watch_note_down(w->roles, s->backend);
	if (is_news)
		is_urgent |= role_watch_decide(w->roles, now_of(s));
	if (is_urgent)
		check_soon(w);
}

/* While nobody has the role that is wanted, all are asked fast. */
static uint64_t next_delay_ms(const struct pool_timer *w, uint64_t delay_ms)
{
	const struct role_watch *roles = w->roles;

	if (!roles || role_watch_is_served(roles))
		return delay_ms;
	return MIN(delay_ms, pool_config(w->pool)->check.fast_interval_ms);
}

/* An agent's no over HTTP is not its server's, which may well go on with its sessions. */
static enum down_cause cause_of(const struct pool_timer *w, enum health_answer answer, int err)
{
	const bool is_agent = pool_config(w->pool)->check.kind == CHECK_HTTP;
	const bool has_refused = answer == HEALTH_ANSWER_REFUSED && !is_agent;

	return has_refused || !is_silence(err) ? DOWN_REFUSED : DOWN_SILENT;
}

/* A check that cannot log in: how often that is said of one backend. */
#define WARN_EVERY_MS 60000

/* With what is at stake: the role that it is taken to have still, and how long ago it was told. */
static void warn_of_own_fault(struct subscriber *s, const struct probe_outcome *outcome)
{
	const struct pool_timer *w = s->pool_timer;
	enum check_role role = CHECK_ROLE_UNKNOWN;
	struct log_line line;
	uint64_t told_ms;

	if (s->warned_ms > 0 && now_of(s) - s->warned_ms < WARN_EVERY_MS)
		return;
	s->warned_ms = MAX(now_of(s), 1);
	if (!log_begin(&line, LOG_WARN, "check"))
		return;
	log_text(&line, "pool", pool_config(w->pool)->name);
	log_text(&line, "backend", s->backend->config->name);
	log_text(&line, "reason", outcome->facts->words);
	if (w->roles)
		role = role_watch_assumes(w->roles, s->backend, &told_ms);
	if (w->roles)
		log_text(&line, "role", check_role_names[role]);
	if (role != CHECK_ROLE_UNKNOWN)
		log_u64(&line, "role_unconfirmed_ms", now_of(s) - told_ms);
	log_end(&line);
}

/* For who shows it: the backend is as it was, so no change of its state will say so. */
static void note_own_fault(struct subscriber *s, const struct check_facts *facts)
{
	const bool is_at_fault = facts && facts->verdict == CHECK_OWN_FAULT;

	if (is_at_fault != s->is_at_fault)
		pool_note_check_fault(s->pool_timer->pool, s->backend,
				      is_at_fault ? facts->words : NULL);
	s->is_at_fault = is_at_fault;
}

static void count_check(struct backend *b, const struct probe_outcome *outcome)
{
	atomic_fetch_add(outcome->has_passed ? &b->checks_passed : &b->checks_failed, 1);
	atomic_fetch_add(&b->checks_ms, outcome->took_ms);
}

/* A server that answers is up, also when the check cannot log in. */
static enum health_answer answer_of(const struct role_watch *roles,
				    const struct probe_outcome *outcome)
{
	const struct check_facts *facts = outcome->facts;

	if (!facts)
		return outcome->has_passed ? HEALTH_ANSWER_PASSED : HEALTH_ANSWER_FAILED;
	switch (facts->verdict) {
	case CHECK_PASSED:
		if (roles && !role_watch_is_served(roles) && role_watch_wants(roles, facts))
			return HEALTH_ANSWER_NEEDED;
		return HEALTH_ANSWER_PASSED;
	case CHECK_OWN_FAULT:
		return HEALTH_ANSWER_PASSED;
	case CHECK_FULL:
		return HEALTH_ANSWER_FULL;
	case CHECK_NOT_READY:
		return HEALTH_ANSWER_REFUSED;
	default:
		return HEALTH_ANSWER_FAILED;
	}
}

/* So many of its pool, with this one, went down in the time of one check. */
static unsigned count_fallen(struct subscriber *s)
{
	const struct pool_timer *w = s->pool_timer;
	const struct check_config *check = &pool_config(w->pool)->check;
	const uint64_t now_ms = now_of(s);
	unsigned fallen = 0;

	s->fell_ms = MAX(now_ms, 1);
	for (size_t n = 0; n < w->subscribers_n; n++) {
		const uint64_t fell_ms = w->subscribers[n].fell_ms;

		fallen += w->subscribers[n].backend && fell_ms > 0 &&
			  now_ms <= fell_ms + check->interval_ms + check->timeout_ms;
	}
	return fallen;
}

static void end_sessions(struct subscriber *s, enum down_cause cause)
{
	const struct pool_timer *w = s->pool_timer;
	const struct down_event event = { .runtime = w->checker->runtime,
					  .pool = w->pool,
					  .fallen = count_fallen(s),
					  .now_ms = now_of(s) };

	on_down_note(&event, s->backend, cause);
}

/* Its pool judges; gives when it wants the next one, after the start of this one. */
static uint64_t judge(struct subscriber *s, const struct probe_outcome *outcome)
{
	struct pool_timer *w = s->pool_timer;
	struct checker *c = w->checker;
	const enum health_answer answer = answer_of(w->roles, outcome);
	struct backend_report report = {
		.err = outcome->err,
		.words = outcome->facts ? outcome->facts->words : NULL,
		.answers = s->probe->answers,
		.now_ms = now_of(s),
		.took_ms = outcome->took_ms,
	};
	uint64_t delay_ms;

	count_check(s->backend, outcome);
	report.change = pool_on_check(w->pool, s->backend, answer, now_of(s), &delay_ms);
	if (report.change != HEALTH_SAME) {
		backend_report_change(w->pool, s->backend, &report);
		pool_timer_reschedule(w);
	}
	if (report.change == HEALTH_WENT_DOWN)
		end_sessions(s, cause_of(w, answer, outcome->err));
	if (w->roles && !c->is_leaving)
		judge_role(s, outcome, report.change);
	peers_serve_queue(c->runtime, w->pool, now_of(s));
	return next_delay_ms(w, delay_ms);
}

static bool wants_to_know(const struct subscriber *s)
{
	const enum backend_state state = s->backend->state;

	return state != BACKEND_MAINT && state != BACKEND_LEAVING;
}

static bool on_is_due(const struct probe *p)
{
	for (const struct subscriber *s = p->subscribers; s; s = s->next)
		if (wants_to_know(s))
			return true;
	return false;
}

/* Whoever wants the next one first gets it. */
static uint64_t on_answered(struct probe *p, const struct probe_outcome *outcome)
{
	const bool is_own_fault = outcome->facts && outcome->facts->verdict == CHECK_OWN_FAULT;
	uint64_t delay_ms = UINT64_MAX, wanted_ms;

	for (struct subscriber *s = p->subscribers; s; s = s->next) {
		if (!wants_to_know(s))
			continue;
		note_own_fault(s, outcome->facts);
		wanted_ms = judge(s, outcome);
		if (s->is_at_fault)
			warn_of_own_fault(s, outcome);
		delay_ms = MIN(delay_ms, wanted_ms);
	}
	if (is_own_fault)
		check_plan_refresh(p->plan);
	return delay_ms == UINT64_MAX ? check_plan_config(p->plan)->check.interval_ms : delay_ms;
}

static void on_left(struct probe *p)
{
	for (struct subscriber *s = p->subscribers; s; s = s->next) {
		pool_unhold(s->backend);
		s->backend = NULL;
	}
	p->subscribers = NULL;
}

static const struct probe_hooks hooks = {
	.is_due = on_is_due,
	.answered = on_answered,
	.left = on_left,
};

/* ---- a pool in time ------------------------------------------------------ */

/* Evidence grows old, and sessions may have met what no check has seen yet. */
static uint64_t watch_roles(struct pool_timer *w)
{
	const uint64_t now_ms = w->checker->loop->now_ms;
	bool is_urgent = role_watch_wake(w->roles, now_ms);

	is_urgent |= role_watch_decide(w->roles, now_ms);
	is_urgent |= pool_take_recheck(w->pool);
	if (is_urgent)
		check_soon(w);
	return MIN(role_watch_next_ms(w->roles, now_ms), now_ms + ROLE_TIMER_MS);
}

static void pool_timer_on_timer(struct timer *timer)
{
	struct pool_timer *w = container_of(timer, struct pool_timer, timer);
	struct checker *c = w->checker;
	struct backend_report report = { .change = HEALTH_RETURNED };
	struct backend *returned;
	uint64_t next_ms, next_role_ms = UINT64_MAX;

	if (w->roles)
		next_role_ms = watch_roles(w);
	do {
		next_ms = pool_tick(w->pool, c->loop->now_ms, &returned);
		report.now_ms = c->loop->now_ms;
		if (returned)
			backend_report_change(w->pool, returned, &report);
	} while (returned);
	peers_serve_queue(c->runtime, w->pool, c->loop->now_ms);
	pool_alert_tick(runtime_alert(c->runtime, w->pool), w->pool, c->loop->now_ms);
	if (!c->is_stopped)
		timer_set(&c->loop->timers, &w->timer,
			  MIN(MIN(next_ms, next_role_ms), c->loop->now_ms + POOL_TIMER_MS));
}

/* ---- all of them --------------------------------------------------------- */

static bool is_checked(const struct backend *backend)
{
	return backend && backend->state != BACKEND_LEAVING;
}

static void on_role_lost(void *owner, struct backend *backend)
{
	struct pool_timer *w = owner;
	const struct down_event event = { .runtime = w->checker->runtime,
					  .pool = w->pool,
					  .now_ms = w->checker->loop->now_ms };

	on_down_note(&event, backend, DOWN_ROLE);
}

/* Its check, which others may have, too. NULL without memory. */
static struct probe *find_or_add_probe(struct checker *c, struct probe_table *table,
				       struct check_plan *plan, const struct backend *backend)
{
	struct probe *p = probe_table_find(table, plan, backend->config);

	if (p)
		return p;
	p = &c->probes[c->probes_n++];
	if (!probe_init(p, &hooks, plan, backend->config))
		return NULL;
	probe_table_add(table, p);
	return p;
}

static bool add_subscriber(struct checker *c, struct probe_table *table, struct pool_timer *w,
			   struct backend *backend)
{
	struct probe *p = find_or_add_probe(c, table, w->plan, backend);
	struct subscriber *s;

	if (!p)
		return false;
	s = &c->subscribers[c->subscribers_n++];
	*s = (struct subscriber){ .pool_timer = w, .backend = backend, .probe = p };
	s->next = p->subscribers;
	p->subscribers = s;
	pool_hold(backend);
	w->subscribers_n++;
	return true;
}

static bool add_subscribers(struct checker *c, struct probe_table *table, struct pool_timer *w)
{
	w->subscribers = &c->subscribers[c->subscribers_n];
	for (size_t n = 0; n < pool_backends(w->pool); n++) {
		struct backend *backend = pool_backend(w->pool, n);

		if (is_checked(backend) && !add_subscriber(c, table, w, backend))
			return false;
	}
	return true;
}

/* False without memory. */
static bool add_pool(struct checker *c, struct probe_table *table, struct pool *pool)
{
	struct pool_timer *w = &c->pool_timers[c->pool_timers_n++];

	w->checker = c;
	w->pool = pool;
	timer_init(&w->timer, pool_timer_on_timer);
	if (pool_config(pool)->check.kind == CHECK_NONE)
		return true;
	w->plan = check_plan_create(c->runtime, pool);
	if (!w->plan || !add_subscribers(c, table, w))
		return false;
	if (!role_is_any(&pool_config(pool)->role))
		w->roles = role_watch_create(pool, on_role_lost, w);
	return w->roles || role_is_any(&pool_config(pool)->role);
}

static bool add_pools(struct checker *c, struct probe_table *table)
{
	runtime_for_each_pool(c->runtime, n)
	{
		if (!runtime_pool_leaves(c->runtime, n) &&
		    !add_pool(c, table, c->runtime->pools[n]))
			return false;
	}
	return true;
}

static size_t count_backends(const struct runtime *runtime)
{
	size_t backends = 0;

	runtime_for_each_pool(runtime, n)
	{
		backends += pool_backends(runtime->pools[n]);
	}
	return backends;
}

struct checker *checker_create(struct runtime *runtime)
{
	struct checker *c = calloc(1, sizeof(*c));
	const size_t backends = count_backends(runtime);
	struct probe_table table;

	if (!c || !probe_table_init(&table, backends)) {
		free(c);
		return NULL;
	}
	c->runtime = runtime;
	c->probes = calloc(MAX(backends, 1), sizeof(*c->probes));
	c->subscribers = calloc(MAX(backends, 1), sizeof(*c->subscribers));
	c->pool_timers = calloc(MAX(runtime->pools_n, 1), sizeof(*c->pool_timers));
	if (!c->probes || !c->subscribers || !c->pool_timers || !add_pools(c, &table)) {
		checker_destroy(c);
		c = NULL;
	}
	probe_table_finish(&table);
	return c;
}

void checker_stop(struct checker *c)
{
	c->is_stopped = true;
	for (size_t n = 0; n < c->probes_n; n++)
		probe_stop(&c->probes[n]);
}

bool checker_is_idle(const struct checker *c)
{
	for (size_t n = 0; n < c->probes_n; n++)
		if (probe_is_under_way(&c->probes[n]) || (!c->is_stopped && !c->probes[n].has_left))
			return false;
	return c->is_stopped || c->is_leaving;
}

void checker_destroy(struct checker *c)
{
	if (!c)
		return;
	for (size_t n = 0; n < c->probes_n; n++) {
		on_left(&c->probes[n]);
		probe_finish(&c->probes[n]);
	}
	for (size_t n = 0; n < c->pool_timers_n; n++) {
		if (c->loop)
			timer_stop(&c->loop->timers, &c->pool_timers[n].timer);
		role_watch_destroy(c->pool_timers[n].roles);
		check_plan_destroy(c->pool_timers[n].plan);
	}
	free(c->probes);
	free(c->subscribers);
	free(c->pool_timers);
	free(c);
}
