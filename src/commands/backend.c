/* SPDX-License-Identifier: GPL-2.0-or-later */

/* backend: what the operator sets of one. */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"

#define WEIGHT_MAX 256

/* In the order of the words that the command takes. */
static const enum backend_state states[] = { BACKEND_READY, BACKEND_DRAIN, BACKEND_MAINT,
					     BACKEND_DOWN };

/* What is to become of it. */
struct change {
	struct pool *pool;
	struct backend *backend;
	int choice; /* of the words: below ARRAY_LEN(states) a state, behind them a weight */
	uint64_t weight, ms;
	uint64_t over_ms; /* how long its sessions have until they are ended; 0: they go on */
};

static bool read_weight(struct call *call, struct change *change)
{
	if (change->choice < (int)ARRAY_LEN(states)) {
		if (call->words_n < 3)
			return true;
		call_fail(call, REPLY_USAGE, NULL, "there is nothing to say behind '%s'",
			  call->words[1]);
		return false;
	}
	if (call->words_n < 3 || !text_to_u64(call->words[2], &change->weight) ||
	    change->weight > WEIGHT_MAX) {
		call_fail(call, REPLY_USAGE, NULL, "a weight is a number, 0 to %d", WEIGHT_MAX);
		return false;
	}
	return true;
}

static bool read_over(struct call *call, struct change *change)
{
	bool is_out = change->choice > 0 && change->choice < (int)ARRAY_LEN(states);

	if (!call_option_span(call, "over", &change->over_ms))
		return false;
	if (!call_option(call, "over") || is_out)
		return true;
	call_fail(call, REPLY_USAGE, NULL,
		  "--over is a time, for drain, maint and down: sessions end within it");
	return false;
}

static bool read_change(struct call *call, struct change *change)
{
	const char *choices = call->command->params[1].form;

	if (!cmd_find_backend(call, call->words[0], &change->pool, &change->backend))
		return false;
	change->choice = choice_find(choices, call->words[1]);
	if (change->choice < 0)
		return call_wrong_word(call, call->words[1], choices);
	return read_weight(call, change) && call_option_span(call, "for", &change->ms) &&
	       read_over(call, change);
}

static int apply(struct overrides *overrides, const struct change *change)
{
	if (change->choice < (int)ARRAY_LEN(states))
		return overrides_set_state(overrides, change->pool, change->backend,
					   states[change->choice], change->ms);
	return overrides_set_weight(overrides, change->pool, change->backend,
				    (unsigned)change->weight, change->ms);
}

/* A new state also ends what was begun for the one before. */
static int end_sessions(struct drains *drains, const struct change *change)
{
	struct session_filter theirs = { 0 };

	if (change->choice >= (int)ARRAY_LEN(states))
		return 0;
	cmd_backend_sessions(change->pool, change->backend, &theirs);
	if (change->over_ms > 0)
		return drains_start(drains, &theirs, change->over_ms);
	(void)drains_end(drains, &theirs);
	return 0;
}

/* What was set of one that a reload has taken away can be undone, nothing else. */
static bool undo_absent(struct call *call)
{
	return call->words_n == 2 &&
	       choice_find(call->command->params[1].form, call->words[1]) == 0 &&
	       overrides_undo_absent(&call->context->overrides, call->words[0]);
}

void cmd_backend(struct call *call)
{
	struct change change = { 0 };
	int err;

	if (undo_absent(call)) {
		call_ok(call);
		return;
	}

	if (!read_change(call, &change))
		return;
	err = apply(&call->context->overrides, &change);
	if (err == 0)
		err = end_sessions(&call->context->drains, &change);
	if (err == 0)
		call_ok(call);
	else
		call_fail(call, REPLY_FAILED, NULL, "%s",
			  err == -ENOSPC ? "there are too many overrides already" : strerror(-err));
}
