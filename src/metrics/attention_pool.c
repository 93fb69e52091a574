/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attention_pool.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "metrics/snapshot.h"
#include "pool/pool.h"
#include "state/runtime.h"

#define PER_MILLE 1000

/* What its backends have come to. */
struct tally {
	struct pool_snapshot pool;
	unsigned down, ejected, claims, fenced;
	struct backend_snapshot first; /* of those that are down or ejected */
	bool is_mixed;                 /* they are so for several reasons */
	unsigned doubts;               /* that serve, but of which checks have something to say */
	struct backend_snapshot doubt; /* the first of them */
	char claimed[320];             /* who claims to be primary, and what became of it */
};

static void add_claim(struct tally *t, const struct backend_snapshot *b)
{
	const size_t n = strlen(t->claimed);

	t->claims++;
	attention_say(t->claimed + n, sizeof(t->claimed) - n, "%s%s: %s", n > 0 ? "; " : "",
		      b->name, b->why[0] ? b->why : backend_state_names[b->facts.state]);
}

/* Who found it so and what, as the page has it of a backend. */
static void say_why(char *text, size_t room, const struct backend_snapshot *b)
{
	attention_say(text, room, "%s%s%s%s", b->why_by ? "by " : "", b->why_by ? b->why_by : "",
		      b->why_by && b->why[0] ? ": " : "", b->why);
}

static bool is_same(const struct backend_snapshot *a, const struct backend_snapshot *b)
{
	char texts[2][SNAPSHOT_WHY_BYTES + 32];

	say_why(texts[0], sizeof(texts[0]), a);
	say_why(texts[1], sizeof(texts[1]), b);
	return strcmp(texts[0], texts[1]) == 0;
}

static void add_missing(struct tally *t, const struct backend_snapshot *b)
{
	if (t->down + t->ejected == 0)
		t->first = *b;
	else
		t->is_mixed |= !is_same(&t->first, b);
	t->down += b->facts.state == BACKEND_DOWN;
	t->ejected += b->facts.state == BACKEND_EJECTED;
}

static void add_doubt(struct tally *t, const struct backend_snapshot *b)
{
	if (t->doubts++ == 0)
		t->doubt = *b;
}

static void count_backends(struct tally *t, const struct runtime *runtime, struct pool *pool,
			   uint64_t now_ms)
{
	for (size_t n = 0; n < pool_backends(pool); n++) {
		struct backend *backend = pool_backend(pool, n);
		struct backend_snapshot b;

		if (!backend || backend->state == BACKEND_LEAVING)
			continue;
		snapshot_backend(runtime, pool, backend, now_ms, &b);
		if (atomic_load(&backend->role) == BACKEND_PRIMARY)
			add_claim(t, &b);
		t->fenced += atomic_load(&backend->is_fenced);
		if (b.facts.state == BACKEND_READY && b.why[0])
			add_doubt(t, &b);
		if (b.facts.state == BACKEND_DOWN || b.facts.state == BACKEND_EJECTED)
			add_missing(t, &b);
	}
}

/* "4 of 10 backends are down", and why. */
static void say_missing(const struct tally *t, char *ret_what, size_t room, char *ret_why,
			size_t why_room)
{
	const unsigned missing = t->down + t->ejected;
	char why[SNAPSHOT_WHY_BYTES + 32];

	attention_say(ret_what, room, "%u of %u backends %s %s", missing, t->pool.backends,
		      missing == 1 ? "is" : "are",
		      t->ejected == 0 ? "down"
		      : t->down == 0  ? "ejected"
				      : "down or ejected");
	say_why(why, sizeof(why), &t->first);
	attention_say(ret_why, why_room, "%s%s", why, t->is_mixed ? ", and other reasons" : "");
}

static void note_primaries(struct attention *a, const struct tally *t)
{
	struct attention_note *note;

	if (t->claims < 2 || t->fenced == 0)
		return;
	note = attention_add(a, ATTENTION_PRIMARIES, true);
	ATTENTION_SAY(note->what, "%u servers of %s claim to be primary", t->claims, t->pool.name);
	ATTENTION_SAY(note->why, "%s", t->claimed);
}

static void note_empty(struct attention *a, const struct tally *t)
{
	struct attention_note *note = attention_add(a, ATTENTION_POOL_EMPTY, true);
	char what[96], why[SNAPSHOT_WHY_BYTES + 64];

	ATTENTION_SAY(note->what, "Pool %s has no backend", t->pool.name);
	ATTENTION_SAY(note->why, "its clients are turned away or held");
	if (t->pool.queue.held > 0)
		ATTENTION_SAY(note->now, "held: %u", (unsigned)t->pool.queue.held);
	if (t->down + t->ejected == 0)
		return;
	say_missing(t, what, sizeof(what), why, sizeof(why));
	ATTENTION_SAY(note->why, "its clients are turned away or held; %s: %s", what, why);
}

static void note_held(struct attention *a, const struct tally *t)
{
	struct attention_note *note;

	if (t->pool.queue.held == 0)
		return;
	note = attention_add(a, ATTENTION_HELD, false);
	ATTENTION_SAY(note->what, "Clients are held in %s", t->pool.name);
	ATTENTION_SAY(note->why, "no backend has served them yet");
	ATTENTION_SAY(note->now, "%u of them", (unsigned)t->pool.queue.held);
}

static void note_queue(struct attention *a, const struct tally *t)
{
	const unsigned full = (unsigned)(t->pool.queue.waiting - t->pool.queue.held);
	struct attention_note *note;

	if (full == 0)
		return;
	note = attention_add(a, ATTENTION_QUEUE, false);
	ATTENTION_SAY(note->what, "Clients wait in %s", t->pool.name);
	ATTENTION_SAY(note->why, "every backend is full");
	ATTENTION_SAY(note->now, "%u of them", full);
}

static void note_doubt(struct attention *a, const struct tally *t)
{
	struct attention_note *note;

	if (t->doubts == 0)
		return;
	note = attention_add(a, ATTENTION_CHECK, false);
	ATTENTION_SAY(note->what, "%s / %s", t->pool.name, t->doubt.name);
	if (t->doubts > 1)
		ATTENTION_SAY(note->what, "%s: %u of %u backends", t->pool.name, t->doubts,
			      t->pool.backends);
	ATTENTION_SAY(note->why, "%s", t->doubt.why);
}

static void note_one(struct attention_note *note, const struct tally *t)
{
	char age[TEXT_NUMBER_BYTES];

	ATTENTION_SAY(note->what, "%s / %s is %s", t->pool.name, t->first.name,
		      backend_state_names[t->first.facts.state]);
	say_why(note->why, sizeof(note->why), &t->first);
	ATTENTION_SAY(note->now, "for %s", text_age(t->first.since_ms, age));
}

static void note_backends(struct attention *a, const struct tally *t)
{
	const unsigned missing = t->down + t->ejected;
	struct attention_note *note;
	char what[96];

	if (missing == 0)
		return;
	note = attention_add(a, ATTENTION_BACKENDS, true);
	note->weight = missing * PER_MILLE / MAX(t->pool.backends, 1);
	if (missing == 1) {
		note_one(note, t);
		return;
	}
	say_missing(t, what, sizeof(what), note->why, sizeof(note->why));
	ATTENTION_SAY(note->what, "%s: %s", t->pool.name, what);
}

void attention_add_pool(struct attention *a, const struct runtime *runtime, struct pool *pool,
			uint64_t now_ms)
{
	struct tally t = { 0 };

	snapshot_pool(pool, &t.pool);
	count_backends(&t, runtime, pool, now_ms);
	note_primaries(a, &t);
	note_queue(a, &t);
	note_doubt(a, &t);
	if (t.pool.ready == 0) {
		note_empty(a, &t);
		return;
	}
	note_held(a, &t);
	note_backends(a, &t);
}
