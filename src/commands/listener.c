/* SPDX-License-Identifier: GPL-2.0-or-later */

/* listener: takes no new clients for a while, and goes on; answers when all workers do so. */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "state/events.h"
#include "state/peers.h"

/* What is to become of it. */
struct change {
	struct listener *listener;
	enum listener_pause pause;
	uint64_t over_ms; /* how long its sessions have until they are ended; 0: they go on */
};

static bool say_usage(struct call *call)
{
	call_fail(call, REPLY_USAGE, NULL, "usage: listener %s", call->command->form);
	return false;
}

static bool read_pause(struct call *call, struct change *change)
{
	const char *how = call->words_n > 2 ? call->words[2] : "refuse";
	const char *choices = call->command->params[2].form;

	change->pause = LISTENER_REFUSES;
	if (choice_find(choices, how) < 0)
		return call_wrong_word(call, how, choices);
	if (strcmp(how, "wait") == 0)
		change->pause = LISTENER_WAITS;
	return call_option_span(call, "over", &change->over_ms);
}

static bool read_change(struct call *call, struct change *change)
{
	const char *choices = call->command->params[1].form;

	if (!cmd_find_listener(call, call->words[0], &change->listener))
		return false;
	if (choice_find(choices, call->words[1]) < 0)
		return call_wrong_word(call, call->words[1], choices);
	if (strcmp(call->words[1], "pause") == 0)
		return read_pause(call, change);
	change->pause = LISTENER_OPEN;
	return (call->words_n == 2 && !call_option(call, "over")) || say_usage(call);
}

static void tell_change(const struct change *change)
{
	struct log_line line;

	events_tell_change(EVENT_LISTENER, change->listener->config->name,
			   change->pause == LISTENER_OPEN ? "goes on" : "pauses",
			   listener_pause_names[change->pause]);
	if (!log_begin(&line, LOG_INFO, "listener set by the operator"))
		return;
	log_text(&line, "listener", change->listener->config->name);
	log_text(&line, "pause",
		 listener_pause_names[change->pause] ? listener_pause_names[change->pause] : "no");
	log_end(&line);
}

void cmd_listener_sessions(const struct listener *listener, struct session_filter *ret)
{
	session_filter_listener(ret, listener->config->name);
}

static int end_sessions(struct drains *drains, const struct change *change)
{
	struct session_filter theirs;

	cmd_listener_sessions(change->listener, &theirs);
	if (change->over_ms > 0)
		return drains_start(drains, &theirs, change->over_ms);
	(void)drains_end(drains, &theirs);
	return 0;
}

/* Workers answer nothing but that they have taken a turn. */
static void on_session(void *owner, const struct session_facts *facts)
{
	(void)owner;
	(void)facts;
}

/* While it did not listen, anybody could at its address. */
static void on_done(void *owner)
{
	struct listener *listener;
	struct call *call = owner;

	if (!cmd_find_listener(call, call->words[0], &listener))
		return;
	if (atomic_load(&listener->cannot_listen) > 0)
		call_fail(call, REPLY_FAILED, NULL,
			  "listener %s goes on, but cannot listen: %s; it tries again",
			  listener->config->name, strerror(-atomic_load(&listener->listen_error)));
	else
		call_ok(call);
}

static void abandon(struct call *call)
{
	walk_abandon(call->work);
}

static int answer_when_done(struct call *call)
{
	static const struct walk_events events = { on_session, on_done };
	const struct session_filter nobody = { 0 };

	call->work = walk_start(&call->context->walks, QUERY_TURN, &nobody, &events, call);
	call->abandon = abandon;
	return call->work ? 0 : -ENOMEM;
}

/* Fails the call when it does not. */
static bool is_accepting(struct call *call)
{
	if (call->context->is_accepting)
		return true;
	call_fail(call, REPLY_FAILED, NULL, "ringmain is %s: its listeners take nobody",
		  call->context->state);
	return false;
}

void cmd_listener(struct call *call)
{
	struct change change = { 0 };
	int err;

	if (!read_change(call, &change) || !is_accepting(call))
		return;
	peers_pause(call->context->runtime, change.listener, change.pause);
	tell_change(&change);
	err = end_sessions(&call->context->drains, &change);
	if (err == 0)
		err = answer_when_done(call);
	if (err < 0)
		call_fail(call, REPLY_FAILED, NULL, "%s", strerror(-err));
}
