/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/check.h"
#include "opening/step.h"

static bool proxy_header_is_wanted(const struct opening *o)
{
	return o->header;
}

static enum step_verdict proxy_header_begin(struct opening *o)
{
	uint8_t bytes[PROXYHDR_WRITE_BYTES_MAX];
	size_t n = proxyhdr_write(o->header, bytes, sizeof(bytes));
	int err;

	CHECK(n > 0);
	err = o->send(o->owner, bytes, n);
	return err < 0 ? opening_fail(o, err, NULL) : STEP_NEXT;
}

const struct opening_step opening_proxy_header = {
	.name = "proxy_header",
	.is_wanted = proxy_header_is_wanted,
	.begin = proxy_header_begin,
};
