/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "relay/tls_io.h"

#include "base/check.h"
#include "session/early_bytes.h"
#include "session/exit.h"
#include "session/host.h"
#include "tls/stream.h"

/* Why, for the log. */
static enum tls_io tls_io_fail(struct side *side, const char *why)
{
	struct session *s = side_session(side);

	if (!session_is_ending(s))
		s->detail = why;
	return tls_stream_lacks_memory(side->tls) ? TLS_IO_NO_MEMORY : TLS_IO_FAILED;
}

/* One call into the library. */
static enum tls_result decrypt_some(struct side *side, struct buf_queue *plain, bool *ret_no_memory)
{
	struct session *s = side_session(side);
	struct buf *buf = early_buffer(s, TLS_RECORD_BYTES);
	enum tls_result result;
	size_t n;

	*ret_no_memory = !buf;
	if (!buf)
		return TLS_WANT_INPUT;
	result = tls_stream_read(side->tls, buf->bytes, MIN(buf->size, TLS_RECORD_BYTES), &n);
	buf->end = (uint32_t)n;
	if (n > 0)
		buf_queue_append(plain, buf);
	else
		buf_put(&s->host->loop.bufs, buf);
	return result;
}

enum tls_io tls_io_read(struct side *side, const void *bytes, size_t n, struct buf_queue *plain)
{
	enum tls_result result;
	bool no_memory;

	if (n > 0)
		tls_stream_give(side->tls, bytes, n, side_session(side)->host->loop.now_ms);
	do
		result = decrypt_some(side, plain, &no_memory);
	while (result == TLS_DONE);
	if (no_memory)
		return TLS_IO_NO_MEMORY;
	if (result == TLS_CLOSED)
		return TLS_IO_CLOSED;
	return result == TLS_FAILED ? tls_io_fail(side, tls_stream_reason(side->tls)) : TLS_IO_MORE;
}

enum tls_io tls_io_write(struct side *side, struct buf *buf)
{
	enum tls_result result =
		tls_stream_write(side->tls, buf->bytes + buf->start, buf_filled(buf));

	buf_put(&side_session(side)->host->loop.bufs, buf);
	return result == TLS_DONE ? TLS_IO_MORE : tls_io_fail(side, tls_stream_reason(side->tls));
}

enum tls_io tls_io_close(struct side *side)
{
	if (side->is_tls_closed)
		return TLS_IO_MORE;
	side->is_tls_closed = true;
	if (tls_stream_close(side->tls) == TLS_DONE || !tls_stream_lacks_memory(side->tls))
		return TLS_IO_MORE; /* else it has failed already: nothing to say */
	return tls_io_fail(side, tls_stream_reason(side->tls));
}
