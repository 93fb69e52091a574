/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "opening/opening.h"

#include "base/check.h"

static const struct opening_step *const steps[] = {
	&opening_proxy_header,
	&opening_dialogue,
	&opening_tls_connect,
};

/* What a step has to say is said before its verdict counts. */
static enum step_verdict opening_say(struct opening *o, const struct opening_answer *answer,
				     enum step_verdict verdict)
{
	int err = 0;

	if (verdict != STEP_REFUSE && answer->say_bytes > 0)
		err = o->send(o->owner, answer->say, answer->say_bytes);
	return err < 0 ? opening_fail(o, err, NULL) : verdict;
}

static void opening_answer_init(struct opening_answer *answer)
{
	answer->used = answer->say_bytes = 0; /* and not all that could be said */
}

/* Begins the steps from @step on, until one wants to hear something. */
static enum step_verdict opening_begin_steps(struct opening *o, uint8_t *step)
{
	struct opening_answer answer;
	enum step_verdict verdict;

	for (; *step < ARRAY_LEN(steps); (*step)++) {
		if (!steps[*step]->is_wanted(o))
			continue;
		opening_answer_init(&answer);
		verdict = opening_say(o, &answer, steps[*step]->begin(o, &answer));
		if (verdict != STEP_NEXT)
			return verdict;
	}
	return STEP_READY;
}

/* A step hears what has come, until it wants more than that. */
static enum step_verdict opening_hear(struct opening *o, const struct opening_step *step,
				      const uint8_t *bytes, size_t n)
{
	enum step_verdict verdict = STEP_MORE;
	struct opening_answer answer;

	while (verdict == STEP_MORE && n > 0) {
		opening_answer_init(&answer);
		verdict = opening_say(o, &answer, step->received(o, bytes, n, &answer));
		CHECK(answer.used <= n && (answer.used > 0 || verdict != STEP_MORE));
		bytes += answer.used;
		n -= answer.used;
	}
	return verdict;
}

enum step_verdict opening_start(struct opening *o, uint8_t *ret_step)
{
	*ret_step = 0;
	return opening_begin_steps(o, ret_step);
}

enum step_verdict opening_received(struct opening *o, uint8_t *step, const void *bytes, size_t n)
{
	enum step_verdict verdict;

	CHECK(*step < ARRAY_LEN(steps));
	verdict = opening_hear(o, steps[*step], bytes, n);
	if (verdict != STEP_NEXT)
		return verdict;
	(*step)++;
	return opening_begin_steps(o, step);
}

size_t opening_wants(const struct opening *o, uint8_t step)
{
	CHECK(step < ARRAY_LEN(steps));
	return steps[step]->wants(o);
}

bool opening_is_costly(uint8_t step)
{
	return step < ARRAY_LEN(steps) && steps[step]->is_costly;
}
