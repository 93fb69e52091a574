/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/overrides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/drain.h"
#include "base/log.h"
#include "base/text.h"
#include "io/loop.h"
#include "state/backend_report.h"
#include "state/peers.h"
#include "state/runtime.h"
#include "metrics/snapshot.h"

static void overrides_on_timer(struct timer *timer);

void overrides_init(struct overrides *o, struct loop *loop, struct runtime *runtime,
		    struct drains *drains)
{
	*o = (struct overrides){ .loop = loop, .runtime = runtime, .drains = drains };
	list_init(&o->all);
	timer_init(&o->timer, overrides_on_timer);
}

static void free_all(struct list *entries)
{
	struct list *next;

	for (struct list *node = entries->next; node != entries; node = next) {
		next = node->next;
		free(container_of(node, struct override, node));
	}
	list_init(entries);
}

void overrides_finish(struct overrides *o)
{
	timer_stop(&o->loop->timers, &o->timer);
	free_all(&o->all);
}

static struct override *override_of(const struct overrides *o, const char *pool,
				    const char *backend)
{
	list_for_each(node, &o->all) {
		struct override *entry = container_of(node, struct override, node);

		if (strcmp(entry->backend, backend) == 0 && strcmp(entry->pool, pool) == 0)
			return entry;
	}
	return NULL;
}

const struct override *overrides_find(const struct overrides *o, const struct pool *pool,
				      const struct backend *backend)
{
	return override_of(o, pool_config(pool)->name, backend->config->name);
}

const char *override_describe(const struct override *override, char ret_text[OVERRIDE_TEXT_BYTES])
{
	const bool has_state = override->state != BACKEND_READY;
	int n = snprintf(ret_text, OVERRIDE_TEXT_BYTES, "%s",
			 has_state ? backend_state_names[override->state] : "");

	if (override->has_weight)
		snprintf(ret_text + n, OVERRIDE_TEXT_BYTES - (size_t)n, "%sweight %u",
			 has_state ? ", " : "", override->weight);
	return ret_text;
}

bool overrides_is_absent(const struct overrides *o, const struct override *override)
{
	struct backend *backend;
	struct pool *pool;

	return !snapshot_find_backend(o->runtime, override->pool, override->backend, &pool,
				      &backend);
}

/* ---- the next one to end ---- */

/* 0: none does by itself. */
static uint64_t sooner(uint64_t a_ms, uint64_t b_ms)
{
	if (a_ms == 0 || b_ms == 0)
		return MAX(a_ms, b_ms);
	return MIN(a_ms, b_ms);
}

static void reschedule(struct overrides *o)
{
	uint64_t next_ms = 0;

	list_for_each(node, &o->all) {
		const struct override *entry = container_of(node, struct override, node);

		next_ms = sooner(next_ms, sooner(entry->state_until_ms, entry->weight_until_ms));
	}
	timer_stop(&o->loop->timers, &o->timer);
	if (next_ms != 0)
		timer_set(&o->loop->timers, &o->timer, next_ms);
}

/* ---- what is done ---- */

static bool log_begin_of(struct log_line *line, const struct override *entry, const char *what)
{
	if (!log_begin(line, LOG_INFO, what))
		return false;
	log_text(line, "pool", entry->pool);
	log_text(line, "backend", entry->backend);
	return true;
}

static void log_state(const struct override *entry, const char *what)
{
	struct log_line line;

	if (!log_begin_of(&line, entry, what))
		return;
	log_text(&line, "state", backend_state_names[entry->state]);
	log_end(&line);
}

static void log_weight(const struct override *entry, const char *what)
{
	struct log_line line;

	if (!log_begin_of(&line, entry, what))
		return;
	log_u64(&line, "weight", entry->weight);
	log_end(&line);
}

/* Sessions in the queue may have slots now. */
static void state_changed(struct overrides *o, struct pool *pool, struct backend *backend)
{
	backend_tell(pool, backend, "operator", NULL, o->loop->now_ms);
	peers_serve_queue(o->runtime, pool, o->loop->now_ms);
}

/* That of the configuration is no override: a later configuration may change it. */
static int apply_weight(struct overrides *o, struct pool *pool, struct backend *backend,
			unsigned weight)
{
	bool is_override = weight != backend->config->weight;
	int err = pool_set_weight(pool, backend, is_override ? weight : POOL_WEIGHT_CONFIGURED);

	if (err == 0)
		peers_serve_queue(o->runtime, pool, o->loop->now_ms);
	return err;
}

/* Sessions that were to end because of it, too, go on. */
static void end_state(struct overrides *o, struct override *entry, const char *why)
{
	struct session_filter theirs;
	struct backend *backend;
	struct pool *pool;

	if (entry->state == BACKEND_READY)
		return;
	log_state(entry, why);
	session_filter_backend(&theirs, entry->pool, entry->backend);
	(void)drains_end(o->drains, &theirs);
	entry->state = BACKEND_READY;
	entry->state_until_ms = 0;
	if (!snapshot_find_backend(o->runtime, entry->pool, entry->backend, &pool, &backend))
		return;
	pool_clear_state(pool, backend, o->loop->now_ms);
	state_changed(o, pool, backend);
}

static void end_weight(struct overrides *o, struct override *entry, const char *why)
{
	struct backend *backend;
	struct pool *pool;

	if (!entry->has_weight)
		return;
	log_weight(entry, why);
	entry->has_weight = false;
	entry->weight_until_ms = 0;
	if (snapshot_find_backend(o->runtime, entry->pool, entry->backend, &pool, &backend) &&
	    apply_weight(o, pool, backend, backend->config->weight) < 0)
		log_say(LOG_ERROR, "out of memory: backend %s/%s keeps weight %u", entry->pool,
			entry->backend, entry->weight);
}

static bool is_over(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms != 0 && until_ms <= now_ms;
}

static bool sets_nothing(const struct override *entry)
{
	return entry->state == BACKEND_READY && !entry->has_weight;
}

static void overrides_on_timer(struct timer *timer)
{
	struct overrides *o = container_of(timer, struct overrides, timer);
	struct list *next, ended;

	list_init(&ended);
	for (struct list *node = o->all.next; node != &o->all; node = next) {
		struct override *entry = container_of(node, struct override, node);

		next = node->next;
		if (is_over(entry->state_until_ms, o->loop->now_ms))
			end_state(o, entry, "the operator's override has ended");
		if (is_over(entry->weight_until_ms, o->loop->now_ms))
			end_weight(o, entry, "the operator's override has ended");
		if (!sets_nothing(entry))
			continue;
		list_remove(node);
		list_append(&ended, node);
		o->n--;
	}
	reschedule(o);
	free_all(&ended);
}

/* Those who stayed have it already. */
static void apply(struct overrides *o, const struct override *entry)
{
	struct backend_facts facts;
	struct backend *backend;
	struct pool *pool;

	if (!snapshot_find_backend(o->runtime, entry->pool, entry->backend, &pool, &backend))
		return;
	pool_inspect(pool, backend, &facts);
	if (entry->state != BACKEND_READY && facts.admin_state != entry->state) {
		pool_set_state(pool, backend, entry->state, o->loop->now_ms);
		state_changed(o, pool, backend);
	}
	if (entry->has_weight && facts.weight != entry->weight &&
	    apply_weight(o, pool, backend, entry->weight) < 0)
		log_say(LOG_ERROR, "out of memory: backend %s/%s has its own weight", entry->pool,
			entry->backend);
}

void overrides_apply(struct overrides *o)
{
	list_for_each(node, &o->all)
		apply(o, container_of(node, struct override, node));
}

/* ---- overrides ---- */

static int find_or_add(struct overrides *o, const struct pool *pool, const struct backend *backend,
		       struct override **ret_entry)
{
	struct override *entry = override_of(o, pool_config(pool)->name, backend->config->name);

	if (!entry) {
		if (o->n >= OVERRIDES_MAX)
			return -ENOSPC;
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		(void)!text_copy(entry->pool, sizeof(entry->pool), pool_config(pool)->name);
		(void)!text_copy(entry->backend, sizeof(entry->backend), backend->config->name);
		list_append(&o->all, &entry->node);
		o->n++;
	}
	*ret_entry = entry;
	return 0;
}

static void keep_or_forget(struct overrides *o, struct override *entry)
{
	bool is_nothing = sets_nothing(entry);

	if (is_nothing) {
		list_remove(&entry->node);
		o->n--;
	}
	reschedule(o);
	if (is_nothing)
		free(entry);
}

bool overrides_undo_absent(struct overrides *o, const char *name)
{
	const char *slash = strchr(name, '/');
	char pool[CONFIG_NAME_BYTES];
	struct override *entry;

	if (!slash || (size_t)(slash - name) >= sizeof(pool))
		return false;
	memcpy(pool, name, (size_t)(slash - name));
	pool[slash - name] = '\0';
	entry = override_of(o, pool, slash + 1);
	if (!entry || !overrides_is_absent(o, entry))
		return false;
	end_state(o, entry, "the operator's override was undone");
	end_weight(o, entry, "the operator's override was undone");
	keep_or_forget(o, entry);
	return true;
}

static uint64_t until(const struct overrides *o, uint64_t ms)
{
	return ms == 0 ? 0 : o->loop->now_ms + ms;
}

int overrides_set_state(struct overrides *o, struct pool *pool, struct backend *backend,
			enum backend_state state, uint64_t ms)
{
	struct override *entry;
	int err = find_or_add(o, pool, backend, &entry);

	if (err < 0)
		return err;
	pool_set_state(pool, backend, state, o->loop->now_ms);
	state_changed(o, pool, backend);
	entry->state = state;
	entry->state_until_ms = state == BACKEND_READY ? 0 : until(o, ms);
	log_state(entry, "backend set by the operator");
	keep_or_forget(o, entry);
	return 0;
}

int overrides_set_weight(struct overrides *o, struct pool *pool, struct backend *backend,
			 unsigned weight, uint64_t ms)
{
	struct override *entry;
	int err = find_or_add(o, pool, backend, &entry);

	if (err < 0)
		return err;
	err = apply_weight(o, pool, backend, weight);
	if (err == 0) {
		entry->has_weight = weight != backend->config->weight;
		entry->weight = weight;
		entry->weight_until_ms = entry->has_weight ? until(o, ms) : 0;
		log_weight(entry, "backend set by the operator");
	}
	keep_or_forget(o, entry);
	return err;
}
