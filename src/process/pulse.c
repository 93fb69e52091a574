/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "process/pulse.h"

#include "health/checker_thread.h"
#include "io/loop.h"
#include "state/peers.h"

#define STATUS_MS 5000

/* Workers are asked this often in the time in which a sign of life is wanted. */
#define ASKED_PER_WATCHDOG 4

/* How soon what it had no room for is said again. */
#define READY_AGAIN_MS 50

static void pulse_set(struct pulse *p, struct timer *timer, uint64_t ms)
{
	struct loop *loop = p->loop;

	timer_set(&loop->timers, timer, loop->now_ms + MAX(ms, 1));
}

void pulse_tell(struct pulse *p)
{
	const struct runtime *runtime = p->runtime;
	unsigned backends = 0, ready = 0;

	runtime_for_each_pool(runtime, n)
	{
		if (runtime_pool_leaves(runtime, n))
			continue;
		backends += (unsigned)pool_config(runtime->pools[n])->backends_n;
		ready += pool_ready(runtime->pools[n]);
	}
	notify_status(&p->notify, "%s, %u sessions, %u of %u backends ready", *p->state,
		      atomic_load(&runtime->sessions), ready, backends);
}

static void pulse_on_status(struct timer *timer)
{
	struct pulse *p = container_of(timer, struct pulse, status);

	pulse_tell(p);
	pulse_set(p, timer, STATUS_MS);
}

static bool all_have_answered(const struct pulse *p)
{
	return peers_have_answered(p->runtime) &&
	       (!p->checks || checker_thread_has_answered(p->checks));
}

static void ask_all(const struct pulse *p)
{
	peers_ask(p->runtime);
	if (p->checks)
		checker_thread_ask(p->checks);
}

static void pulse_on_watchdog(struct timer *timer)
{
	struct pulse *p = container_of(timer, struct pulse, watchdog);

	if (all_have_answered(p)) {
		notify_alive(&p->notify);
		ask_all(p);
	}
	pulse_set(p, timer, p->notify.watchdog_ms / ASKED_PER_WATCHDOG);
}

static void pulse_on_ready(struct timer *timer)
{
	pulse_ready(container_of(timer, struct pulse, ready));
}

/* Told of a reload and not of its end, a manager gives up and kills. */
void pulse_ready(struct pulse *p)
{
	timer_stop(&p->loop->timers, &p->ready);
	if (!notify_ready(&p->notify))
		pulse_set(p, &p->ready, READY_AGAIN_MS);
}

void pulse_reloading(struct pulse *p)
{
	timer_stop(&p->loop->timers, &p->ready);
	notify_reloading(&p->notify);
}

void pulse_init(struct pulse *p, struct loop *loop, struct runtime *runtime,
		struct checker_thread *checks, const char *const *state)
{
	p->loop = loop;
	p->runtime = runtime;
	p->checks = checks;
	p->state = state;
	timer_init(&p->status, pulse_on_status);
	timer_init(&p->watchdog, pulse_on_watchdog);
	timer_init(&p->ready, pulse_on_ready);
	notify_init(&p->notify);
}

void pulse_start(struct pulse *p)
{
	pulse_ready(p);
	if (p->notify.fd < 0)
		return;
	pulse_on_status(&p->status);
	if (p->notify.watchdog_ms > 0)
		pulse_on_watchdog(&p->watchdog);
}

void pulse_finish(struct pulse *p)
{
	timer_stop(&p->loop->timers, &p->status);
	timer_stop(&p->loop->timers, &p->watchdog);
	timer_stop(&p->loop->timers, &p->ready);
	notify_finish(&p->notify);
}
