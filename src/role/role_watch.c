/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role/role_watch.h"

#include <assert.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "role/role_judge.h"
#include "state/backend_report.h"

struct role_watch {
	struct pool *pool;
	role_lost_fn *lost;
	void *owner;
	struct role_judge *judge;
	struct backend **backends;        /* in the judge's order */
	enum role_reason *reasons, *said; /* as the pool was told, and the log */
	enum check_role *said_roles;      /* with those */
	bool *may_have; /* it had the role, and nothing says that it has lost it */
	bool *is_heard; /* a check of it has ended */
	size_t n;
	unsigned admitted;
	bool has_told; /* the pool is as it was told */
	bool is_open;  /* who claims to be primary is believed: see role_watch_open() */
	uint64_t open_ms;
	uint64_t looked_ms; /* when role_watch_wake() was called last; 0: never */
};

/* ---- what is wanted ------------------------------------------------------ */

static enum role_wanted wanted_of(enum role_setting setting)
{
	switch (setting) {
	case ROLE_PRIMARY:
		return ROLE_WANTED_PRIMARY;
	case ROLE_REPLICA:
		return ROLE_WANTED_REPLICA;
	case ROLE_PREFER_REPLICA:
		return ROLE_WANTED_REPLICA_FIRST;
	default:
		return ROLE_WANTED_ANY;
	}
}

static enum failback_policy policy_of(enum failback_setting setting)
{
	switch (setting) {
	case FAILBACK_SETTING_YES:
		return FAILBACK_YES;
	case FAILBACK_SETTING_AFTER:
		return FAILBACK_AFTER;
	default:
		return FAILBACK_NO;
	}
}

/* So long a check may take until the one after `fall` of them has answered. */
static uint64_t age_max_ms(const struct check_config *check)
{
	const uint64_t ms = check->fall * check->interval_ms;

	return ms + ms * check->jitter_percent / 100 + check->timeout_ms;
}

static uint64_t limit_of(const struct lag_limit *lag, bool is_time)
{
	return lag->max > 0 && lag->is_time == is_time ? lag->max : ROLE_NO_LAG_LIMIT;
}

static struct role_config config_of(const struct pool_config *c)
{
	return (struct role_config){
		.wanted = wanted_of(c->role.wanted),
		.fence = c->role.fence == FENCE_AUTO ? c->check.kind != CHECK_MYSQL
						     : c->role.fence == FENCE_YES,
		.age_max_ms = age_max_ms(&c->check),
		.lag_max_bytes = limit_of(&c->role.lag, false),
		.lag_max_ms = limit_of(&c->role.lag, true),
		.failback = { policy_of(c->role.failback.setting), c->role.failback.after_ms },
	};
}

struct role_watch *role_watch_create(struct pool *pool, role_lost_fn *lost, void *owner)
{
	const struct role_config config = config_of(pool_config(pool));
	struct role_watch *w = calloc(1, sizeof(*w));
	const size_t room = pool_backends(pool) + 1;

	if (!w)
		return NULL;
	*w = (struct role_watch){ .pool = pool, .lost = lost, .owner = owner };
	w->judge = role_judge_create(&config, room);
	w->backends = calloc(room, sizeof(struct backend *));
	w->reasons = calloc(room, sizeof(enum role_reason));
	w->said = calloc(room, sizeof(enum role_reason));
	w->said_roles = calloc(room, sizeof(enum check_role));
	w->may_have = calloc(room, sizeof(bool));
	w->is_heard = calloc(room, sizeof(bool));
	if (!w->judge || !w->backends || !w->reasons || !w->said || !w->said_roles ||
	    !w->may_have || !w->is_heard) {
		role_watch_destroy(w);
		return NULL;
	}
	for (size_t i = 0; i < pool_backends(pool); i++) {
		struct backend *backend = pool_backend(pool, i);

		if (!backend || backend->state == BACKEND_LEAVING)
			continue;
		w->judge->members[w->n].port = addr_port(&backend->config->addr);
		w->reasons[w->n] = w->said[w->n] = ROLE_UNKNOWN;
		w->backends[w->n++] = backend;
	}
	return w;
}

void role_watch_destroy(struct role_watch *w)
{
	if (!w)
		return;
	role_judge_destroy(w->judge);
	free(w->backends);
	free(w->reasons);
	free(w->said);
	free(w->said_roles);
	free(w->may_have);
	free(w->is_heard);
	free(w);
}

/* ---- what is known ------------------------------------------------------- */

/* Its number; w->n: it has none. */
static size_t role_watch_find(const struct role_watch *w, const struct backend *backend)
{
	size_t i = 0;

	while (i < w->n && w->backends[i] != backend)
		i++;
	return i;
}

void role_watch_follow(struct role_watch *w, const struct role_watch *from)
{
	struct role_judge *to = w->judge;
	const struct role_judge *old = from->judge;

	to->fencing = old->fencing;
	to->lag = old->lag;
	w->is_open = from->is_open;
	w->looked_ms = from->looked_ms;
	for (size_t i = 0; i < w->n; i++) {
		const size_t j = role_watch_find(from, w->backends[i]);

		if (j == from->n)
			continue;
		to->members[i].evidence = old->members[j].evidence;
		to->failback.members[i] = old->failback.members[j];
		w->reasons[i] = from->reasons[j];
		w->said[i] = from->said[j];
		w->said_roles[i] = from->said_roles[j];
		w->may_have[i] = from->may_have[j];
		w->is_heard[i] = from->is_heard[j];
	}
}

bool role_watch_hear(struct role_watch *w, const struct backend *backend)
{
	const size_t i = role_watch_find(w, backend);
	const bool is_new = i < w->n && !w->is_heard[i];

	if (i < w->n)
		w->is_heard[i] = true;
	return is_new;
}

void role_watch_note_down(struct role_watch *w, const struct backend *backend)
{
	const size_t i = role_watch_find(w, backend);

	if (i == w->n)
		return;
	role_judge_note_down(w->judge, i);
	w->said[i] = ROLE_UNKNOWN; /* the log's word on it is that it is down */
}

/* Is it decided by what others are, too? */
static bool is_comparing(const struct role_config *config)
{
	return (config->wanted == ROLE_WANTED_PRIMARY && config->fence) ||
	       config->wanted == ROLE_WANTED_REPLICA_FIRST;
}

/*
 * The first that claims to be primary may be the old one, or there are replicas to
 * read from: until a check of each has ended, or had the time to, nobody gets sessions.
 */
static bool role_watch_open(struct role_watch *w, uint64_t now_ms)
{
	const struct check_config *check = &pool_config(w->pool)->check;
	const struct role_config *config = &w->judge->config;
	size_t heard = 0;

	if (!is_comparing(config) || w->is_open)
		return true;
	if (w->open_ms == 0)
		w->open_ms = now_ms + check->timeout_ms * check->fall;
	for (size_t i = 0; i < w->n; i++)
		heard += w->is_heard[i] || w->backends[i]->state == BACKEND_MAINT;
	w->is_open = heard == w->n || now_ms >= w->open_ms;
	return w->is_open;
}

bool role_watch_is_served(const struct role_watch *w)
{
	return w->admitted > 0;
}

bool role_watch_wants(const struct role_watch *w, const struct check_facts *facts)
{
	switch (w->judge->config.wanted) {
	case ROLE_WANTED_PRIMARY:
		return facts->role == CHECK_ROLE_PRIMARY;
	case ROLE_WANTED_REPLICA:
		return facts->role == CHECK_ROLE_REPLICA;
	default:
		return facts->role != CHECK_ROLE_UNKNOWN;
	}
}

/* ---- what is decided ----------------------------------------------------- */

/* What a person should look at, as another one may be written to now. */
static bool is_odd(const struct role_watch *w, size_t i, enum role_reason reason)
{
	return (reason != ROLE_ADMITTED && reason != ROLE_OTHER && reason != ROLE_SPARE) ||
	       (w->judge->config.wanted == ROLE_WANTED_PRIMARY && w->said[i] != ROLE_UNKNOWN);
}

/* It has the role still, of a pool that more than one will do for. */
static bool is_said(const struct role_watch *w, size_t i, enum role_reason reason,
		    enum check_role role)
{
	return reason == w->said[i] && (reason != ROLE_ADMITTED || role == w->said_roles[i]);
}

/* Of one that is down the log has said enough. */
static void role_watch_say(struct role_watch *w, size_t i, enum role_reason reason, uint64_t now_ms)
{
	const struct role_evidence *e = &w->judge->members[i].evidence;
	const enum check_role role = e->is_there ? e->facts.role : CHECK_ROLE_UNKNOWN;
	const struct backend *backend = w->backends[i];
	const enum log_level level = is_odd(w, i, reason) ? LOG_WARN : LOG_INFO;
	struct log_line line;

	if (is_said(w, i, reason, role) || backend->state == BACKEND_DOWN)
		return;
	w->said[i] = reason;
	w->said_roles[i] = role;
	backend_tell(w->pool, backend, "role", role_reason_text(reason), now_ms);
	if (!log_begin(&line, level, "role"))
		return;
	log_text(&line, "pool", pool_config(w->pool)->name);
	log_text(&line, "backend", backend->config->name);
	log_text(&line, "role", check_role_names[role]);
	log_text(&line, "state", backend_state_names[atomic_load(&backend->state)]);
	log_text(&line, "reason", role_reason_text(reason));
	log_end(&line);
}

/*
 * By evidence: one of which nothing is known any more may have it still, until
 * something is.
 */
static bool has_lost(const struct role_watch *w, size_t i, enum role_reason now)
{
	const bool had = w->reasons[i] == ROLE_ADMITTED ||
			 (w->reasons[i] == ROLE_UNKNOWN && w->may_have[i]);

	return had && now != ROLE_ADMITTED && now != ROLE_UNKNOWN && now != ROLE_LAGS &&
	       now != ROLE_LAG_UNKNOWN && now != ROLE_SPARE;
}

/* The operator says who may be primary, whatever was seen before; and sessions what they met. */
static void take_reports(struct role_watch *w, uint64_t now_ms)
{
	for (size_t i = 0; i < w->n; i++) {
		if (pool_take_approval(w->backends[i]))
			role_judge_allow(w->judge, i, now_ms);
		if (pool_take_doubt(w->backends[i]))
			role_judge_doubt(w->judge, i);
	}
}

static_assert((int)BACKEND_PRIMARY == (int)CHECK_ROLE_PRIMARY &&
		      (int)BACKEND_REPLICA == (int)CHECK_ROLE_REPLICA,
	      "a backend's roles are those of a check");

/* For who shows it. */
static void show_role(const struct role_watch *w, size_t i, uint64_t now_ms)
{
	const struct role_judge *judge = w->judge;
	const struct role_evidence *e = &judge->members[i].evidence;
	const enum check_role role = role_evidence_of(e, judge->config.age_max_ms, now_ms);
	const bool is_replica = role == CHECK_ROLE_REPLICA;
	uint64_t bytes;

	if (!is_replica || !replica_lag_bytes(&judge->lag, &e->facts, &bytes))
		bytes = BACKEND_LAG_UNKNOWN;
	atomic_store(&w->backends[i]->role, (enum backend_role)role);
	atomic_store(&w->backends[i]->role_until_ms,
		     e->is_there ? e->confirmed_ms + judge->config.age_max_ms : 0);
	atomic_store(&w->backends[i]->is_fenced,
		     role == CHECK_ROLE_PRIMARY && role_judge_has_fenced(judge, i));
	atomic_store(&w->backends[i]->lag_bytes, bytes);
	atomic_store(&w->backends[i]->lag_ms,
		     is_replica && e->facts.has_lag ? e->facts.lag_ms : BACKEND_LAG_UNKNOWN);
}

/* What decisions are made of; the words, and a position that nobody is measured by, are not. */
static bool is_same(const struct role_config *config, const struct check_facts *a,
		    const struct check_facts *b)
{
	return a->role == b->role && a->is_read_only == b->is_read_only &&
	       a->timeline == b->timeline && a->system_id == b->system_id &&
	       a->started_us == b->started_us &&
	       (config->lag_max_bytes == ROLE_NO_LAG_LIMIT ||
		(a->has_position == b->has_position && a->position == b->position)) &&
	       (config->lag_max_ms == ROLE_NO_LAG_LIMIT ||
		(a->has_lag == b->has_lag && a->lag_ms == b->lag_ms));
}

/* It is as it was decided on already. */
static bool is_known(const struct role_watch *w, size_t i, const struct check_facts *facts,
		     uint64_t now_ms)
{
	const struct role_config *config = &w->judge->config;
	const struct role_evidence *e = &w->judge->members[i].evidence;

	return w->has_told && facts->verdict == CHECK_PASSED &&
	       role_evidence_of(e, config->age_max_ms, now_ms) != CHECK_ROLE_UNKNOWN &&
	       is_same(config, facts, &e->facts);
}

bool role_watch_note(struct role_watch *w, const struct backend *backend,
		     const struct check_facts *facts, uint64_t now_ms)
{
	const size_t i = role_watch_find(w, backend);
	bool is_news;

	if (i == w->n)
		return false;
	is_news = !is_known(w, i, facts, now_ms);
	role_judge_note(w->judge, i, facts, now_ms);
	show_role(w, i, now_ms);
	return is_news;
}

bool role_watch_doubt(struct role_watch *w, const struct backend *backend)
{
	const size_t i = role_watch_find(w, backend);

	if (i == w->n)
		return false;
	role_judge_doubt(w->judge, i);
	return true;
}

enum check_role role_watch_assumes(const struct role_watch *w, const struct backend *backend,
				   uint64_t *ret_told_ms)
{
	const size_t i = role_watch_find(w, backend);
	const struct role_evidence *e = &w->judge->members[i].evidence;

	if (i == w->n || !e->is_there || !e->is_assumed)
		return CHECK_ROLE_UNKNOWN;
	*ret_told_ms = e->told_ms;
	return e->facts.role;
}

/* For who shows it, in words that need no role beside them. NULL: it has the role. */
static const char *standby_words(const struct role_watch *w, enum role_reason reason)
{
	if (reason == ROLE_ADMITTED)
		return NULL;
	if (reason != ROLE_OTHER)
		return role_reason_text(reason);
	return w->judge->config.wanted == ROLE_WANTED_PRIMARY ? "has another role: replica"
							      : "has another role: primary";
}

/* Under the pool's lock, which sessions want, too: only what is new. */
static void tell_pool(struct role_watch *w, size_t i, enum role_reason now, uint64_t now_ms)
{
	const bool has_expired = pool_take_expiry(w->backends[i]);

	if (!w->has_told || has_expired || w->reasons[i] != now)
		pool_set_standby(w->pool, w->backends[i], standby_words(w, now), now_ms);
	w->reasons[i] = now;
}

/*
 * One of which nothing is known any more may have the role still, until
 * another one has it: that there is only one is what fencing is for.
 */
static bool tell_of_replaced(struct role_watch *w)
{
	const struct role_config *config = &w->judge->config;
	bool lost_any = false;

	if (config->wanted != ROLE_WANTED_PRIMARY || !config->fence || w->admitted == 0)
		return false;
	for (size_t i = 0; i < w->n; i++) {
		if (!w->may_have[i] || w->reasons[i] != ROLE_UNKNOWN)
			continue;
		w->may_have[i] = false;
		w->lost(w->owner, w->backends[i]);
		lost_any = true;
	}
	return lost_any;
}

/* What is no delay of a timer any more. */
#define STALL_MS 500

bool role_watch_wake(struct role_watch *w, uint64_t now_ms)
{
	const uint64_t looked_ms = w->looked_ms;

	w->looked_ms = now_ms;
	if (looked_ms == 0 || now_ms <= looked_ms + w->judge->config.age_max_ms + STALL_MS)
		return false;
	w->is_open = false;
	w->open_ms = 0;
	w->admitted = 0;
	for (size_t i = 0; i < w->n; i++) {
		w->is_heard[i] = false;
		role_judge_note_down(w->judge, i);
		show_role(w, i, now_ms);
		tell_pool(w, i, ROLE_UNKNOWN, now_ms);
		role_watch_say(w, i, ROLE_UNKNOWN, now_ms);
	}
	return true;
}

static void note_who_is_out(struct role_watch *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const enum backend_state state = w->backends[i]->state;

		w->judge->members[i].is_out = state != BACKEND_READY && state != BACKEND_STANDBY;
	}
}

bool role_watch_decide(struct role_watch *w, uint64_t now_ms)
{
	bool lost_any = false;

	take_reports(w, now_ms);
	if (!role_watch_open(w, now_ms))
		return false;
	note_who_is_out(w);
	(void)role_judge_decide(w->judge, now_ms);
	w->admitted = 0;
	for (size_t i = 0; i < w->n; i++) {
		const enum role_reason reason = w->judge->members[i].reason;
		const bool lost = has_lost(w, i, reason);

		w->admitted += reason == ROLE_ADMITTED;
		show_role(w, i, now_ms);
		tell_pool(w, i, reason, now_ms);
		role_watch_say(w, i, reason, now_ms);
		if (lost)
			w->lost(w->owner, w->backends[i]);
		lost_any |= lost;
		w->may_have[i] = reason == ROLE_ADMITTED || (w->may_have[i] && !lost);
	}
	w->has_told = true;
	return tell_of_replaced(w) || lost_any;
}

uint64_t role_watch_next_ms(const struct role_watch *w, uint64_t now_ms)
{
	const uint64_t next_ms = role_judge_next_ms(w->judge, now_ms);

	return w->is_open || w->open_ms == 0 ? next_ms : MIN(next_ms, w->open_ms);
}
