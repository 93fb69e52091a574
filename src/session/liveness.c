/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "session/liveness.h"

#include "session/host.h"

/* Looks in a user_timeout, and the longest time between two. */
#define LOOKS 4
#define LOOK_MAX_MS 10000

static uint64_t user_timeout_of(const struct session *s)
{
	return s->config->user_timeout_ms;
}

static void look_later(struct session *s)
{
	uint64_t pause_ms = MIN(MAX(user_timeout_of(s) / LOOKS, 1), LOOK_MAX_MS);

	s->liveness_ms = MAX((uint32_t)(s->host->loop.now_ms + pause_ms), 1);
}

void liveness_expect(struct side *side)
{
	struct session *s = side_session(side);

	if (side->expects_ack || !side->is_tcp || user_timeout_of(s) == 0)
		return;
	side->expects_ack = true;
	if (!session_relays(s) || s->liveness_ms != 0)
		return;
	look_later(s);
	if (!timer_is_set(&s->timer) || s->timer.due_ms > liveness_due_ms(s))
		timer_set(&s->host->loop.timers, &s->timer, liveness_due_ms(s));
}

void liveness_start(struct session *s)
{
	for (int n = 0; n < SIDES; n++)
		s->acks[n] = (struct ack_watch){ 0 };
	if (s->sides[SIDE_CLIENT].expects_ack || s->sides[SIDE_BACKEND].expects_ack)
		look_later(s);
}

uint64_t liveness_due_ms(const struct session *s)
{
	const uint64_t now_ms = s->host->loop.now_ms;

	if (s->liveness_ms == 0)
		return TIMER_NEVER;
	/* What lies in the past has a difference below zero. */
	return now_ms + (uint64_t)(int64_t)(int32_t)(s->liveness_ms - (uint32_t)now_ms);
}

/* Is its peer dead? */
static bool liveness_look_at_side(struct side *side)
{
	struct session *s = side_session(side);
	struct ack_facts facts;

	if (side->is_dead || ack_facts_read(side->fd, &facts) < 0) {
		side->expects_ack = false;
		return false;
	}
	switch (ack_watch_look(&s->acks[side->index], &facts, user_timeout_of(s))) {
	case ACK_ALL:
		/* A send that still waits for the kernel will get there without a word. */
		side->expects_ack = side->send.in_kernel;
		break;
	case ACK_PENDING:
		break;
	case ACK_DEAD:
		side->expects_ack = false;
		return true;
	}
	return false;
}

struct side *liveness_look(struct session *s)
{
	struct side *dead = NULL;
	bool goes_on = false;

	if (s->host->loop.now_ms < liveness_due_ms(s))
		return NULL;
	for (int n = 0; n < SIDES; n++) {
		if (!dead && s->sides[n].expects_ack && liveness_look_at_side(&s->sides[n]))
			dead = &s->sides[n];
		goes_on |= s->sides[n].expects_ack;
	}
	s->liveness_ms = 0;
	if (goes_on)
		look_later(s);
	return dead;
}
