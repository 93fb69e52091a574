/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Goes through a script, step by step. */

#include <assert.h>
#include <string.h>

#include "check/expect.h"
#include "exchange.h"
#include "expect_match.h"

struct expect {
	size_t step; /* that is waited for: the first of its group */
	struct expect_match matches[EXPECT_ALTERNATIVES_MAX];
};

static_assert(sizeof(struct expect) <= CHECK_STATE_BYTES, "there is room for it");

static struct expect *state_of(struct check_exchange *x)
{
	return (struct expect *)(void *)x->state;
}

/* One behind the last step of the group that begins at @at. */
static size_t group_end(const struct expect_script *script, size_t at)
{
	do
		at++;
	while (at < script->steps_n &&
	       (script->steps[at].kind == EXPECT_OR || script->steps[at].kind == EXPECT_ELSE));
	return at;
}

/* Sends until something is to be waited for. */
static enum check_step go_on(struct check_exchange *x, size_t at)
{
	const struct expect_script *script = x->request->script;
	struct expect *e = state_of(x);

	while (at < script->steps_n && script->steps[at].kind == EXPECT_SEND) {
		exchange_send(x, script->steps[at].bytes, script->steps[at].n);
		at++;
	}
	if (at == script->steps_n)
		return exchange_done(x, CHECK_PASSED, "answered as expected");
	CHECK(group_end(script, at) - at <= EXPECT_ALTERNATIVES_MAX);
	e->step = at;
	memset(e->matches, 0, sizeof(e->matches));
	return CHECK_STEP_MORE;
}

static enum check_step expect_begin(struct check_exchange *x)
{
	return go_on(x, 0);
}

static enum check_step matched(struct check_exchange *x, const struct expect_step *step,
			       size_t bytes)
{
	const struct exchange_quote quote = exchange_quote(x->in, bytes);

	if (step->kind == EXPECT_ELSE)
		return exchange_done(x, step->verdict, "%s: %s", step->words, quote.text);
	exchange_take(x, bytes);
	return go_on(x, group_end(x->request->script, state_of(x)->step));
}

/* How far each of the group is: which matched, and whether any still can. */
static const struct expect_step *check_expect_look(struct check_exchange *x, size_t *ret_bytes,
						   bool *ret_is_open)
{
	const struct expect_script *script = x->request->script;
	const struct expect_step *found = NULL;
	struct expect *e = state_of(x);

	*ret_is_open = false;
	for (size_t at = e->step; at < group_end(script, e->step); at++) {
		const struct expect_step *step = &script->steps[at];
		const struct expect_pattern pattern = { step->bytes, step->n, step->is_literal };
		struct expect_match *match = &e->matches[at - e->step];
		const enum parse result = expect_match(match, &pattern, x->in, x->in_bytes);

		*ret_is_open |= result != PARSE_BAD;
		if (result != PARSE_DONE || (found && *ret_bytes <= match->input_at))
			continue;
		found = step;
		*ret_bytes = match->input_at;
	}
	return found;
}

/* The one whose match ends first counts, so that it makes no difference what came when. */
static enum check_step expect_received(struct check_exchange *x)
{
	struct exchange_quote quote;
	const struct expect_step *found;
	bool is_open;
	size_t bytes;

	while ((found = check_expect_look(x, &bytes, &is_open))) {
		const enum check_step step = matched(x, found, bytes);

		if (step != CHECK_STEP_MORE || x->in_bytes == 0)
			return step;
	}
	if (is_open && x->in_bytes < sizeof(x->in))
		return CHECK_STEP_MORE;
	quote = exchange_quote(x->in, x->in_bytes);
	return exchange_done(x, CHECK_FAILED, "unexpected answer: %s", quote.text);
}

static const char *expect_awaited(const struct check_exchange *x)
{
	const struct expect *e = (const struct expect *)(const void *)x->state;
	const char *words = x->request->script->steps[e->step].words;

	return words ? words : "the expected answer";
}

const struct check_protocol check_expect = {
	.name = "expect",
	.begin = expect_begin,
	.received = expect_received,
	.awaited = expect_awaited,
};
