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

static enum check_step expect_received(struct check_exchange *x)
{
	const struct expect_script *script = x->request->script;
	struct expect *e = state_of(x);
	const size_t end = group_end(script, e->step);
	size_t hopeless = 0;
	struct exchange_quote quote;

	for (size_t at = e->step; at < end; at++) {
		const struct expect_step *step = &script->steps[at];
		const struct expect_pattern pattern = { step->bytes, step->n, step->is_literal };
		struct expect_match *match = &e->matches[at - e->step];

		switch (expect_match(match, &pattern, x->in, x->in_bytes)) {
		case PARSE_DONE:
			return matched(x, step, match->input_at);
		case PARSE_BAD:
			hopeless++;
			break;
		case PARSE_MORE:
			break;
		}
	}
	if (hopeless < end - e->step && x->in_bytes < sizeof(x->in))
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
