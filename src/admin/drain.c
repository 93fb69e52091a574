/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/loop.h"

/* Looks at all sessions in a drain's time, as far apart as these. */
#define LOOKS 64
#define LOOK_MS_MIN 20
#define LOOK_MS_MAX 500

/* Those that are idle go in this part of the time, and within this time. */
#define IDLE_PART 10
#define IDLE_MS_MAX 10000

/* Twice as many as are ended after one look have room: see drain_keep(). */
#define CHOSEN (2 * QUERY_IDS)

struct idle_session {
	uint64_t id, idle_ms;
};

struct chosen {
	struct idle_session all[CHOSEN];
	size_t n;
	uint64_t found;
};

struct drain {
	struct list node;
	struct drains *drains;
	struct session_filter filter;
	uint64_t began_ms, timeout_ms;
	bool has_looked, is_last_look;
	uint64_t begun_by_ms;    /* the newest session that was there at the first look */
	uint64_t sessions, idle; /* at the first look */
	uint64_t parted, ended;
	uint64_t parted_now; /* after the present look */
	bool is_behind;      /* more are due than can be ended after one look */
	struct walk *walk;
	struct timer timer;          /* for the next look */
	struct chosen quiet, others; /* at the present one */
};

static uint64_t elapsed_ms(const struct drain *d)
{
	return d->drains->loop->now_ms - d->began_ms;
}

/*
 * Others of that name may begin meanwhile, or when it takes new ones again: they are left alone.
 * One backend alone, by its id, and a process get none any more, but some of
 * theirs may still be on their way.
 */
static bool gets_others(const struct drain *d)
{
	return (d->filter.listener[0] || d->filter.pool[0]) && d->filter.backend_id == 0;
}

/* ---- who is chosen ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct idle_session *)a)->idle_ms;
	uint64_t y = ((const struct idle_session *)b)->idle_ms;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Each time that they fill the room, the half that was silent longest stays. */
static void drain_keep(struct chosen *c, const struct session_facts *facts)
{
	c->found++;
	if (c->n == CHOSEN) {
		qsort(c->all, c->n, sizeof(c->all[0]), compare);
		c->n = QUERY_IDS;
	}
	c->all[c->n++] = (struct idle_session){ facts->id, facts->idle_ms };
}

/* The first @wanted of them. */
static void choose(struct drain *d, struct chosen *c, uint64_t wanted)
{
	struct session_filter *to = &d->filter;
	size_t n = MIN(MIN(wanted, c->n), QUERY_IDS);

	qsort(c->all, c->n, sizeof(c->all[0]), compare);
	d->is_behind |= wanted > QUERY_IDS && c->found > QUERY_IDS;
	to->ids_n = 0;
	for (size_t i = 0; i < n; i++)
		to->ids[to->ids_n++] = c->all[i].id;
	session_filter_sort(to);
}

/* ---- how many ---- */

static uint64_t part_of(uint64_t whole, uint64_t done_ms, uint64_t of_ms)
{
	return done_ms >= of_ms ? whole
				: (uint64_t)((double)whole * (double)done_ms / (double)of_ms);
}

/* All that are more than may be left by now. */
static uint64_t due(const struct drain *d)
{
	uint64_t alive = d->quiet.found + d->others.found;
	uint64_t left = d->sessions - part_of(d->sessions, elapsed_ms(d), d->timeout_ms);

	return d->timeout_ms == 0 || alive <= left ? 0 : alive - left;
}

/* Of these, or besides: idle ones, all that are more than may be so still. */
static uint64_t idle_due(const struct drain *d)
{
	uint64_t window_ms = d->timeout_ms > 0 ? MIN(d->timeout_ms / IDLE_PART, IDLE_MS_MAX)
					       : IDLE_MS_MAX;
	uint64_t gone = part_of(d->idle, elapsed_ms(d), window_ms) + 1; /* one at once */
	uint64_t left = d->idle - MIN(d->idle, gone);

	return MAX(due(d), d->quiet.found - MIN(d->quiet.found, left));
}

/* ---- the steps ----------------------------------------------------------- */

static void drain_look(struct drain *d);

static void drain_free(struct drain *d)
{
	timer_stop(&d->drains->loop->timers, &d->timer);
	if (d->walk)
		walk_abandon(d->walk);
	list_remove(&d->node);
	d->drains->n--;
	free(d);
}

static void rest(struct drain *d, uint64_t ms)
{
	timer_set(&d->drains->loop->timers, &d->timer, d->drains->loop->now_ms + ms);
}

static uint64_t look_ms(const struct drain *d)
{
	uint64_t ms = d->timeout_ms > 0 ? d->timeout_ms / LOOKS : LOOK_MS_MAX;

	if (d->is_behind)
		return LOOK_MS_MIN;
	return MIN(MAX(ms, LOOK_MS_MIN), LOOK_MS_MAX);
}

static void start_walk(struct drain *d, enum query_kind kind, const struct walk_events *events)
{
	d->walk = walk_start(d->drains->walks, kind, &d->filter, events, d);
	d->filter.ids_n = 0;
	if (!d->walk)
		rest(d, LOOK_MS_MAX); /* there may be memory then */
}

static void log_over(const struct drain *d)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, "drained"))
		return;
	log_text(&line, "listener", d->filter.listener[0] ? d->filter.listener : NULL);
	log_text(&line, "pool", d->filter.pool[0] ? d->filter.pool : NULL);
	log_text(&line, "backend", d->filter.backend[0] ? d->filter.backend : NULL);
	log_u64(&line, "sessions", d->sessions);
	log_u64(&line, "ended_idle", d->parted);
	log_u64(&line, "ended", d->ended);
	log_u64(&line, "duration_ms", elapsed_ms(d));
	log_end(&line);
}

static void on_timer(struct timer *timer)
{
	drain_look(container_of(timer, struct drain, timer));
}

static void ended_found(void *owner, const struct session_facts *facts)
{
	(void)facts;
	((struct drain *)owner)->ended++;
}

static void drain_finish(struct drain *d)
{
	log_over(d);
	drain_free(d);
}

/* Whoever is left after the last look is ending already. */
static void ended_done(void *owner)
{
	struct drain *d = owner;

	d->walk = NULL;
	if (d->is_last_look && !d->is_behind && gets_others(d))
		drain_finish(d);
	else
		rest(d, look_ms(d));
}

static const struct walk_events ending = { .found = ended_found, .done = ended_done };

static void end_others(struct drain *d)
{
	uint64_t wanted = due(d);

	choose(d, &d->others, wanted - MIN(wanted, d->parted_now));
	if (d->filter.ids_n > 0)
		start_walk(d, QUERY_END, &ending);
	else
		rest(d, look_ms(d));
}

static void parted_found(void *owner, const struct session_facts *facts)
{
	struct drain *d = owner;

	(void)facts;
	d->parted++;
	d->parted_now++;
}

static void parted_done(void *owner)
{
	struct drain *d = owner;

	d->walk = NULL;
	end_others(d);
}

static const struct walk_events parting = { .found = parted_found, .done = parted_done };

static void looked_found(void *owner, const struct session_facts *facts)
{
	struct drain *d = owner;

	if (!d->has_looked)
		d->begun_by_ms = MAX(d->begun_by_ms, facts->started_ms);
	/* Its time is over: even one that is idle no more when it is told so has to go. */
	drain_keep(facts->is_idle && !d->is_last_look ? &d->quiet : &d->others, facts);
}

/* All of a process end with it: some may still be on their way to a worker. */
static bool is_over(const struct drain *d)
{
	return (d->filter.listener[0] || d->filter.pool[0]) &&
	       d->quiet.found + d->others.found == 0;
}

static void looked_done(void *owner)
{
	struct drain *d = owner;

	d->walk = NULL;
	if (!d->has_looked)
		d->idle = d->quiet.found;
	if (gets_others(d))
		d->filter.begun_by_ms = d->begun_by_ms;
	d->has_looked = true;
	d->sessions = MAX(d->sessions, d->quiet.found + d->others.found);
	if (is_over(d)) {
		drain_finish(d);
		return;
	}
	choose(d, &d->quiet, idle_due(d));
	if (d->filter.ids_n > 0)
		start_walk(d, QUERY_PART, &parting);
	else
		end_others(d);
}

static const struct walk_events looking = { .found = looked_found, .done = looked_done };

static void drain_look(struct drain *d)
{
	d->quiet.n = d->others.n = 0;
	d->quiet.found = d->others.found = 0;
	d->parted_now = 0;
	d->is_behind = false;
	d->is_last_look = d->timeout_ms > 0 && elapsed_ms(d) >= d->timeout_ms;
	start_walk(d, QUERY_SESSIONS, &looking);
}

/* ---- drains -------------------------------------------------------------- */

void drains_init(struct drains *drains, struct loop *loop, struct walks *walks)
{
	*drains = (struct drains){ .loop = loop, .walks = walks };
	list_init(&drains->all);
}

void drains_stop(struct drains *drains)
{
	struct list *next;

	for (struct list *node = drains->all.next; node != &drains->all; node = next) {
		next = node->next;
		drain_free(container_of(node, struct drain, node));
	}
}

static struct drain *drain_find(const struct drains *drains, const struct session_filter *filter)
{
	list_for_each(node, &drains->all) {
		struct drain *d = container_of(node, struct drain, node);

		if (strcmp(d->filter.listener, filter->listener) == 0 &&
		    strcmp(d->filter.pool, filter->pool) == 0 &&
		    d->filter.backend_id == filter->backend_id &&
		    strcmp(d->filter.backend, filter->backend) == 0)
			return d;
	}
	return NULL;
}

int drains_start(struct drains *drains, const struct session_filter *filter, uint64_t timeout_ms)
{
	struct drain *d;

	(void)drains_end(drains, filter);
	if (drains->n >= DRAINS_MAX)
		return -ENOSPC;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->drains = drains;
	d->filter = *filter;
	d->began_ms = d->begun_by_ms = drains->loop->now_ms;
	d->timeout_ms = timeout_ms;
	timer_init(&d->timer, on_timer);
	list_append(&drains->all, &d->node);
	drains->n++;
	drain_look(d);
	return 0;
}

bool drains_end(struct drains *drains, const struct session_filter *filter)
{
	struct drain *d = drain_find(drains, filter);

	if (d)
		drain_free(d);
	return d != NULL;
}

bool drains_find(const struct drains *drains, const struct session_filter *filter,
		 uint64_t *ret_left_ms)
{
	const struct drain *d = drain_find(drains, filter);

	if (d)
		*ret_left_ms = d->timeout_ms - MIN(d->timeout_ms, elapsed_ms(d));
	return d != NULL;
}

bool drains_soonest(const struct drains *drains, const struct session_filter *filter,
		    const struct session_filter *other, uint64_t *ret_left_ms)
{
	uint64_t left_ms;

	if (!drains_find(drains, filter, ret_left_ms))
		return drains_find(drains, other, ret_left_ms);
	if (drains_find(drains, other, &left_ms) && left_ms > 0 &&
	    (*ret_left_ms == 0 || left_ms < *ret_left_ms))
		*ret_left_ms = left_ms;
	return true;
}
