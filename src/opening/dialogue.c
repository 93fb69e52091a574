/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the protocol says and hears in clear: round by round, until the backend is ready for TLS. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "opening/step.h"

static bool dialogue_is_wanted(const struct opening *o)
{
	return o->protocol;
}

static size_t dialogue_wants(const struct opening *o)
{
	return o->protocol->answer_bytes;
}

/* A fault where the pool is to have TLS; not where it was the client that asked. */
static enum step_verdict dialogue_refuse(struct opening *o, const char *detail)
{
	return opening_fail(o, o->wants_tls && !o->tls ? -EPROTONOSUPPORT : -EPROTO, detail);
}

static enum step_verdict dialogue_round(struct opening *o, const uint8_t *bytes, size_t n,
					struct opening_answer *ret)
{
	const struct protocol_round in = {
		.memory = o->memory,
		.wants_tls = o->wants_tls,
		.bytes = bytes,
		.n = n,
	};
	struct step_answer answer = { 0 };
	enum step_verdict verdict = o->protocol->open_backend(&in, &answer);

	CHECK(verdict != STEP_READY);
	if (verdict == STEP_REFUSE)
		return dialogue_refuse(o, answer.detail);
	ret->used = answer.used;
	ret->say_bytes = answer.say_bytes;
	memcpy(ret->say, answer.say, answer.say_bytes);
	return verdict;
}

static enum step_verdict dialogue_begin(struct opening *o, struct opening_answer *answer)
{
	*o->memory = (struct step_memory){ 0 };
	return dialogue_round(o, NULL, 0, answer);
}

static enum step_verdict dialogue_received(struct opening *o, const uint8_t *bytes, size_t n,
					   struct opening_answer *answer)
{
	enum step_verdict verdict = dialogue_round(o, bytes, n, answer);

	if (verdict == STEP_NEXT && answer->used < n)
		return dialogue_refuse(o, "the backend said more than it was asked");
	return verdict;
}

const struct opening_step opening_dialogue = {
	.name = "dialogue",
	.is_wanted = dialogue_is_wanted,
	.wants = dialogue_wants,
	.begin = dialogue_begin,
	.received = dialogue_received,
};
