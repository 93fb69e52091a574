/* SPDX-License-Identifier: GPL-2.0-or-later */

/* follow and trace: what happens, as it happens, until the client leaves. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "io/loop.h"
#include "state/events.h"

#define LOOK_MS 100
/* After one look: the main thread has other work, too. */
#define EVENTS_PER_LOOK 2000
/* A client that does not read loses what would come to more than this. */
#define UNREAD_BYTES_MAX (1u << 20)

struct follower {
	struct list node;
	struct call *call;
	bool is_trace;
	struct addr_block clients; /* of a trace, or of a follower who named some */
	bool has_clients;
	uint64_t until_ms; /* 0: for good */
	uint64_t lost;
};

/* ---- rows ---------------------------------------------------------------- */

static void tell_time(struct reply *r, uint64_t ago_ms)
{
	char text[sizeof("2026-11-26T01:02:03")], whole[sizeof(text) + 8];
	struct timespec now;
	uint64_t wall_ms;
	time_t second;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - ago_ms;
	second = (time_t)(wall_ms / 1000);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
	snprintf(whole, sizeof(whole), "%s.%03uZ", text, (unsigned)(wall_ms % 1000));
	reply_text(r, "time", whole);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void tell_session(struct reply *r, const struct event *e)
{
	char text[ADDR_TEXT_BYTES];
	struct addr client;

	addr_lengthen(&client, &e->client);
	reply_u64(r, "id", e->id);
	reply_text(r, "client", addr_format(&client, text));
	reply_text(r, "listener", e->listener);
}

static bool is_of_session(const struct event *e)
{
	return e->kind <= EVENT_SESSION_ENDED;
}

static void tell_numbers(struct reply *r, const struct event *e)
{
	if (e->kind == EVENT_SESSION_BEGAN || !is_of_session(e))
		return;
	reply_u64(r, "age_ms", e->age_ms);
	reply_u64(r, "bytes_up", e->bytes[0]);
	reply_u64(r, "bytes_down", e->bytes[1]);
}

static void follow_tell(struct follower *f, const struct event *e)
{
	static const char *const kinds[EVENT_KINDS] = {
		[EVENT_SESSION_BEGAN] = "began", [EVENT_SESSION_STEP] = "step",
		[EVENT_SESSION_ENDED] = "ended", [EVENT_BACKEND] = "backend",
		[EVENT_LISTENER] = "listener",   [EVENT_PROCESS] = "process",
	};
	struct reply *r = f->call->reply;
	uint64_t now_ms = f->call->context->loop->now_ms;

	reply_row(r, "event");
	tell_time(r, now_ms - MIN(e->at_ms, now_ms));
	reply_text(r, "event", kinds[e->kind]);
	if (is_of_session(e))
		tell_session(r, e);
	else
		reply_text(r, "listener", or_null(e->listener));
	reply_text(r, "pool", or_null(e->pool));
	reply_text(r, "backend", or_null(e->backend));
	if (e->kind == EVENT_SESSION_STEP)
		reply_text(r, "step", e->what);
	else if (e->kind != EVENT_SESSION_BEGAN)
		reply_text(r, is_of_session(e) ? "reason" : "change", e->what);
	reply_text(r, e->kind == EVENT_BACKEND ? "state" : "by", e->by);
	reply_text(r, "detail", or_null(e->detail));
	tell_numbers(r, e);
	reply_row_end(r);
}

static void tell_lost(struct follower *f)
{
	struct reply *r = f->call->reply;

	reply_row(r, "event");
	tell_time(r, 0);
	reply_text(r, "event", "lost");
	reply_u64(r, "events", f->lost);
	reply_row_end(r);
	f->lost = 0;
}

/* ---- who gets what ------------------------------------------------------- */

static bool is_for(const struct follower *f, const struct event *e)
{
	struct addr client;

	if (!is_of_session(e))
		return !f->is_trace;
	if (e->kind == EVENT_SESSION_STEP && !f->is_trace)
		return false;
	if (!f->has_clients)
		return true;
	addr_lengthen(&client, &e->client);
	return e->client.len > 0 && addr_block_has(&f->clients, &client);
}

static void give(struct follower *f, const struct event *e)
{
	if (reply_waiting(f->call->reply) > UNREAD_BYTES_MAX) {
		f->lost++;
		return;
	}
	if (f->lost > 0)
		tell_lost(f);
	follow_tell(f, e);
}

static void give_to_all(struct control_context *x, const struct event *e)
{
	list_for_each(node, &x->followers) {
		struct follower *f = container_of(node, struct follower, node);

		if (is_for(f, e))
			give(f, e);
	}
}

static void note_lost(struct control_context *x)
{
	uint64_t lost = events_take_lost();

	list_for_each(node, &x->followers)
		container_of(node, struct follower, node)->lost += lost;
}

/* ---- the end ------------------------------------------------------------- */

static void follower_free(struct follower *f)
{
	struct control_context *x = f->call->context;

	if (f->is_trace)
		events_untrace(&f->clients);
	events_unwatch();
	list_remove(&f->node);
	if (list_is_empty(&x->followers))
		timer_stop(&x->loop->timers, &x->follow_timer);
	free(f);
}

static void follower_abandon(struct call *call)
{
	follower_free(call->work);
}

/* Sends what there is, or ends the ones whose time is over. */
static void follower_turn(struct follower *f)
{
	struct call *call = f->call;

	if (f->lost > 0 && reply_waiting(call->reply) <= UNREAD_BYTES_MAX)
		tell_lost(f);
	if (f->until_ms == 0 || call->context->loop->now_ms < f->until_ms) {
		call->wrote(call);
		return;
	}
	follower_free(f);
	call_ok(call);
}

static void on_look(struct timer *timer)
{
	struct control_context *x = container_of(timer, struct control_context, follow_timer);
	struct list *next;
	struct event e;

	timer_set(&x->loop->timers, &x->follow_timer, x->loop->now_ms + LOOK_MS);
	for (int n = 0; n < EVENTS_PER_LOOK && events_take(&e); n++)
		give_to_all(x, &e);
	note_lost(x);
	for (struct list *node = x->followers.next; node != &x->followers; node = next) {
		next = node->next;
		follower_turn(container_of(node, struct follower, node));
	}
}

/* ---- the commands -------------------------------------------------------- */

void cmd_follow_init(struct control_context *context)
{
	list_init(&context->followers);
	timer_init(&context->follow_timer, on_look);
}

static bool read_options(struct call *call, struct follower *f)
{
	const char *typed = call_option(call, "client"), *why;
	char text[ADDR_BLOCK_TEXT_BYTES];
	uint64_t ms = 0;

	if (!call_option_span(call, "for", &ms))
		return false;
	f->until_ms = ms > 0 ? call->context->loop->now_ms + ms : 0;
	f->has_clients = typed != NULL;
	if (!typed || addr_block_parse(typed, &f->clients, &why))
		return true;
	call_fail(call, REPLY_USAGE, addr_block_suggest(typed, text), "--client: %s", why);
	return false;
}

static int start_watching(const struct follower *f)
{
	int err = events_watch();

	if (err < 0 || !f->is_trace)
		return err;
	err = events_trace(&f->clients);
	if (err < 0)
		events_unwatch();
	return err;
}

static void follow_begin(struct call *call, bool is_trace)
{
	struct control_context *x = call->context;
	struct follower *f = calloc(1, sizeof(*f));
	int err;

	if (!f) {
		call_fail(call, REPLY_FAILED, NULL, "out of memory");
		return;
	}
	*f = (struct follower){ .call = call, .is_trace = is_trace };
	if (!read_options(call, f)) {
		free(f);
		return;
	}
	err = start_watching(f);
	if (err < 0) {
		free(f);
		call_fail(call, REPLY_FAILED, NULL, "%s",
			  err == -ENOSPC ? "there are too many traces already" : strerror(-err));
		return;
	}
	if (list_is_empty(&x->followers))
		timer_set(&x->loop->timers, &x->follow_timer, x->loop->now_ms + LOOK_MS);
	list_append(&x->followers, &f->node);
	call->work = f;
	call->abandon = follower_abandon;
}

void cmd_follow(struct call *call)
{
	follow_begin(call, false);
}

void cmd_trace(struct call *call)
{
	if (call_option(call, "client"))
		follow_begin(call, true);
	else
		call_fail(call, REPLY_USAGE, NULL, "trace: whom? --client CIDR");
}
