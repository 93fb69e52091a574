/* SPDX-License-Identifier: GPL-2.0-or-later */

/* status: one screen of how things are. */

#include <stdio.h>
#include <time.h>

#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "process/sockets.h"
#include "reload/leaving.h"
#include "reload/reload.h"
#include "io/loop.h"
#include "metrics/snapshot.h"

#define MS_PER_S 1000u

/* What the newest configuration says that the process does not do yet. */
struct pending {
	char text[CONFIG_DIFF_BYTES];
	size_t n;
};

static void add_pending(void *owner, const char *line)
{
	struct pending *pending = owner;
	int n = snprintf(pending->text + pending->n, sizeof(pending->text) - pending->n, "%s%s",
			 pending->n > 0 ? ", " : "", line);

	pending->n = MIN(pending->n + (size_t)n, sizeof(pending->text) - 1);
}

static void tell_restart(struct call *call, const struct reload *reload)
{
	struct pending pending = { 0 };

	config_diff_pending(runtime_config(reload->runtime), &reload->started, add_pending,
			    &pending);
	if (pending.n > 0)
		reply_text(call->reply, "wants_restart", pending.text);
}

/* The last one, and the configurations that sessions of before still have. */
static void tell_reload(struct call *call, const struct reload *reload)
{
	const struct reload_report *last = reload ? history_last(&reload->history) : NULL;
	char at[sizeof("YYYY-MM-DD hh:mm:ss UTC")];
	struct tm tm;

	if (last) {
		strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&last->at, &tm));
		reply_text(call->reply, "last_reload", at);
		reply_u64(call->reply, "reload_age_ms",
			  (uint64_t)MAX(time(NULL) - last->at, 0) * MS_PER_S);
		reply_text(call->reply, "reload_outcome", reload_outcome_names[last->outcome]);
		reply_text(call->reply, "reload_error", report_why(last));
	}
	if (reload)
		tell_restart(call, reload);
	if (reload && reload_older(reload) > 0)
		reply_u64(call->reply, "older_configurations", reload_older(reload));
}

static void tell_process(struct call *call)
{
	const struct control_context *x = call->context;
	const struct runtime *runtime = x->runtime;

	reply_row(call->reply, "process");
	reply_text(call->reply, "version", RINGMAIN_VERSION);
	reply_text(call->reply, "state", x->state);
	reply_u64(call->reply, "uptime_ms", x->loop->now_ms - runtime->started_ms);
	reply_u64(call->reply, "workers", runtime->workers_n);
	reply_u64(call->reply, "sessions", atomic_load(&runtime->sessions));
	reply_u64(call->reply, "sessions_max", runtime->sessions_max);
	reply_u64(call->reply, "overrides", x->overrides.n);
	tell_reload(call, x->reload);
	reply_row_end(call->reply);
}

static void tell_attention(struct call *call)
{
	const struct control_context *x = call->context;
	struct attention attention;

	if (!x->reload)
		return;
	reload_attention(x, &attention);
	for (size_t n = 0; n < attention.n; n++) {
		const struct attention_note *note = &attention.notes[n];

		reply_row(call->reply, "attention");
		reply_text(call->reply, "severity", note->is_bad ? "bad" : "warning");
		reply_text(call->reply, "attention", note->what);
		reply_text(call->reply, "why", note->why);
		reply_text(call->reply, "now", note->now[0] ? note->now : NULL);
		reply_row_end(call->reply);
	}
	attention_finish(&attention);
}

/* Its sessions are being ended. */
static void tell_drain(struct call *call, const struct session_filter *sessions)
{
	uint64_t left_ms;

	if (drains_find(&call->context->drains, sessions, &left_ms))
		reply_u64(call->reply, "drain_ends_ms", left_ms);
}

/* Of one that leaves the operator may have ordered an end, too: the sooner holds. */
static void tell_backend_drain(struct call *call, const struct pool *pool,
			       const struct backend *backend)
{
	const struct control_context *x = call->context;
	struct session_filter ordered, leaving;
	uint64_t left_ms;

	cmd_backend_sessions(pool, backend, &ordered);
	if (!leaving_sessions(x->runtime, pool, backend, &leaving))
		tell_drain(call, &ordered);
	else if (drains_soonest(&x->drains, &ordered, &leaving, &left_ms))
		reply_u64(call->reply, "drain_ends_ms", left_ms);
}

static void tell_listener(struct call *call, const struct listener *listener)
{
	struct session_filter theirs;
	struct listener_snapshot s;
	char addrs[SOCKETS_TEXT_BYTES];

	snapshot_listener(call->context->runtime, listener, &s);
	reply_row(call->reply, "listener");
	reply_text(call->reply, "listener", s.name);
	reply_text(call->reply, "addresses",
		   sockets_describe(call->context->sockets, listener, addrs));
	reply_text(call->reply, "pool", s.pool);
	reply_text(call->reply, "paused", listener_pause_names[atomic_load(&listener->pause)]);
	if (atomic_load(&listener->cannot_listen) > 0)
		reply_text(call->reply, "cannot_listen",
			   strerror(-atomic_load(&listener->listen_error)));
	cmd_listener_sessions(listener, &theirs);
	tell_drain(call, &theirs);
	reply_u64(call->reply, "sessions", s.sessions);
	if (s.sessions_max > 0)
		reply_u64(call->reply, "sessions_max", s.sessions_max);
	reply_u64(call->reply, "total", s.begun);
	reply_u64(call->reply, "rejected", s.rejected);
	reply_u64(call->reply, "bytes_up", s.bytes[LANE_UP]);
	reply_u64(call->reply, "bytes_down", s.bytes[LANE_DOWN]);
	reply_row_end(call->reply);
}

static void tell_pool(struct call *call, struct pool *pool)
{
	struct pool_snapshot s;

	snapshot_pool(pool, &s);
	reply_row(call->reply, "pool");
	reply_text(call->reply, "pool", s.name);
	reply_text(call->reply, "balance", s.balance);
	reply_u64(call->reply, "backends", s.backends);
	if (!runtime_pool_leaves(call->context->runtime, pool_slot(pool))) {
		reply_u64(call->reply, "ready", s.ready);
		reply_u64(call->reply, "standby", s.standby);
	}
	reply_u64(call->reply, "sessions", s.sessions);
	reply_u64(call->reply, "queued", s.queue.waiting);
	reply_u64(call->reply, "held", s.queue.held);
	reply_row_end(call->reply);
}

/* 0: it does not by itself. */
static void tell_end(struct call *call, const char *key, uint64_t until_ms)
{
	if (until_ms > 0)
		reply_u64(call->reply, key, until_ms - MIN(call->context->loop->now_ms, until_ms));
}

/* What the operator has set, beside what the file says. */
static void tell_override(struct call *call, const struct override *override)
{
	char text[OVERRIDE_TEXT_BYTES];

	if (!override)
		return;
	reply_text(call->reply, "override", override_describe(override, text));
	if (override->state == BACKEND_READY) {
		tell_end(call, "override_ends_ms", override->weight_until_ms);
		return;
	}
	tell_end(call, "override_ends_ms", override->state_until_ms);
	tell_end(call, "override_weight_ends_ms", override->weight_until_ms);
}

/* Where the pool asks for roles, all have the member: who has none yet is NULL. */
static void tell_role(struct call *call, const struct backend_snapshot *s)
{
	reply_text(call->reply, "role", s->role);
	if (s->lag_bytes != BACKEND_LAG_UNKNOWN)
		reply_u64(call->reply, "lag_bytes", s->lag_bytes);
	if (s->lag_ms != BACKEND_LAG_UNKNOWN)
		reply_u64(call->reply, "lag_ms", s->lag_ms);
}

static void tell_backend(struct call *call, struct pool *pool, struct backend *backend)
{
	const struct control_context *x = call->context;
	char addr[ADDR_TEXT_BYTES];
	struct backend_snapshot s;

	snapshot_backend(x->runtime, pool, backend, x->loop->now_ms, &s);
	reply_row(call->reply, "backend");
	reply_text(call->reply, "pool", s.pool);
	reply_text(call->reply, "backend", s.name);
	reply_text(call->reply, "address", addr_format(s.addr, addr));
	reply_text(call->reply, "state", backend_state_names[s.facts.state]);
	reply_u64(call->reply, "since_ms", s.since_ms);
	tell_role(call, &s);
	reply_text(call->reply, "by", s.why_by);
	reply_text(call->reply, "why", s.why[0] ? s.why : NULL);
	reply_u64(call->reply, "weight", s.facts.weight);
	if (s.facts.ramp_percent < 100)
		reply_u64(call->reply, "slow_start_percent", s.facts.ramp_percent);
	reply_u64(call->reply, "sessions", s.sessions);
	reply_u64(call->reply, "total", s.connects);
	reply_u64(call->reply, "failures", s.failures);
	tell_override(call, overrides_find(&x->overrides, pool, backend));
	tell_backend_drain(call, pool, backend);
	reply_row_end(call->reply);
}

/* One that a reload has taken away is kept for a while without sessions, too: that is no news. */
static bool is_shown(const struct runtime *runtime, const struct pool *pool,
		     const struct backend *backend)
{
	return atomic_load(&backend->sessions) > 0 ||
	       (backend->state != BACKEND_LEAVING &&
		!runtime_pool_leaves(runtime, pool_slot(pool)));
}

static void tell_backends(struct call *call, struct pool *pool)
{
	for (size_t n = 0; n < pool_backends(pool); n++) {
		struct backend *backend = pool_backend(pool, n);

		if (backend && is_shown(call->context->runtime, pool, backend))
			tell_backend(call, pool, backend);
	}
}

static bool is_listener_shown(const struct runtime *runtime, const struct listener *l)
{
	return !runtime_listener_leaves(runtime, l->slot) || atomic_load(&l->sessions) > 0;
}

static bool is_pool_shown(const struct runtime *runtime, struct pool *pool)
{
	struct pool_snapshot s;

	if (!runtime_pool_leaves(runtime, pool_slot(pool)))
		return true;
	snapshot_pool(pool, &s);
	return s.sessions + s.queue.waiting > 0;
}

/* It holds when the backend comes back; till then no row of a backend shows it. */
static void tell_absent(struct call *call, const struct override *override)
{
	if (!overrides_is_absent(&call->context->overrides, override))
		return;
	reply_row(call->reply, "override");
	reply_text(call->reply, "pool", override->pool);
	reply_text(call->reply, "backend", override->backend);
	tell_override(call, override);
	reply_row_end(call->reply);
}

static void tell_absents(struct call *call)
{
	list_for_each(node, &call->context->overrides.all)
		tell_absent(call, container_of(node, struct override, node));
}

void cmd_status(struct call *call)
{
	const struct runtime *runtime = call->context->runtime;

	tell_process(call);
	tell_attention(call);
	runtime_for_each_listener(runtime, l)
	{
		if (is_listener_shown(runtime, l))
			tell_listener(call, l);
	}
	cmd_tell_certificates(call, false);
	runtime_for_each_pool(runtime, n)
	{
		if (is_pool_shown(runtime, runtime->pools[n]))
			tell_pool(call, runtime->pools[n]);
	}
	runtime_for_each_pool(runtime, n)
	{
		tell_backends(call, runtime->pools[n]);
	}
	tell_absents(call);
	cmd_tell_configurations(call);
}
