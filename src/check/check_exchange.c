/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/check_exchange.h"

#include <errno.h>
#include <string.h>

#include "exchange.h"

enum check_step check_begin(struct check_exchange *x, const struct check_request *request,
			    const struct check_start *start)
{
	x->request = request;
	x->channel = start->channel;
	x->facts = (struct check_facts){ .verdict = CHECK_FAILED };
	x->step = CHECK_STEP_MORE;
	memcpy(x->random, start->random, sizeof(x->random));
	x->received = x->skip = x->in_bytes = x->out_bytes = 0;
	memset(x->state, 0, sizeof(x->state));
	x->step = request->protocol->begin(x);
	return x->step;
}

enum check_step check_secured(struct check_exchange *x, const struct check_channel *channel)
{
	CHECK(x->step == CHECK_STEP_TLS);
	x->channel = *channel;
	x->step = CHECK_STEP_MORE;
	x->step = x->request->protocol->secured(x);
	return x->step;
}

/* Takes of @bytes what there is room for; returns how many. */
static size_t fill(struct check_exchange *x, const uint8_t *bytes, size_t n)
{
	const size_t skipped = MIN(n, x->skip);
	const size_t took = MIN(n - skipped, sizeof(x->in) - x->in_bytes);

	x->skip -= skipped;
	memcpy(x->in + x->in_bytes, bytes + skipped, took);
	x->in_bytes += took;
	return skipped + took;
}

/* The protocol's turn: until it wants what is not there. */
static void digest(struct check_exchange *x)
{
	size_t before;

	do {
		before = x->in_bytes;
		x->step = x->request->protocol->received(x);
	} while (x->step == CHECK_STEP_MORE && x->in_bytes > 0 && x->in_bytes < before);
}

/* It goes no further; true: what there was of it is enough. */
static bool is_enough(struct check_exchange *x)
{
	if (x->step == CHECK_STEP_MORE && x->request->protocol->cut_short)
		x->step = x->request->protocol->cut_short(x);
	return x->step == CHECK_STEP_DONE;
}

static enum check_step refuse_more(struct check_exchange *x, const char *what, unsigned max)
{
	if (is_enough(x))
		return x->step;
	return exchange_done(x, CHECK_FAILED, "sent %s than %u bytes", what, max);
}

enum check_step check_receive(struct check_exchange *x, const uint8_t *bytes, size_t n)
{
	CHECK(x->step == CHECK_STEP_MORE);
	if (n > CHECK_RECEIVED_BYTES_MAX - x->received)
		return refuse_more(x, "more", CHECK_RECEIVED_BYTES_MAX);
	x->received += n;
	while (n > 0 && x->step == CHECK_STEP_MORE) {
		const size_t took = fill(x, bytes, n);

		if (took == 0)
			return refuse_more(x, "a message of more", CHECK_IN_BYTES);
		bytes += took;
		n -= took;
		if (x->in_bytes > 0)
			digest(x);
	}
	/* What came in clear behind the last word before TLS was put there by somebody else. */
	if (x->step == CHECK_STEP_TLS && (n > 0 || x->in_bytes > 0)) {
		x->step = CHECK_STEP_MORE;
		return exchange_done(x, CHECK_FAILED, "sent clear text before TLS had begun");
	}
	return x->step;
}

void check_sent(struct check_exchange *x)
{
	x->out_bytes = 0;
}

static const char *awaited(const struct check_exchange *x)
{
	return x->step == CHECK_STEP_TLS ? "TLS" : x->request->protocol->awaited(x);
}

void check_ended(struct check_exchange *x, int err)
{
	const char *how = err == 0 ? "closed" : err == -ECONNRESET ? "reset" : "lost";

	if (x->step == CHECK_STEP_DONE)
		return;
	if (err == 0 && x->step == CHECK_STEP_MORE && x->request->protocol->ended)
		x->step = x->request->protocol->ended(x);
	x->out_bytes = 0;
	if (!is_enough(x))
		exchange_done(x, CHECK_FAILED, "connection %s before %s", how, awaited(x));
}

void check_broken(struct check_exchange *x, const char *why)
{
	if (x->step == CHECK_STEP_DONE)
		return;
	x->out_bytes = 0;
	exchange_done(x, CHECK_FAILED, "TLS: %s, before %s", why, awaited(x));
}

void check_late(struct check_exchange *x)
{
	if (x->step == CHECK_STEP_DONE)
		return;
	x->out_bytes = 0;
	if (is_enough(x))
		return;
	exchange_done(x, CHECK_FAILED, "no answer in time: waited for %s", awaited(x));
	x->facts.is_silent = true;
}

void check_finish(struct check_exchange *x)
{
	explicit_bzero(x->out, sizeof(x->out));
	explicit_bzero(x->state, sizeof(x->state));
}
