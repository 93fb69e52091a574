/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/answer.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"
#include "relay/idle_watch.h"
#include "session/conn_info.h"
#include "session/exit.h"
#include "session/host.h"
#include "session/refusing.h"
#include "session/tell.h"
#include "state/query.h"

static_assert(sizeof(((struct session_facts *)NULL)->user) == PROTOCOL_NAME_BYTES,
	      "they are copied");

static bool is_name(const char *wanted, const char *name)
{
	return wanted[0] == '\0' || (name && strcmp(wanted, name) == 0);
}

static bool is_backend(const struct session_filter *f, const struct session *s)
{
	return f->backend_id == 0 || (s->backend && s->backend->id == f->backend_id);
}

static bool is_from(const struct session_filter *f, const struct session *s)
{
	struct addr client;

	if (!f->has_client)
		return true;
	addr_lengthen(&client, &s->client);
	return s->client.len > 0 && addr_block_has(&f->client, &client);
}

static bool is_before(const struct session_filter *f, const struct session *s)
{
	if (f->begun_by_ms > 0 && s->started_ms > f->begun_by_ms)
		return false;
	return f->before_generation == 0 || s->generation->number < f->before_generation;
}

static bool is_meant(const struct session_filter *f, const struct session *s)
{
	uint64_t now_ms = s->host->loop.now_ms;

	return s->phase != SESSION_CLOSING && session_filter_has_id(f, s->id) &&
	       is_name(f->listener, s->config->name) &&
	       is_name(f->pool, s->pool ? pool_config(s->pool)->name : NULL) &&
	       is_name(f->backend, s->backend ? s->backend->config->name : NULL) &&
	       is_backend(f, s) && now_ms - s->started_ms >= f->older_ms &&
	       now_ms - s->active_ms >= f->idle_ms && is_from(f, s) && is_before(f, s);
}

/* What is too long for its place is left out. */
static void describe(const struct session *s, struct session_facts *ret)
{
	uint64_t now_ms = s->host->loop.now_ms;

	*ret = (struct session_facts){
		.id = s->id,
		.generation = s->generation->number,
		.client = s->client,
		.phase = s->is_queued ? "queued" : session_phase_names[s->phase],
		.started_ms = s->started_ms,
		.age_ms = now_ms - s->started_ms,
		.idle_ms = now_ms - s->active_ms,
		.is_idle = idle_watch_is_idle(s),
		.bytes = { s->lanes[LANE_UP].bytes, s->lanes[LANE_DOWN].bytes },
	};
	(void)!text_copy(ret->listener, sizeof(ret->listener), s->config->name);
	if (s->pool)
		(void)!text_copy(ret->pool, sizeof(ret->pool), pool_config(s->pool)->name);
	if (s->backend) {
		(void)!text_copy(ret->backend, sizeof(ret->backend), s->backend->config->name);
		(void)addr_format(&s->backend->config->addr, ret->address);
	}
	if (s->protocol) {
		memcpy(ret->user, s->protocol->user, sizeof(ret->user));
		memcpy(ret->database, s->protocol->database, sizeof(ret->database));
	}
	if (s->info)
		(void)!text_copy(ret->sni, sizeof(ret->sni), s->info->sni);
	if (s->info && s->info->version)
		(void)!text_copy(ret->tls, sizeof(ret->tls), s->info->version);
}

/* False when it is to be left alone. */
static bool treat(struct session *s, enum query_kind kind)
{
	if (kind == QUERY_SESSIONS)
		return true;
	if (kind == QUERY_KILL) {
		session_close(s, CLOSE_KILLED, BY_RINGMAIN);
		return true;
	}
	if (session_is_ending(s) || (kind == QUERY_PART && !idle_watch_is_idle(s)))
		return false;
	if (idle_watch_is_idle(s))
		refusing_part(s, CLOSE_DRAINED);
	else /* who still waits for a backend is told so */
		refusing_tell(s, CLOSE_DRAIN_TIMEOUT, BY_RINGMAIN);
	return true;
}

static void look_at_sessions(struct host *h, struct query *q)
{
	uint32_t end = (uint32_t)MIN((uint64_t)q->slot + QUERY_SLOTS, h->sessions.touched);

	for (; q->slot < end && q->rows_n < QUERY_ROWS; q->slot++) {
		struct session *s = slab_at(&h->sessions, q->slot);

		if (!s || !is_meant(&q->filter, s))
			continue;
		describe(s, &q->rows[q->rows_n]);
		q->rows_n += treat(s, q->kind);
	}
	q->is_done = q->slot >= h->sessions.touched;
}

/* ---- what went wrong ---- */

/* Ends that are nobody's failure: of every day, or wanted by the operator. */
static bool is_failure(enum close_reason why)
{
	switch (why) {
	case CLOSE_NONE:
	case CLOSE_DONE:
	case CLOSE_CLIENT_RESET:
	case CLOSE_CLIENT_LEFT:
	case CLOSE_IDLE:
	case CLOSE_HALF_CLOSED_IDLE:
	case CLOSE_KILLED:
	case CLOSE_DRAINED:
	case CLOSE_DRAIN_TIMEOUT:
	case CLOSE_SHUTDOWN:
		return false;
	default:
		return true;
	}
}

void answer_note_end(const struct session *s)
{
	struct host *h = s->host;
	struct session_facts *facts;

	if (!is_failure(s->why))
		return;
	facts = &h->failures[h->failures_n++ % QUERY_FAILURES_MAX];
	describe(s, facts);
	facts->ended_ms = h->loop.now_ms;
	facts->reason = close_reason_names[s->why];
	facts->by = close_by_names[s->by];
	if (s->detail)
		text_copy_cut(facts->detail, sizeof(facts->detail), s->detail);
}

static void look_at_failures(const struct host *h, struct query *q)
{
	uint32_t end = (uint32_t)MIN(h->failures_n, QUERY_FAILURES_MAX);

	while (q->slot < end && q->rows_n < QUERY_ROWS)
		q->rows[q->rows_n++] = h->failures[q->slot++];
	q->is_done = q->slot >= end;
}

static void answer(struct host *h, struct query *q)
{
	q->rows_n = 0;
	if (q->kind == QUERY_TURN)
		q->is_done = true;
	else if (q->kind == QUERY_FAILURES)
		look_at_failures(h, q);
	else
		look_at_sessions(h, q);
}

void answer_queries(struct host *h, struct query *queries)
{
	while (queries) {
		struct query *q = queries;

		queries = q->next;
		answer(h, q);
		query_answer(h->runtime, q);
	}
}
