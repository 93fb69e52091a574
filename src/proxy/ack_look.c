/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/ack_look.h"

#include <errno.h>
#include <sys/socket.h>

#include "proxy/engine.h"
#include "proxy/lane.h"

/* Looks in a user_timeout, and the longest time between two. */
#define LOOKS 4
#define LOOK_MAX_MS 10000

static uint64_t patience_ms(const struct session *s)
{
	return s->listener->config->user_timeout_ms;
}

static void look_later(struct session *s)
{
	uint64_t pause_ms = MIN(MAX(patience_ms(s) / LOOKS, 1), LOOK_MAX_MS);

	s->ack_look_ms = MAX((uint32_t)(s->engine->now_ms + pause_ms), 1);
}

void ack_look_expect(struct side *side)
{
	struct session *s = side_session(side);

	if (side->expects_ack || !side->is_tcp || patience_ms(s) == 0)
		return;
	side->expects_ack = true;
	if (s->phase != SESSION_RELAYING || s->ack_look_ms != 0)
		return;
	look_later(s);
	if (!timer_is_set(&s->timer) || s->timer.due_ms > ack_look_due_ms(s))
		session_set_deadline(s);
}

void ack_look_start(struct session *s)
{
	for (int n = 0; n < SIDES; n++)
		s->acks[n] = (struct ack_watch){ 0 };
	if (s->sides[SIDE_CLIENT].expects_ack || s->sides[SIDE_BACKEND].expects_ack)
		look_later(s);
}

uint64_t ack_look_due_ms(const struct session *s)
{
	const uint64_t now_ms = s->engine->now_ms;

	if (s->ack_look_ms == 0)
		return TIMER_NEVER;
	/* What lies in the past has a difference below zero. */
	return now_ms + (uint64_t)(int64_t)(int32_t)(s->ack_look_ms - (uint32_t)now_ms);
}

/*
 * The kernel has not given up yet, and would go on waiting. When nothing more
 * can come, what had come is read to its end, and then the lane ends.
 */
static void side_is_dead(struct side *side)
{
	(void)shutdown(side->fd, SHUT_RD);
	lane_side_died(side, -ETIMEDOUT, false);
}

static void look_at(struct side *side)
{
	struct session *s = side_session(side);
	struct ack_facts facts;

	if (side->is_dead || ack_facts_read(side->fd, &facts) < 0) {
		side->expects_ack = false;
		return;
	}
	switch (ack_watch_look(&s->acks[side->index], &facts, patience_ms(s))) {
	case ACK_ALL:
		/* A send that still waits for the kernel will get there without a word. */
		side->expects_ack = side->send.in_kernel;
		break;
	case ACK_PENDING:
		break;
	case ACK_DEAD:
		side->expects_ack = false;
		side_is_dead(side);
		break;
	}
}

void ack_look(struct session *s)
{
	bool goes_on = false;

	if (s->engine->now_ms < ack_look_due_ms(s))
		return;
	for (int n = 0; n < SIDES && s->phase == SESSION_RELAYING; n++) {
		if (s->sides[n].expects_ack)
			look_at(&s->sides[n]);
		goes_on |= s->sides[n].expects_ack;
	}
	s->ack_look_ms = 0;
	if (goes_on)
		look_later(s);
}
