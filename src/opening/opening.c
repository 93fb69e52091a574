/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "opening/opening.h"

#include "base/check.h"

static const struct opening_step *const steps[] = {
	&opening_proxy_header,
	&opening_dialogue,
	&opening_tls_connect,
};

/* Begins the steps from @step on, until one wants to hear something. */
static enum step_verdict opening_begin_steps(struct opening *o, uint8_t *step)
{
	for (; *step < ARRAY_LEN(steps); (*step)++) {
		enum step_verdict verdict;

		if (!steps[*step]->is_wanted(o))
			continue;
		verdict = steps[*step]->begin(o);
		if (verdict != STEP_NEXT)
			return verdict;
	}
	return STEP_READY;
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
	verdict = steps[*step]->received(o, bytes, n);
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
