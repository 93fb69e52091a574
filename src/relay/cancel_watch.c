/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/cancel_watch.h"

#include "base/check.h"
#include "protocol/registry.h"
#include "session/host.h"
#include "state/cancel_keys.h"

static void cancel_watch_remember(struct session *s, uint64_t hash)
{
	s->protocol->cancel_hash = hash;
	if (hash != 0)
		cancel_keys_remember(s->host->runtime->cancel_keys, hash, s->pool, s->backend);
}

uint64_t cancel_watch_client_hash(const struct session *s)
{
	struct addr client;

	addr_lengthen(&client, &s->client);
	return cancel_keys_hash_client(s->host->runtime->cancel_keys, &client, s->listener->slot);
}

void cancel_watch_start(struct session *s)
{
	const struct protocol_state *state = s->protocol;

	if (!state || !s->listener->protocol->watch)
		return;
	CHECK(!state->watch);
	if (protocol_is_opaque(s->config) && (state->asked_for_tls || state->has_direct_tls))
		cancel_watch_remember(s, cancel_watch_client_hash(s));
	else
		s->protocol->watch = slab_get(&s->host->watches);
}

static void cancel_watch_stop(struct session *s)
{
	slab_put(&s->host->watches, s->protocol->watch);
	s->protocol->watch = NULL;
}

void cancel_watch_look(struct session *s, const struct buf *buf)
{
	const uint8_t *bytes = (const uint8_t *)buf->bytes + buf->start;
	const struct protocol *protocol = s->listener->protocol;
	struct protocol_login login = { 0 };

	if (protocol->watch(s->protocol->watch, bytes, buf_filled(buf), &login) == PARSE_MORE)
		return;
	if (login.has_key)
		cancel_watch_remember(s,
				      cancel_keys_hash(s->host->runtime->cancel_keys, &login.key));
	if (login.is_unbound && s->sides[SIDE_CLIENT].tls && s->sides[SIDE_BACKEND].tls)
		s->detail = protocol->unbound;
	cancel_watch_stop(s);
}

void cancel_watch_finish(struct session *s)
{
	const struct protocol_state *state = s->protocol;

	if (!state)
		return;
	if (state->watch)
		cancel_watch_stop(s);
	if (state->cancel_hash != 0 && !state->is_cancel)
		cancel_keys_forget(s->host->runtime->cancel_keys, state->cancel_hash, s->backend);
}
