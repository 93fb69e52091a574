/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/idle_watch.h"

#include <string.h>

#include "net/sock.h"
#include "protocol/registry.h"
#include "session/exit.h"
#include "state/runtime.h"
#include "tls/stream.h"

/* Has the protocol a sign for it, and is it to be seen in what passes by? */
static bool is_readable(const struct session *s)
{
	const struct protocol *protocol = s->listener->protocol;
	const struct protocol_state *state = s->protocol;

	if (!state || !protocol->idle_tail[0])
		return false;
	return !(protocol_is_opaque(s->config) && (state->asked_for_tls || state->has_direct_tls));
}

void idle_watch_note(struct session *s, const struct buf *buf)
{
	const char *bytes = buf->bytes + buf->start;
	size_t n = buf_filled(buf);
	uint8_t *tail;

	if (!s->protocol)
		return;
	tail = s->protocol->tail;
	if (n < PROTOCOL_TAIL_BYTES) {
		memmove(tail, tail + n, PROTOCOL_TAIL_BYTES - n);
		memcpy(tail + PROTOCOL_TAIL_BYTES - n, bytes, n);
	} else {
		memcpy(tail, bytes + n - PROTOCOL_TAIL_BYTES, PROTOCOL_TAIL_BYTES);
	}
}

/* On its way through here, or waiting in the kernel. */
static bool has_bytes(const struct side *side)
{
	return side->send.in_kernel || side->out.bytes > 0 ||
	       (side->tls && tls_stream_input_left(side->tls) > 0) ||
	       sock_unread_bytes(side->fd) > 0;
}

bool idle_watch_is_idle(const struct session *s)
{
	if (!session_relays(s) || session_is_ending(s) || s->was_asked || !is_readable(s))
		return false;
	if (s->lanes[LANE_UP].state != LANE_OPEN || s->lanes[LANE_DOWN].state != LANE_OPEN)
		return false;
	if (memcmp(s->protocol->tail, s->listener->protocol->idle_tail, PROTOCOL_TAIL_BYTES) != 0)
		return false;
	return !has_bytes(&s->sides[SIDE_CLIENT]) && !has_bytes(&s->sides[SIDE_BACKEND]);
}
