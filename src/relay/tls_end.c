/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/tls_end.h"

#include <errno.h>

#include "io/buf.h"
#include "net/sock_error.h"
#include "proto/tlsrec.h"
#include "protocol/protocol.h"

/* Unopened, so it is known by its look alone. */
static bool passes_tls(const struct session *s)
{
	const struct protocol_state *p = s->protocol;
	enum tls_mode mode = s->config->tls;

	if (p && !p->asked_for_tls && !p->has_direct_tls)
		return false;
	return mode == TLS_MODE_PASSTHROUGH || mode == TLS_MODE_AUTO;
}

/*
 * Does @lane end in what can be nothing but an alert? Two bytes of data are a
 * message of some protocols (MQTT's ping), and 18 of all, behind which a reset
 * is one.
 */
static bool says_end(const struct lane *lane, const struct session *s)
{
	return lane->look == TLSREC_CERTAIN_ALERT ||
	       (lane->look == TLSREC_ALERT_OR_DATA && s->protocol);
}

void tls_end_look(struct lane *lane, const struct buf *buf)
{
	const struct session *s = lane_session(lane);
	const struct lane *other = &s->lanes[!lane->index];

	if (!passes_tls(s))
		return;
	lane->look = (uint8_t)tlsrec_look_at_end((const uint8_t *)buf->bytes + buf->start,
						 buf_filled(buf));
	lane->answers = other->state != LANE_OPEN || says_end(other, s);
}

/* Has the client ended it? Where its look leaves that open, a stream must have ended, too. */
static bool looks_ended(const struct session *s)
{
	const struct lane *up = &s->lanes[LANE_UP], *down = &s->lanes[LANE_DOWN];

	if (up->look == TLSREC_NO_ALERT)
		return false;
	return says_end(up, s) || up->state != LANE_OPEN || down->state != LANE_OPEN;
}

bool tls_end_explains(struct side *side, int err)
{
	const struct session *s = side_session(side);
	const struct lane *up = &s->lanes[LANE_UP];

	if (sock_fault_of(err) != SOCK_FAULT_RESET || err == -ECONNABORTED)
		return false;
	return looks_ended(s) || (side->is_tls_closed && up->state != LANE_OPEN && !up->is_cut);
}

enum close_by tls_end_by(const struct session *s)
{
	if (!looks_ended(s))
		return s->by;
	return s->lanes[LANE_UP].answers ? BY_BACKEND : BY_CLIENT;
}
