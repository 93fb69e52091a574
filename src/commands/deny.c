/* SPDX-License-Identifier: GPL-2.0-or-later */

/* deny: keeps clients out for a while. */

#include "base/log.h"
#include "base/text.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "io/loop.h"

static void bans_on_timer(struct timer *timer)
{
	struct control_context *x = container_of(timer, struct control_context, bans_timer);
	uint64_t next_ms = bans_expire(&x->runtime->bans, x->loop->now_ms);

	if (next_ms > 0)
		timer_set(&x->loop->timers, &x->bans_timer, next_ms);
}

void cmd_deny_init(struct control_context *context)
{
	timer_init(&context->bans_timer, bans_on_timer);
}

static void list_bans(struct call *call)
{
	const struct control_context *x = call->context;
	const struct bans *bans = &x->runtime->bans; /* this thread alone changes them */
	char text[ADDR_BLOCK_TEXT_BYTES];

	for (unsigned n = 0; n < bans->n; n++) {
		const struct ban *ban = &bans->all[n];

		reply_row(call->reply, "ban");
		reply_text(call->reply, "client", addr_block_format(&ban->block, text));
		reply_text(call->reply, "listener", ban->listener[0] ? ban->listener : NULL);
		reply_u64(call->reply, "ends_ms",
			  ban->until_ms - MIN(ban->until_ms, x->loop->now_ms));
		reply_row_end(call->reply);
	}
	call_ok(call);
}

static bool read_block(struct call *call, struct ban *ban)
{
	char text[ADDR_BLOCK_TEXT_BYTES];
	const char *why;

	if (addr_block_parse(call->words[0], &ban->block, &why))
		return true;
	call_fail(call, REPLY_USAGE, addr_block_suggest(call->words[0], text), "%s", why);
	return false;
}

static bool read_listener(struct call *call, struct ban *ban)
{
	const char *name = call_option(call, "listener");
	struct listener *listener;

	return !name || (cmd_find_listener(call, name, &listener) &&
			 text_copy(ban->listener, sizeof(ban->listener), name));
}

static void ban(struct call *call, struct ban *ban)
{
	struct control_context *x = call->context;
	uint64_t ms = 0;

	if (!call_option_ms(call, "for", &ms))
		return;
	if (ms == 0) {
		call_fail(call, REPLY_USAGE, NULL,
			  "deny: for how long? --for 1h; for good: deny "
			  "in the configuration");
		return;
	}
	ban->until_ms = x->loop->now_ms + ms;
	if (!bans_add(&x->runtime->bans, ban)) {
		call_fail(call, REPLY_FAILED, NULL, "there are %d already", BANS_MAX);
		return;
	}
	bans_on_timer(&x->bans_timer);
	call_ok(call);
}

void cmd_deny(struct call *call)
{
	struct ban wanted = { 0 };

	if (call->words_n == 0) {
		list_bans(call);
		return;
	}
	if (!read_block(call, &wanted) || !read_listener(call, &wanted))
		return;
	if (!call_option(call, "undo"))
		ban(call, &wanted);
	else if (bans_remove(&call->context->runtime->bans, &wanted))
		call_ok(call);
	else
		call_fail(call, REPLY_UNKNOWN, NULL, "it was not denied here");
}
