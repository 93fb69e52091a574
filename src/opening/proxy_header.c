/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/check.h"
#include "opening/step.h"

static bool proxy_header_is_wanted(const struct opening *o)
{
	return o->header;
}

static enum step_verdict proxy_header_begin(struct opening *o, struct opening_answer *answer)
{
	answer->say_bytes = proxyhdr_write(o->header, answer->say, sizeof(answer->say));
	CHECK(answer->say_bytes > 0);
	return STEP_NEXT;
}

const struct opening_step opening_proxy_header = {
	.name = "proxy_header",
	.is_wanted = proxy_header_is_wanted,
	.begin = proxy_header_begin,
};
