/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/early_tls.h"

#include <errno.h>

#include "relay/lane.h"
#include "relay/tls_io.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/refusing.h"
#include "session/side.h"
#include "tls/stream.h"

/* Session.detail says why. */
static void early_tls_failed(struct session *s, enum tls_io result)
{
	struct side *client = &s->sides[SIDE_CLIENT];

	if (result == TLS_IO_NO_MEMORY) {
		session_close(s, CLOSE_NO_RESOURCES, BY_RINGMAIN);
	} else if (tls_stream_has_alerted(client->tls)) {
		refusing_alerted(s, reason_of_side(-EPROTO, true));
	} else {
		(void)side_push(client);
		session_peer_failed(client, -EPROTO);
	}
}

void early_tls_received(struct session *s, const void *bytes, size_t n)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct lane *up = &s->lanes[LANE_UP];
	struct buf_queue plain = { 0 };
	enum tls_io result;
	struct buf *buf;

	if (up->state != LANE_OPEN) /* after close_notify nothing counts */
		return;
	result = tls_io_read(client, bytes, n, &plain);
	while ((buf = buf_queue_take(&plain))) {
		side_note_payload(&s->sides[SIDE_BACKEND]);
		early_append(s, buf);
	}
	if (result == TLS_IO_FAILED || result == TLS_IO_NO_MEMORY) {
		early_tls_failed(s, result);
		return;
	}
	(void)side_push(client); /* reading may answer: an alert, a KeyUpdate */
	if (result == TLS_IO_CLOSED)
		lane_note_end(up);
}

void early_tls_truncated(struct session *s)
{
	struct side *client = &s->sides[SIDE_CLIENT];
	struct lane *up = &s->lanes[LANE_UP];

	if (up->state != LANE_OPEN)
		return;
	if (!lane_client_waits(s)) {
		session_peer_failed(client, -ECONNABORTED);
		return;
	}
	session_note_end(s, CLOSE_CLIENT_TRUNCATED, BY_CLIENT);
	s->owes_answer = true;
	s->active_ms = s->host->loop.now_ms;
	up->is_cut = true;
	lane_note_end(up);
}
