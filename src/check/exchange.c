/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum check_step exchange_done(struct check_exchange *x, enum check_verdict verdict,
			      const char *format, ...)
{
	va_list args;

	CHECK(x->step != CHECK_STEP_DONE);
	if (verdict != CHECK_PASSED) /* what it said before does not count */
		x->facts = (struct check_facts){ .verdict = verdict };
	va_start(args, format);
	vsnprintf(x->facts.words, sizeof(x->facts.words), format, args);
	va_end(args);
	x->facts.verdict = verdict;
	x->step = CHECK_STEP_DONE;
	return x->step;
}

bool exchange_may_send_password(const struct check_exchange *x)
{
	const struct check_channel *channel = &x->channel;

	return channel->is_local || (channel->is_tls && channel->is_verified);
}

enum check_step exchange_keep_password(struct check_exchange *x)
{
	return exchange_done(x, CHECK_OWN_FAULT,
			     "it asks for the password in clear, which is only sent "
			     "inside verified TLS or over a unix socket");
}

void exchange_say(struct check_exchange *x, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(x->facts.words, sizeof(x->facts.words), format, args);
	va_end(args);
}

void exchange_send(struct check_exchange *x, const void *bytes, size_t n)
{
	CHECK(n <= sizeof(x->out) - x->out_bytes);
	if (n == 0)
		return;
	memcpy(x->out + x->out_bytes, bytes, n);
	x->out_bytes += n;
}

void exchange_send_byte(struct check_exchange *x, uint8_t byte)
{
	exchange_send(x, &byte, 1);
}

void exchange_take(struct check_exchange *x, size_t n)
{
	const size_t here = MIN(n, x->in_bytes);

	x->in_bytes -= here;
	memmove(x->in, x->in + here, x->in_bytes);
	CHECK(x->skip == 0);
	x->skip = n - here;
}

bool exchange_has(const struct check_exchange *x, size_t n, size_t *ret_n)
{
	*ret_n = MIN(n, sizeof(x->in));
	return x->in_bytes >= *ret_n;
}

struct exchange_quote exchange_quote(const void *bytes, size_t n)
{
	const char *from = bytes;
	struct exchange_quote quote;
	size_t kept = 0;

	for (size_t i = 0; i < n && kept < sizeof(quote.text) - 1 && from[i] != '\0'; i++)
		quote.text[kept++] = from[i] == '\n' || from[i] == '\r' ? ' ' : from[i];
	while (kept > 0 && quote.text[kept - 1] == ' ')
		kept--;
	quote.text[kept] = '\0';
	return quote;
}
