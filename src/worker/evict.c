/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "worker/evict.h"

#include "base/bucket.h"
#include "net/ack_watch.h"
#include "relay/idle_watch.h"
#include "session/exit.h"
#include "session/refusing.h"

/* Sessions that are looked at in one turn. */
#define SLOTS_MAX 1024

/* When to look again at a session that the rate did not let go yet; or that was busy. */
#define RATE_RETRY_MS 10
#define BUSY_MS 500
/* The same of one that has sent nothing yet of which its backend owes an acknowledgement. */
#define ACKED_MS 2000

#define NS_PER_MS 1000000ull

enum treatment { TREAT_NOT, TREAT_NOW, TREAT_LATER, TREAT_WHEN_IDLE, TREAT_WHEN_UNACKED };

void evict_init(struct host *h)
{
	h->evict.next_ms = h->evict.again_ms = TIMER_NEVER;
}

void evict_notice(struct host *h)
{
	const unsigned asked = atomic_load(&h->runtime->evictions);

	if (asked == h->evict.seen)
		return;
	h->evict.seen = asked;
	h->evict.slot = 0;
	h->evict.next_ms = h->loop.now_ms;
	h->evict.again_ms = TIMER_NEVER;
}

/* A session that was dialed after the backend went down has found it up again, and stays. */
static bool is_meant(const struct session *s)
{
	return (session_relays(s) || session_handlers(s)->backend_down) && s->backend &&
	       s->dialing_ms <= atomic_load_explicit(&s->backend->evict_ms, memory_order_relaxed);
}

static bool takes_its_turn(struct session *s)
{
	const unsigned per_s = pool_config(s->pool)->on_down_per_s;
	const struct bucket_rate rate = { .per_second = per_s, .burst = MAX(per_s / 100, 1) };

	return bucket_shared_take(&s->backend->evictions, &rate, 1,
				  s->host->loop.now_ms * NS_PER_MS);
}

/* Was the oldest of it sent again, and no answer came for as long as a check would have waited? */
static bool is_unacked(const struct session *s)
{
	struct ack_facts facts;

	return ack_facts_read(s->sides[SIDE_BACKEND].fd, &facts) == 0 && facts.has_unacked &&
	       facts.has_timed_out && facts.since_ack_ms >= pool_config(s->pool)->check.timeout_ms;
}

static enum treatment treatment_of(struct session *s)
{
	enum evict_whom whom;

	if (!is_meant(s))
		return TREAT_NOT;
	whom = atomic_load(&s->backend->evict_whom);
	if (session_handlers(s)->backend_down)
		return whom == EVICT_ALL ? TREAT_NOW : TREAT_NOT;
	if (whom == EVICT_UNACKED && atomic_load(&s->backend->state) != BACKEND_DOWN)
		return TREAT_NOT;
	if (whom == EVICT_UNACKED && !is_unacked(s))
		return TREAT_WHEN_UNACKED;
	if (whom == EVICT_IDLE && !idle_watch_is_idle(s))
		return TREAT_WHEN_IDLE;
	return takes_its_turn(s) ? TREAT_NOW : TREAT_LATER;
}

static void evict_session(struct session *s)
{
	if (session_handlers(s)->backend_down)
		session_handlers(s)->backend_down(s);
	else if (idle_watch_is_idle(s))
		refusing_part(s, CLOSE_BACKEND_DOWN);
	else
		session_close(s, CLOSE_BACKEND_DOWN, BY_RINGMAIN);
}

static void look_again(struct host *h, uint64_t ms)
{
	const uint64_t at_ms = h->loop.now_ms + ms;

	h->evict.again_ms = h->evict.again_ms == 0 ? at_ms : MIN(h->evict.again_ms, at_ms);
}

/* False: its turn has not come, and who comes behind it waits, too. */
static bool look_at(struct host *h, struct session *s)
{
	switch (treatment_of(s)) {
	case TREAT_LATER:
		h->evict.next_ms = h->loop.now_ms + RATE_RETRY_MS;
		return false;
	case TREAT_WHEN_IDLE:
		look_again(h, BUSY_MS);
		return true;
	case TREAT_WHEN_UNACKED:
		look_again(h, ACKED_MS);
		return true;
	case TREAT_NOW:
		evict_session(s);
		return true;
	default:
		return true;
	}
}

void evict_work(struct host *h)
{
	unsigned looked = 0;

	for (; h->evict.slot < h->sessions.touched && looked < SLOTS_MAX;
	     h->evict.slot++, looked++) {
		struct session *s = slab_at(&h->sessions, h->evict.slot);

		if (s && !look_at(h, s))
			return;
	}
	if (h->evict.slot < h->sessions.touched)
		return; /* in the next turn */
	h->evict.slot = 0;
	h->evict.next_ms = h->evict.again_ms;
	h->evict.again_ms = TIMER_NEVER;
}
