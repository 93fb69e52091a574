/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

/* For tests of the TLS floor: a client and a server joined in memory. */

#include "base/def.h"
#include "tls/client.h"
#include "tls/library.h"
#include "tls/server.h"
#include "tls/stream.h"

#include <stdlib.h>
#include <string.h>

/* With WOLFSSL=system: it lacks checks, and alerts, that some tests look for. */
static inline bool kit_library_is_packaged(void)
{
	return tls_library_cost() != NULL;
}

/* What has been sent to a stream and what it has been given of that. */
struct kit_side {
	struct tls_stream *stream;
	uint8_t *inbox;
	size_t inbox_n;
	uint8_t *span;
	size_t sent;     /* by it, in all */
	uint64_t now_ms; /* of its clock */
	struct kit_side *peer;
};

struct kit_pair {
	struct kit_side client, server;
	size_t chunk; /* bytes given at a time; 0: all */
};

static inline int kit_send(void *owner, const void *bytes, size_t n)
{
	struct kit_side *self = owner, *to = self->peer;
	uint8_t *inbox = realloc(to->inbox, to->inbox_n + n);

	if (!inbox)
		return -1;
	memcpy(inbox + to->inbox_n, bytes, n);
	to->inbox = inbox;
	to->inbox_n += n;
	self->sent += n;
	return 0;
}

static inline void kit_join(struct kit_pair *p)
{
	p->client.peer = &p->server;
	p->server.peer = &p->client;
}

/* Gives a side the next piece of its inbox. False: there is nothing. */
static inline bool kit_give(struct kit_pair *p, struct kit_side *side)
{
	size_t n = side->inbox_n;

	if (tls_stream_input_left(side->stream) > 0)
		return true;
	if (n == 0)
		return false;
	if (p->chunk > 0)
		n = MIN(n, p->chunk);
	free(side->span);
	side->span = malloc(n);
	memcpy(side->span, side->inbox, n);
	side->inbox_n -= n;
	memmove(side->inbox, side->inbox + n, side->inbox_n);
	tls_stream_give(side->stream, side->span, n, side->now_ms);
	return true;
}

/* One side goes on as far as its inbox allows. */
static inline enum tls_result kit_step(struct kit_pair *p, struct kit_side *side)
{
	enum tls_result result = tls_stream_handshake(side->stream);

	while (result == TLS_WANT_INPUT && kit_give(p, side))
		result = tls_stream_handshake(side->stream);
	return result;
}

struct kit_outcome {
	enum tls_result client, server;
};

/* Both until they are done or nothing moves. */
static inline struct kit_outcome kit_handshake(struct kit_pair *p)
{
	struct kit_outcome o = { TLS_WANT_INPUT, TLS_WANT_INPUT };

	for (unsigned i = 0; i < 10; i++) {
		if (o.client == TLS_WANT_INPUT)
			o.client = kit_step(p, &p->client);
		if (o.server == TLS_WANT_INPUT)
			o.server = kit_step(p, &p->server);
	}
	return o;
}

/* Reads all that has been sent to a side; what ended it. */
static inline enum tls_result kit_read(struct kit_pair *p, struct kit_side *side, void *out,
				       size_t size, size_t *ret_n)
{
	enum tls_result result;
	size_t n;

	*ret_n = 0;
	do {
		kit_give(p, side);
		result = tls_stream_read(side->stream, (uint8_t *)out + *ret_n, size - *ret_n, &n);
		*ret_n += n;
	} while (*ret_n < size &&
		 (result == TLS_DONE || (result == TLS_WANT_INPUT && side->inbox_n > 0)));
	return result;
}

static inline void kit_part(struct kit_pair *p)
{
	tls_stream_destroy(p->client.stream);
	tls_stream_destroy(p->server.stream);
	free(p->client.inbox);
	free(p->server.inbox);
	free(p->client.span);
	free(p->server.span);
	memset(p, 0, sizeof(*p));
}

#endif
