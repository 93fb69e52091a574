/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNIT_CHECK_BED_H
#define UNIT_CHECK_BED_H

/*
 * For tests of the checks' protocols: a server whose part is written down,
 * and that says it in pieces of any size.
 */

#include "base/def.h"
#include "check/check_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A literal with its size, without the zero that C adds. */
#define LITERAL(text) text, sizeof(text) - 1

/* The server says something; then the client has said something. */
struct turn {
	const char *server;
	size_t server_n;
	const char *client; /* NULL: whatever */
	size_t client_n;
};

struct talk {
	struct check_exchange x;
	enum check_step step;
	uint8_t said[8192]; /* by the client, since it was looked at last */
	size_t said_n;
};

static inline void talk_take(struct talk *t)
{
	assert_true(t->said_n + t->x.out_bytes <= sizeof(t->said));
	memcpy(t->said + t->said_n, t->x.out, t->x.out_bytes);
	t->said_n += t->x.out_bytes;
	check_sent(&t->x);
}

static inline void talk_begin(struct talk *t, const struct check_request *request,
			      const struct check_channel *channel)
{
	struct check_start start = { .random = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
						 15, 16, 17 } };

	if (channel)
		start.channel = *channel;
	memset(t, 0xa5, sizeof(*t)); /* nothing may depend on what was there before */
	t->said_n = 0;
	t->step = check_begin(&t->x, request, &start);
	talk_take(t);
}

/* From memory of exactly that size, so that a sanitizer sees more. */
static inline void talk_hear(struct talk *t, const char *bytes, size_t n, size_t piece)
{
	while (n > 0 && t->step == CHECK_STEP_MORE) {
		const size_t took = MIN(n, piece);
		uint8_t *copy = malloc(took);

		memcpy(copy, bytes, took);
		t->step = check_receive(&t->x, copy, took);
		free(copy);
		talk_take(t);
		bytes += took;
		n -= took;
	}
}

static inline void talk_secure(struct talk *t, const struct check_channel *channel)
{
	assert_int_equal(t->step, CHECK_STEP_TLS);
	t->said_n = 0;
	t->step = check_secured(&t->x, channel);
	talk_take(t);
}

static inline void talk_expect(struct talk *t, const char *client, size_t n)
{
	if (client) {
		if (t->said_n != n)
			print_error("said %zu bytes, expected %zu: %.*s\n", t->said_n, n,
				    (int)t->said_n, (const char *)t->said);
		assert_int_equal(t->said_n, n);
		assert_memory_equal(t->said, client, n);
	}
	t->said_n = 0;
}

/* Goes through all turns, with pieces of that size; the facts are in t->x. */
static inline void talk_through(struct talk *t, const struct turn *turns, size_t n, size_t piece)
{
	for (size_t i = 0; i < n; i++) {
		talk_hear(t, turns[i].server, turns[i].server_n, piece);
		talk_expect(t, turns[i].client, turns[i].client_n);
	}
}

#define TALK_PIECES_MAX 40

/* What one answer leads to, however it is cut, over such a connection. */
static inline void talk_ends_over(const struct check_channel *channel,
				  const struct check_request *request, const char *answer, size_t n,
				  enum check_verdict verdict)
{
	for (size_t piece = 1; piece < TALK_PIECES_MAX; piece++) {
		struct talk t;

		talk_begin(&t, request, channel);
		talk_hear(&t, answer, n, piece < TALK_PIECES_MAX - 1 ? piece : n);
		if (t.step != CHECK_STEP_DONE)
			check_ended(&t.x, 0);
		if (t.x.facts.verdict != verdict)
			print_error("%.*s: %s\n", (int)n, answer, t.x.facts.words);
		assert_int_equal(t.x.facts.verdict, verdict);
	}
}

static inline void talk_ends(const struct check_request *request, const char *answer, size_t n,
			     enum check_verdict verdict)
{
	talk_ends_over(NULL, request, answer, n, verdict);
}

#endif
