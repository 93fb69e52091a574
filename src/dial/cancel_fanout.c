/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/cancel_fanout.h"

#include <errno.h>

#include "balance/limits.h"
#include "base/check.h"
#include "config/login_route.h"
#include "protocol/registry.h"
#include "relay/cancel_watch.h"
#include "session/early_bytes.h"
#include "session/side.h"
#include "state/cancel_keys.h"
#include "tls/stream.h"

static bool cancel_fanout_find_next(struct session *s)
{
	return cancel_keys_find(s->host->runtime->cancel_keys, cancel_watch_client_hash(s),
				s->protocol->cancel_id, &s->pool, &s->protocol->cancel_id);
}

static bool cancel_fanout_find_in_pool(struct session *s)
{
	uint64_t next = pool_next_alive(s->pool, s->protocol->cancel_id);

	if (next != 0)
		s->protocol->cancel_id = next;
	return next != 0;
}

static bool was_asked_before(const struct listener_config *config, size_t at)
{
	const struct pool_config *pool = config->routes[at].pool;
	bool is_again = pool == config->pool;

	for (size_t i = 0; i < at; i++)
		is_again |= login_route_has(&config->routes[i]) && config->routes[i].pool == pool;
	return is_again;
}

/* To the next pool where a log-in on this listener may have led. */
static bool cancel_fanout_next_pool(struct session *s)
{
	for (size_t i = s->route; i < s->config->routes_n; i++) {
		const struct route_config *route = &s->config->routes[i];

		if (!login_route_has(route) || was_asked_before(s->config, i))
			continue;
		s->route = (uint32_t)i + 1;
		s->pool = runtime_pool(s->host->runtime, s->generation, route->pool);
		s->protocol->cancel_id = 0;
		return true;
	}
	return false;
}

static bool cancel_fanout_find_in_all(struct session *s)
{
	do {
		if (cancel_fanout_find_in_pool(s))
			return true;
	} while (cancel_fanout_next_pool(s));
	return false;
}

static bool cancel_fanout_find(struct session *s)
{
	return s->protocol->is_for_all ? cancel_fanout_find_in_all(s) : cancel_fanout_find_next(s);
}

/* Each costs every backend a connection: a source has so many, and then waits. */
static bool cancel_fanout_may_ask_all(struct session *s)
{
	struct limits *limits = s->host->runtime->cancel_limits;
	struct addr client;
	uint32_t number;

	addr_lengthen(&client, &s->client);
	if (limits_enter(limits, &client, s->host->loop.now_ms * 1000000, &number) != LIMITS_FINE)
		return false;
	limits_leave(limits, number);
	return true;
}

const char *cancel_fanout_begin(struct session *s)
{
	struct cancel_keys *keys = s->host->runtime->cancel_keys;
	struct protocol_state *state = s->protocol;

	if (cancel_keys_find(keys, state->cancel_hash, 0, &s->pool, &state->cancel_id))
		return NULL;
	state->is_fanout = protocol_is_opaque(s->config) && cancel_fanout_find_next(s);
	if (state->is_fanout)
		return NULL;
	s->route = 0;
	if (!s->pool && !cancel_fanout_next_pool(s))
		return "cancel request matches no session";
	if (!cancel_fanout_may_ask_all(s))
		return "too many cancel requests with keys that nobody has";
	state->is_for_all = true;
	state->is_fanout = cancel_fanout_find_in_all(s);
	return NULL;
}

int cancel_fanout_tell(struct session *s)
{
	struct side *side = &s->sides[SIDE_BACKEND];
	size_t n = s->protocol->cancel_bytes;
	int err;

	CHECK(n > 0 && n <= early_n(s));
	if (side->tls)
		err = tls_stream_write(side->tls, early_bytes(s), n) == TLS_DONE ? 0 : -EPROTO;
	else
		err = side_append(side, early_bytes(s), n);
	if (err == 0)
		side_count_payload(side, n);
	return err;
}

bool cancel_fanout_goes_on(struct session *s)
{
	if (!s->protocol->is_fanout)
		return s->dial_error < 0;
	s->waiter.ask.tried_n = 0;
	return s->host->loop.now_ms < cancel_fanout_until_ms(s) && cancel_fanout_find(s);
}

uint64_t cancel_fanout_until_ms(const struct session *s)
{
	return s->dialing_ms + pool_config(s->pool)->connect_total_ms;
}

const char *cancel_fanout_detail(const struct session *s)
{
	if (!s->protocol->is_fanout)
		return "cancel request";
	if (s->protocol->is_for_all)
		return s->dial_error == 0 ? "cancel request of an unknown key, sent to all backends"
					  : "cancel request of an unknown key, not heard by all";
	return s->dial_error == 0 ? "cancel request, sent to all backends of its source"
				  : "cancel request, not heard by all backends of its source";
}
