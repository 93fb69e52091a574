/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/tell.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "net/sock_error.h"
#include "session/host.h"

const char *const session_phase_names[SESSION_PHASES] = {
	[SESSION_FREE] = "free",
	[SESSION_PREREAD] = "preread",
	[SESSION_DIALING] = "dialing",
	[SESSION_NEGOTIATING] = "negotiating",
	[SESSION_CANCELLING] = "cancelling",
	[SESSION_RELAYING] = "relaying",
	[SESSION_REFUSING] = "refusing",
	[SESSION_CLOSING] = "closing",
};

static void fill(const struct session *s, struct event *event)
{
	struct addr client;

	*event = (struct event){
		.at_ms = s->host->loop.now_ms,
		.id = s->id,
		.client = s->client,
		.bytes = { s->lanes[LANE_UP].bytes, s->lanes[LANE_DOWN].bytes },
		.age_ms = s->host->loop.now_ms - s->started_ms,
	};
	snprintf(event->listener, sizeof(event->listener), "%s", s->config->name);
	if (s->pool)
		snprintf(event->pool, sizeof(event->pool), "%s", pool_config(s->pool)->name);
	if (s->backend)
		snprintf(event->backend, sizeof(event->backend), "%s", s->backend->config->name);
	addr_lengthen(&client, &s->client);
	event->is_traced = s->client.len > 0 && events_are_traced(&client);
}

static void put(struct event *event, const char *detail)
{
	if (detail)
		text_copy_cut(event->detail, sizeof(event->detail), detail);
	events_put(event);
}

void session_tell_step_now(const struct session *s, const char *step, const char *detail)
{
	struct event event;

	fill(s, &event);
	event.kind = EVENT_SESSION_STEP;
	event.what = step;
	if (event.is_traced)
		put(&event, detail);
}

static void tell_end(const struct session *s)
{
	struct event event;

	fill(s, &event);
	event.kind = EVENT_SESSION_ENDED;
	event.what = close_reason_names[s->why];
	event.by = close_by_names[s->by];
	put(&event, s->detail);
}

/* A request to cancel and others may come back to the first phase: that is no beginning. */
static void tell_begin(const struct session *s)
{
	struct event event;

	fill(s, &event);
	event.kind = EVENT_SESSION_BEGAN;
	event.what = "began";
	put(&event, NULL);
}

void session_tell_phase_now(const struct session *s)
{
	if (s->phase == SESSION_CLOSING)
		tell_end(s);
	else if (s->phase == SESSION_PREREAD && !s->pool)
		tell_begin(s);
	else if (s->phase != SESSION_FREE)
		session_tell_step_now(s, session_phase_names[s->phase], NULL);
}

void session_tell_try(const struct session *s, int err)
{
	if (err == 0)
		session_tell_step(s, "try is over", NULL);
	else
		session_tell_step(s, "try failed", s->detail ? s->detail : sock_fault_words(err));
}
