/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/deadline.h"

#include "base/check.h"
#include "net/sock.h"
#include "session/exit.h"
#include "session/host.h"
#include "session/liveness.h"
#include "session/session_log.h"

/* A session that has been quiet for so long is probed: see relay.c. */
#define PROBE_MS 250

/*
 * One side that has ended its stream may die at any time: as long as its
 * session is half-closed it is looked at again and again, each time after it
 * has been quiet for twice as long, up to this. Once it moves it begins anew.
 */
#define PROBE_MAX_MS 10000

/* A session that lasts so long gets its keepalive. */
#define ESTABLISHED_MS 1000

/* How often a reset looks whether the bytes before it have been acknowledged. */
#define DELIVERY_LOOK_MS 10

static bool is_half_closed(const struct session *s)
{
	return (s->lanes[LANE_UP].state == LANE_DONE) != (s->lanes[LANE_DOWN].state == LANE_DONE);
}

/* How long nothing may move, 0 for ever. */
static uint64_t quiet_allowed_ms(const struct session *s)
{
	const struct listener_config *config = s->config;

	if (is_half_closed(s) && config->half_close_timeout_ms > 0)
		return config->half_close_timeout_ms;
	return config->idle_timeout_ms;
}

/* Has it been quiet for long enough to be looked at? */
static bool is_quiet(const struct session *s)
{
	uint64_t quiet_ms = s->host->loop.now_ms - s->active_ms;

	return quiet_ms >= PROBE_MS || (quiet_allowed_ms(s) > 0 && quiet_ms >= quiet_allowed_ms(s));
}

static uint64_t next_probe_ms(const struct session *s)
{
	uint64_t quiet_ms = s->host->loop.now_ms - s->active_ms;

	if (!s->is_probe_due && !is_half_closed(s))
		return TIMER_NEVER;
	return s->host->loop.now_ms + MIN(MAX(quiet_ms, PROBE_MS), PROBE_MAX_MS);
}

/* By when a silent client has to say something. */
static uint64_t first_byte_until_ms(const struct session *s)
{
	uint64_t allowed_ms = s->config->first_byte_timeout_ms;

	return s->has_spoken || allowed_ms == 0 ? TIMER_NEVER : s->started_ms + allowed_ms;
}

/* When it will have been quiet for too long. */
static uint64_t quiet_until_ms(const struct session *s)
{
	uint64_t allowed_ms = quiet_allowed_ms(s);
	uint64_t until_ms = allowed_ms > 0 ? s->active_ms + allowed_ms : TIMER_NEVER;

	return MIN(until_ms, first_byte_until_ms(s));
}

enum close_reason deadline_reason(const struct session *s)
{
	const uint64_t now_ms = s->host->loop.now_ms;

	if (now_ms < quiet_until_ms(s))
		return CLOSE_NONE;
	if (now_ms >= first_byte_until_ms(s))
		return CLOSE_FIRST_BYTE_TIMEOUT;
	return is_half_closed(s) ? CLOSE_HALF_CLOSED_IDLE : CLOSE_IDLE;
}

void deadline_set(struct session *s)
{
	struct loop *loop = &s->host->loop;
	uint64_t due_ms = MIN(quiet_until_ms(s), next_probe_ms(s));

	CHECK(session_relays(s));
	if (!s->is_established)
		due_ms = MIN(due_ms, s->connected_ms + ESTABLISHED_MS);
	if (s->owes_answer)
		due_ms = s->active_ms + s->config->close_timeout_ms;
	else if (session_is_ending(s))
		due_ms = loop->now_ms + DELIVERY_LOOK_MS;
	due_ms = MIN(due_ms, session_log_due_ms(s));
	timer_set(&loop->timers, &s->timer, MIN(due_ms, liveness_due_ms(s)));
}

enum deadline deadline_due(const struct session *s)
{
	if (session_is_ending(s))
		return DEADLINE_DELIVERY;
	if (is_quiet(s) || s->host->loop.now_ms >= first_byte_until_ms(s))
		return DEADLINE_PROBE;
	return DEADLINE_NOTHING;
}

void deadline_moved(struct session *s, bool wants_probe)
{
	s->active_ms = s->host->loop.now_ms;
	if (s->is_probe_due || !(wants_probe || is_half_closed(s)))
		return;
	s->is_probe_due = true;
	if (session_relays(s))
		deadline_set(s);
}

bool deadline_establishes(const struct session *s)
{
	return !s->is_established && s->host->loop.now_ms >= s->connected_ms + ESTABLISHED_MS;
}

/* TLS was cut short, but nobody has died: what is on its way may take its time. */
static bool is_truncated(const struct session *s)
{
	return s->why == CLOSE_CLIENT_TRUNCATED || s->why == CLOSE_BACKEND_TRUNCATED;
}

/* What the kernel still has for the other side moves without a word from the ring. */
static void note_delivery(struct session *s)
{
	bool is_to_client = s->owes_answer || s->why == CLOSE_BACKEND_TRUNCATED;
	int unsent = sock_unsent_bytes(s->sides[is_to_client ? SIDE_CLIENT : SIDE_BACKEND].fd);

	if (unsent != s->unsent_bytes)
		s->active_ms = s->host->loop.now_ms;
	s->unsent_bytes = unsent;
}

bool deadline_is_past_delivery(struct session *s)
{
	uint64_t since_ms = s->ending_ms;

	if (is_truncated(s)) {
		note_delivery(s);
		since_ms = MAX(since_ms, s->active_ms);
	}
	return s->host->loop.now_ms >= since_ms + s->config->close_timeout_ms;
}
