/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "opening/step.h"

static bool tls_request_is_wanted(const struct opening *o)
{
	return o->protocol;
}

static size_t tls_request_wants(const struct opening *o)
{
	return o->protocol->answer_bytes;
}

static enum step_verdict tls_request_begin(struct opening *o)
{
	uint8_t bytes[STEP_SAY_BYTES_MAX];
	int err = o->send(o->owner, bytes, o->protocol->write_tls_request(bytes));

	return err < 0 ? opening_fail(o, err, NULL) : STEP_MORE;
}

static enum step_verdict tls_request_received(struct opening *o, const uint8_t *bytes, size_t n)
{
	const char *detail = NULL;
	enum step_verdict verdict = o->protocol->read_tls_answer(bytes, n, &detail);

	/* A fault where the pool is to have TLS; not where it was the client that asked. */
	return verdict == STEP_REFUSE ? opening_fail(o, o->tls ? -EPROTO : -EPROTONOSUPPORT, detail)
				      : verdict;
}

const struct opening_step opening_tls_request = {
	.name = "tls_request",
	.is_wanted = tls_request_is_wanted,
	.wants = tls_request_wants,
	.begin = tls_request_begin,
	.received = tls_request_received,
};
