/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "opening/step.h"

static bool tls_connect_is_wanted(const struct opening *o)
{
	return o->tls;
}

static size_t tls_connect_wants(const struct opening *o)
{
	(void)o;
	return TLS_RECORD_BYTES;
}

static enum step_verdict tls_connect_go_on(struct opening *o)
{
	enum tls_result result = tls_stream_handshake(*o->stream);

	if (result == TLS_WANT_INPUT)
		return STEP_MORE;
	if (result == TLS_DONE)
		return STEP_NEXT;
	if (tls_stream_lacks_memory(*o->stream))
		return opening_fail(o, -ENOMEM, NULL); /* of ours, or for what it had to say */
	return opening_fail(o, -EPROTO, tls_stream_reason(*o->stream));
}

/* Its records go out by opening.send, while the library is asked. */
static enum step_verdict tls_connect_begin(struct opening *o, struct opening_answer *answer)
{
	int err = tls_stream_connect(o->tls, &o->tls_target, o->send, o->owner, o->stream);

	(void)answer;
	return err < 0 ? opening_fail(o, err, NULL) : tls_connect_go_on(o);
}

static enum step_verdict tls_connect_received(struct opening *o, const uint8_t *bytes, size_t n,
					      struct opening_answer *answer)
{
	answer->used = n;
	tls_stream_give(*o->stream, bytes, n, o->now_ms);
	return tls_connect_go_on(o);
}

const struct opening_step opening_tls_connect = {
	.name = "tls",
	.is_costly = true,
	.is_wanted = tls_connect_is_wanted,
	.wants = tls_connect_wants,
	.begin = tls_connect_begin,
	.received = tls_connect_received,
};
