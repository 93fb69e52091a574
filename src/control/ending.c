/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "control/ending.h"

#include "admin/admin.h"
#include "admin/context.h"
#include "base/log.h"
#include "io/loop.h"
#include "process/pulse.h"
#include "process/sockets.h"
#include "reload/reload.h"
#include "state/events.h"
#include "state/generation.h"
#include "state/peers.h"
#include "state/reason.h"

/* Told to end every session, workers that work need some milliseconds, on a bad day a second. */
#define STUCK_MS 5000

static void set_timer(struct ending *e, struct timer *timer, uint64_t ms)
{
	struct loop *loop = e->parts.context->loop;

	timer_set(&loop->timers, timer, loop->now_ms + ms);
}

static struct runtime *runtime_of(const struct ending *e)
{
	return e->parts.context->runtime;
}

static const struct global_config *settings_of(const struct ending *e)
{
	return &runtime_config(runtime_of(e))->global;
}

void ending_expect(struct ending *e)
{
	set_timer(e, &e->stuck, STUCK_MS);
}

/* ---- draining ------------------------------------------------------------ */

/* All sessions, those first that are idle. Without memory they end together, with the time-out. */
static void drain_sessions(struct ending *e, uint64_t timeout_ms)
{
	const struct session_filter all = { 0 };

	if (drains_start(&e->parts.context->drains, &all, timeout_ms) < 0)
		log_say(LOG_WARN, "out of memory: sessions end when drain_timeout is over");
}

static void start_draining(struct ending *e)
{
	uint64_t timeout_ms = settings_of(e)->drain_timeout_ms;

	e->state = ENDING_DRAINING;
	e->parts.context->is_accepting = false;
	if (timeout_ms > 0)
		set_timer(e, &e->drain, timeout_ms);
	admin_make_way(e->parts.admin);
	sockets_remove_files(e->parts.sockets);
	peers_order(runtime_of(e), ORDER_DRAIN);
	drain_sessions(e, timeout_ms);
}

static void on_delay(struct timer *timer)
{
	log_say(LOG_INFO, "accepting no more");
	start_draining(container_of(timer, struct ending, delay));
}

static void log_draining(const struct ending *e)
{
	const struct global_config *global = settings_of(e);
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "draining"))
		return;
	log_u64(&line, "sessions", atomic_load(&runtime_of(e)->sessions));
	if (global->drain_delay_ms > 0)
		log_u64(&line, "drain_delay_ms", global->drain_delay_ms);
	log_u64(&line, "drain_timeout_ms", global->drain_timeout_ms);
	log_text(&line, "hint", "a second signal ends all sessions now");
	log_end(&line);
}

/* It may still accept for a while, so that whoever sends clients here learns of it first. */
static void prepare_to_drain(struct ending *e)
{
	uint64_t delay_ms = settings_of(e)->drain_delay_ms;

	e->parts.context->state = "draining";
	reload_close(e->parts.context->reload, "ringmain is draining");
	log_draining(e);
	events_tell_change(EVENT_PROCESS, NULL, "draining", NULL);
	notify_stopping(&e->parts.pulse->notify);
	pulse_tell(e->parts.pulse);
	if (delay_ms == 0) {
		start_draining(e);
		return;
	}
	e->state = ENDING_DELAYED;
	set_timer(e, &e->delay, delay_ms);
}

/* ---- at once ------------------------------------------------------------- */

static void log_end_of_all(const struct ending *e, enum worker_order order)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "ending all sessions"))
		return;
	log_u64(&line, "sessions", atomic_load(&runtime_of(e)->sessions));
	log_text(&line, "reason",
		 close_reason_names[order == ORDER_STOP ? CLOSE_SHUTDOWN : CLOSE_DRAIN_TIMEOUT]);
	if (order == ORDER_STOP)
		log_text(&line, "why", "a second signal");
	log_end(&line);
}

static void end_now(struct ending *e, enum worker_order order)
{
	struct control_context *context = e->parts.context;

	if (e->state == ENDING_DELAYED)
		sockets_remove_files(e->parts.sockets);
	e->state = ENDING_NOW;
	context->state = "stopping";
	context->is_accepting = false;
	pulse_tell(e->parts.pulse);
	timer_stop(&context->loop->timers, &e->delay);
	timer_stop(&context->loop->timers, &e->drain);
	drains_stop(&context->drains);
	log_end_of_all(e, order);
	ending_expect(e);
	peers_order(runtime_of(e), order);
}

static void on_drain_timeout(struct timer *timer)
{
	end_now(container_of(timer, struct ending, drain), ORDER_DRAIN_TIMEOUT);
}

/* ---- from outside -------------------------------------------------------- */

void ending_init(struct ending *e, const struct ending_parts *parts)
{
	*e = (struct ending){ .parts = *parts };
	timer_init(&e->delay, on_delay);
	timer_init(&e->drain, on_drain_timeout);
	timer_init(&e->stuck, parts->stuck);
}

void ending_advance(struct ending *e)
{
	if (e->state == ENDING_NOT)
		prepare_to_drain(e);
	else if (e->state != ENDING_NOW)
		end_now(e, ORDER_STOP);
}
