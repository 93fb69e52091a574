/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/exit.h"

#include <assert.h>

#include "base/check.h"
#include "session/host.h"
#include "session/side.h"
#include "session/tell.h"

static const unsigned next_phases[] = {
	[SESSION_FREE] = BIT(SESSION_PREREAD),
	[SESSION_PREREAD] = BIT(SESSION_DIALING) | BIT(SESSION_REFUSING) | BIT(SESSION_CLOSING),
	[SESSION_DIALING] = BIT(SESSION_PREREAD) | BIT(SESSION_NEGOTIATING) |
			    BIT(SESSION_CANCELLING) | BIT(SESSION_RELAYING) |
			    BIT(SESSION_REFUSING) | BIT(SESSION_CLOSING),
	[SESSION_NEGOTIATING] = BIT(SESSION_PREREAD) | BIT(SESSION_DIALING) |
				BIT(SESSION_REFUSING) | BIT(SESSION_CLOSING),
	[SESSION_CANCELLING] = BIT(SESSION_DIALING) | BIT(SESSION_REFUSING) | BIT(SESSION_CLOSING),
	[SESSION_RELAYING] = BIT(SESSION_REFUSING) | BIT(SESSION_CLOSING),
	[SESSION_REFUSING] = BIT(SESSION_CLOSING),
	[SESSION_CLOSING] = BIT(SESSION_FREE),
};
static_assert(ARRAY_LEN(next_phases) == SESSION_PHASES, "every phase needs a row");
static_assert(sizeof(struct session) <= 768, "an idle session is to cost less than 1 kB");
static_assert(SESSION_PHASES <= 8 && CLOSE_REASONS <= 64 && CLOSE_BYS <= 4,
	      "as struct session has it");

void session_enter(struct session *s, enum session_phase next)
{
	CHECK(next_phases[s->phase] & BIT(next));
	s->phase = next;
	session_tell_phase(s);
	if (next != SESSION_FREE)
		session_handlers(s)->entered(s);
}

void session_note_end(struct session *s, enum close_reason why, enum close_by by)
{
	if (session_is_ending(s) && !s->owes_answer)
		return;
	if (!session_is_ending(s)) {
		s->why = why;
		s->by = by;
	}
	s->owes_answer = false;
	s->ending_ms = s->host->loop.now_ms;
}

void session_close(struct session *s, enum close_reason why, enum close_by by)
{
	CHECK(s->phase != SESSION_FREE);
	if (s->phase == SESSION_CLOSING)
		return;
	/* If no backend could serve it, that is the reason, whatever its client did afterwards. */
	if (!session_is_ending(s) || session_handlers(s)->seeks_backend) {
		s->why = why;
		s->by = by;
	}
	session_enter(s, SESSION_CLOSING);
}

void session_peer_failed(struct side *side, int err)
{
	struct session *s = side_session(side);
	bool is_client = side->index == SIDE_CLIENT;
	enum close_reason why = reason_of_side(err, is_client);
	enum close_by by = is_client ? BY_CLIENT : BY_BACKEND;

	side->is_dead = true;
	session_note_end(s, why, why == CLOSE_NO_RESOURCES ? BY_RINGMAIN : by);
	if (!session_relays(s))
		session_close(s, s->why, s->by);
}

bool session_is_idle(const struct session *s)
{
	return !side_has_ops(&s->sides[SIDE_CLIENT]) && !side_has_ops(&s->sides[SIDE_BACKEND]);
}

void session_enter_queue(struct session *s)
{
	CHECK(!s->is_queued);
	s->is_queued = true;
	s->waited_ms -= (uint32_t)s->host->loop.now_ms;
}

void session_note_out_of_queue(struct session *s)
{
	CHECK(s->is_queued);
	s->is_queued = false;
	s->waited_ms += (uint32_t)s->host->loop.now_ms;
}

/* If the pool has given it a slot, it stays queued until the message that says so has come. */
void session_leave_queue(struct session *s)
{
	if (s->is_queued && pool_leave(s->pool, &s->waiter))
		session_note_out_of_queue(s);
}

static void exit_on_returned(struct session *s)
{
	if (session_is_idle(s) && !s->is_queued && list_is_empty(&s->reap))
		list_append(&s->host->reapable, &s->reap);
}

static void exit_entered(struct session *s)
{
	timer_stop(&s->host->loop.timers, &s->timer);
	list_remove(&s->turn);
	session_leave_queue(s);
	for (int n = 0; n < SIDES; n++)
		side_cancel(&s->sides[n]);
	exit_on_returned(s);
}

/* The results of ops do not matter any more. */
static void exit_on_op(struct side *side, int err)
{
	(void)err;
	exit_on_returned(side_session(side));
}

static void exit_on_received(struct side *side, struct buf *buf, unsigned flags)
{
	struct session *s = side_session(side);

	(void)flags;
	buf_put(&s->host->loop.bufs, buf);
	exit_on_returned(s);
}

const struct phase_handlers exit_handlers = {
	.entered = exit_entered,
	.received = exit_on_received,
	.ended = exit_on_op,
	.readable = exit_on_op,
	.writable = exit_on_op,
	.connected = exit_on_op,
	.sent = exit_on_op,
	.returned = exit_on_returned,
};
