/* SPDX-License-Identifier: GPL-2.0-or-later */

/* The end of status: which older configurations are alive, and who has them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/cmd.h"
#include "admin/command.h"
#include "admin/context.h"
#include "io/loop.h"
#include "net/addr.h"
#include "state/generation.h"
#include "state/runtime_collect.h"

/* Of more older ones than this, the newest are told. */
#define OLDER_MAX 64

#define LISTENERS_MAX 8 /* that are named; the rest is counted as one */

/* The sessions of a listener that have one configuration. */
struct holder {
	char listener[CONFIG_NAME_BYTES];
	unsigned sessions;
};

struct older {
	unsigned number;
	struct session_facts oldest; /* id 0: none was found */
	struct holder holders[LISTENERS_MAX];
	unsigned holders_n, others;
};

struct look {
	struct call *call;
	struct walk *walk;
	struct older older[OLDER_MAX]; /* newest first */
	unsigned n;
};

/* ---- the sessions -------------------------------------------------------- */

static void count_holder(struct older *older, const char *listener)
{
	struct holder *h = older->holders;

	while (h < older->holders + older->holders_n && strcmp(h->listener, listener) != 0)
		h++;
	if (h == older->holders + LISTENERS_MAX) {
		older->others++;
		return;
	}
	if (h == older->holders + older->holders_n) {
		older->holders_n++;
		snprintf(h->listener, sizeof(h->listener), "%s", listener);
	}
	h->sessions++;
}

static void on_found(void *owner, const struct session_facts *facts)
{
	struct look *look = owner;
	struct older *older = look->older;

	while (older < look->older + look->n && older->number != facts->generation)
		older++;
	if (older == look->older + look->n)
		return;
	count_holder(older, facts->listener);
	if (older->oldest.id == 0 || facts->age_ms > older->oldest.age_ms)
		older->oldest = *facts;
}

/* ---- what is told -------------------------------------------------------- */

/* "pg 12, web 1" */
static void write_listeners(const struct older *older, char *to, size_t room)
{
	size_t n = 0;

	to[0] = '\0';
	for (unsigned i = 0; i < older->holders_n && n < room; i++)
		n += (size_t)snprintf(to + n, room - n, "%s%s %u", i > 0 ? ", " : "",
				      older->holders[i].listener, older->holders[i].sessions);
	if (older->others > 0 && n < room)
		snprintf(to + n, room - n, ", others %u", older->others);
}

static void tell_sessions(struct reply *r, const struct older *older)
{
	const struct session_facts *oldest = &older->oldest;
	char listeners[LISTENERS_MAX * (CONFIG_NAME_BYTES + 16)], text[ADDR_TEXT_BYTES];
	struct addr client;

	write_listeners(older, listeners, sizeof(listeners));
	reply_text(r, "listeners", listeners[0] ? listeners : NULL);
	if (oldest->id == 0)
		return;
	addr_lengthen(&client, &oldest->client);
	reply_u64(r, "oldest_id", oldest->id);
	reply_u64(r, "oldest_ms", oldest->age_ms);
	reply_text(r, "oldest_client", addr_format(&client, text));
}

static void tell_older(struct call *call, const struct generation *g, const struct older *older)
{
	const uint64_t now_ms = call->context->loop->now_ms;

	reply_row(call->reply, "configuration");
	reply_u64(call->reply, "generation", g->number);
	reply_u64(call->reply, "replaced_ms", now_ms - MIN(g->replaced_ms, now_ms));
	reply_text(call->reply, "held_by", runtime_held_by(call->context->runtime, g));
	reply_u64(call->reply, "sessions", generation_pinned(g));
	tell_sessions(call->reply, older);
	reply_row_end(call->reply);
}

/* Those that have gone meanwhile are not told. */
static void tell_all(const struct look *look)
{
	const struct generation *newest = atomic_load(&look->call->context->runtime->generation);

	for (const struct generation *g = newest->older; g; g = g->older)
		for (unsigned n = 0; n < look->n; n++)
			if (look->older[n].number == g->number)
				tell_older(look->call, g, &look->older[n]);
}

static void on_done(void *owner)
{
	struct look *look = owner;
	struct call *call = look->call;

	tell_all(look);
	free(look);
	call_ok(call);
}

/* ---- the look ------------------------------------------------------------ */

static void abandon(struct call *call)
{
	struct look *look = call->work;

	walk_abandon(look->walk);
	free(look);
}

void cmd_tell_configurations(struct call *call)
{
	static const struct walk_events events = { .found = on_found, .done = on_done };
	const struct generation *newest = atomic_load(&call->context->runtime->generation);
	const struct session_filter theirs = { .before_generation = newest->number };
	struct look *look = newest->older ? calloc(1, sizeof(*look)) : NULL;

	if (!look) {
		call_ok(call);
		return;
	}
	look->call = call;
	for (const struct generation *g = newest->older; g && look->n < OLDER_MAX; g = g->older)
		look->older[look->n++].number = g->number;
	look->walk = walk_start(&call->context->walks, QUERY_SESSIONS, &theirs, &events, look);
	if (!look->walk) {
		free(look);
		call_fail(call, REPLY_FAILED, NULL, "out of memory");
		return;
	}
	call->work = look;
	call->abandon = abandon;
}
