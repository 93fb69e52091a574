/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dial/cancel_fanout.h"

#include <errno.h>

#include "base/check.h"
#include "protocol/registry.h"
#include "relay/cancel_watch.h"
#include "session/early_bytes.h"
#include "session/side.h"
#include "state/cancel_keys.h"
#include "tls/stream.h"

static bool cancel_fanout_find_next(struct session *s)
{
	return cancel_keys_find(s->host->runtime->cancel_keys, cancel_watch_client_hash(s),
				s->pinned, &s->pool, &s->pinned);
}

void cancel_fanout_begin(struct session *s)
{
	struct cancel_keys *keys = s->host->runtime->cancel_keys;

	if (!cancel_keys_find(keys, s->protocol->cancel_hash, NULL, &s->pool, &s->pinned))
		s->protocol->is_fanout = protocol_hides_keys(s->config) &&
					 cancel_fanout_find_next(s);
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
	return s->host->loop.now_ms < cancel_fanout_until_ms(s) && cancel_fanout_find_next(s);
}

uint64_t cancel_fanout_until_ms(const struct session *s)
{
	return s->dialing_ms + pool_config(s->pool)->connect_total_ms;
}

const char *cancel_fanout_detail(const struct session *s)
{
	if (!s->protocol->is_fanout)
		return "cancel request";
	return s->dial_error == 0 ? "cancel request, sent to all backends of its source"
				  : "cancel request, not heard by all backends of its source";
}
