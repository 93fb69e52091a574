/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ack_watch.h"

/*
 * The kernel's ages are whole ticks of its own, of up to 10 ms: an ACK that
 * seems this much older than a look may have come after it.
 */
#define TICK_SLACK_MS 20

/*
 * An honest ACK comes within a few round trips, but a kernel answers window
 * probes no more often than every 500 ms (tcp_invalid_ratelimit), and the
 * probe that follows one without an answer may take as long again.
 */
#define ANSWER_MS 1000
#define ROUND_TRIPS 4

/*
 * Was something sent that no ACK has followed? A peer that has taken its
 * window back still answers each time it gets the same bytes again; between
 * two such times nothing is unanswered. The comparison says so, unless the
 * network refuses to send at all (a route is gone): then only the timer tells.
 */
static bool is_unanswered(const struct ack_facts *f)
{
	if (f->has_probed)
		return true;
	return f->has_unacked &&
	       (f->since_sent_ms < f->since_ack_ms || (f->has_timed_out && !f->is_window_closed));
}

static bool was_tried_twice(const struct ack_facts *f)
{
	return f->has_probed || f->has_timed_out || f->has_backed_off;
}

static bool is_time_over(const struct ack_facts *f, uint32_t waited_ms, uint64_t patience_ms)
{
	const uint64_t answer_ms = ANSWER_MS + ROUND_TRIPS * (uint64_t)f->rtt_ms;

	return waited_ms >= MAX(patience_ms, answer_ms) && was_tried_twice(f);
}

enum ack_verdict ack_watch_look(struct ack_watch *watch, const struct ack_facts *facts,
				uint64_t patience_ms)
{
	const uint32_t now_ms = (uint32_t)facts->read_ms;
	uint32_t waited_ms = now_ms - watch->noted_ms;

	if (!facts->has_unacked && !facts->has_unsent) {
		watch->noted_ms = 0;
		return ACK_ALL;
	}
	if (watch->noted_ms != 0 && facts->since_ack_ms < waited_ms + TICK_SLACK_MS)
		watch->noted_ms = 0;
	if (watch->noted_ms == 0) {
		watch->noted_ms = is_unanswered(facts) ? MAX(now_ms, 1) : 0;
		return ACK_PENDING;
	}
	return is_time_over(facts, waited_ms, patience_ms) ? ACK_DEAD : ACK_PENDING;
}
