/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "busiest.h"

#include <string.h>

#include "admin/context.h"
#include "io/loop.h"

/* Walks take this part of the time, at most, and there is so much between two. */
#define PAUSE_PART 20
#define PAUSE_MS 1000

/* What is older says nothing. */
#define STALE_MS 10000

void busiest_init(struct busiest *b, struct control_context *context)
{
	*b = (struct busiest){ .context = context };
}

void busiest_stop(struct busiest *b)
{
	if (b->walk)
		walk_abandon(b->walk);
	b->walk = NULL;
	b->next_ms = UINT64_MAX;
}

void busiest_finish(struct busiest *b)
{
	busiest_stop(b);
	session_rates_finish(&b->before);
	session_rates_finish(&b->now);
}

bool busiest_is_on(const struct busiest *b)
{
	return runtime_config(b->context->runtime)->global.status.shows_sessions;
}

/* By what they move now, and those that are equal in that by what they have moved. */
static bool is_busier(const struct session_facts *a, const struct session_facts *b)
{
	const uint64_t x = a->rates[LANE_UP] + a->rates[LANE_DOWN];
	const uint64_t y = b->rates[LANE_UP] + b->rates[LANE_DOWN];

	if (x != y)
		return x > y;
	return a->bytes[LANE_UP] + a->bytes[LANE_DOWN] > b->bytes[LANE_UP] + b->bytes[LANE_DOWN];
}

/* In its place; the last one goes if there is no room. */
static void keep(struct busiest *b, const struct session_facts *facts)
{
	unsigned at = b->next_n;

	while (at > 0 && is_busier(facts, &b->next[at - 1]))
		at--;
	if (at == BUSIEST_N)
		return;
	b->next_n = MIN(b->next_n + 1, BUSIEST_N);
	memmove(&b->next[at + 1], &b->next[at], (b->next_n - at - 1) * sizeof(b->next[0]));
	b->next[at] = *facts;
}

static void on_found(void *owner, const struct session_facts *facts)
{
	struct busiest *b = owner;
	struct session_facts rated = *facts;

	session_rates_note(&b->now, facts);
	if (b->before_ms > 0)
		session_rates_fill(&b->before, &rated, b->context->loop->now_ms - b->before_ms);
	keep(b, &rated);
}

static void on_done(void *owner)
{
	struct busiest *b = owner;
	const uint64_t now_ms = b->context->loop->now_ms;

	b->walk = NULL;
	memcpy(b->rows, b->next, b->next_n * sizeof(b->rows[0]));
	b->n = b->next_n;
	b->found_ms = now_ms;
	b->next_ms = now_ms + MAX((now_ms - b->began_ms) * PAUSE_PART, PAUSE_MS);
	session_rates_finish(&b->before);
	b->before = b->now;
	b->now = (struct session_rates){ 0 };
	session_rates_sort(&b->before);
	b->before_ms = b->began_ms;
}

static const struct walk_events events = { .found = on_found, .done = on_done };

void busiest_ask(struct busiest *b)
{
	static const struct session_filter all;
	const uint64_t now_ms = b->context->loop->now_ms;

	if (b->found_ms + STALE_MS < now_ms)
		b->n = 0;
	if (b->walk || now_ms < b->next_ms)
		return;
	b->next_n = 0;
	b->began_ms = now_ms;
	b->walk = walk_start(&b->context->walks, QUERY_SESSIONS, &all, &events, b);
}
