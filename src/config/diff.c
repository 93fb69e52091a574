/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/diff.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/directive.h"
#include "config/value.h"

#define TITLE_BYTES (CONFIG_NAME_BYTES + 16)
#define VALUE_BYTES CONFIG_VALUE_BYTES

/* Two sections of the same name, and who is told. */
struct comparison {
	enum config_section section;
	const void *now, *then;
	char title[TITLE_BYTES]; /* "pool pg: " */
	config_diff_fn *tell;
	void *owner;
};

static void PRINTF_LIKE(2, 3) diff_say(const struct comparison *c, const char *format, ...)
{
	char line[CONFIG_DIFF_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	c->tell(c->owner, line);
}

/* ---- values as they are written ------------------------------------------ */

/* All of it, the caller's; NULL without memory. */
static char *whole_value(const struct directive *d, const void *from, size_t index)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to)
		return NULL;
	d->type->print(d, from, index, to);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static void write_value(const struct directive *d, const void *from, size_t index,
			char text[VALUE_BYTES])
{
	char *whole = whole_value(d, from, index);

	snprintf(text, VALUE_BYTES, "%s", whole ? whole : "");
	free(whole);
}

/* As they are written, to the last byte; without memory they differ. */
static bool is_written_alike(const struct directive *d, const void *now, size_t now_index,
			     const void *then, size_t then_index)
{
	char *was = whole_value(d, now, now_index), *is = whole_value(d, then, then_index);
	bool is_alike = was && is && strcmp(was, is) == 0;

	free(was);
	free(is);
	return is_alike;
}

static size_t count_of(const struct directive *d, const void *from)
{
	if (d->type->has && !d->type->has(d, from))
		return 0;
	return d->type->count ? d->type->count(from) : 1;
}

static const char *key_of(const struct directive *d, const void *from, size_t index)
{
	return d->type->key ? d->type->key(from, index) : d->key;
}

/* ---- one value ----------------------------------------------------------- */

static void write_or_none(const struct directive *d, const void *from, char text[VALUE_BYTES])
{
	if (count_of(d, from) > 0)
		write_value(d, from, 0, text);
	else
		snprintf(text, VALUE_BYTES, "(none)");
}

static void compare_value(const struct comparison *c, const struct directive *d)
{
	char was[VALUE_BYTES], is[VALUE_BYTES];

	write_or_none(d, c->now, was);
	write_or_none(d, c->then, is);
	if (strcmp(was, is) != 0)
		diff_say(c, "~ %s%s %s -> %s", c->title, d->key, was, is);
	else if (count_of(d, c->now) > 0 && !is_written_alike(d, c->now, 0, c->then, 0))
		diff_say(c, "~ %s%s %s ...: another end", c->title, d->key, is);
}

/* ---- what takes a restart ------------------------------------------------ */

/* All of them are of the whole process, and none is a list. */
static bool is_for_start(const struct directive *d)
{
	return d->reload == RELOAD_RESTART;
}

void config_started_note(struct config_started *started, const struct config *config)
{
	size_t n = 0;

	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		if (!is_for_start(d))
			continue;
		CHECK(d->section == SECTION_GLOBAL && !d->repeatable && n < CONFIG_STARTED_MAX);
		write_or_none(d, &config->global, started->values[n++]);
	}
}

static void compare_started(const struct comparison *c, const struct config_started *started,
			    bool is_plan)
{
	char is[VALUE_BYTES];
	size_t n = 0;

	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		if (!is_for_start(d))
			continue;
		write_or_none(d, c->then, is);
		if (strcmp(started->values[n], is) != 0)
			diff_say(c, "%s%s %s -> %s%s", is_plan ? "! " : "", d->key,
				 started->values[n], is,
				 is_plan ? ": takes effect at the next start" : "");
		n++;
	}
}

void config_diff_pending(const struct config *config, const struct config_started *started,
			 config_diff_fn *tell, void *owner)
{
	const struct comparison c = { .then = &config->global, .tell = tell, .owner = owner };

	compare_started(&c, started, false);
}

/* ---- a list -------------------------------------------------------------- */

/* The entries of one side as they are written, in their order and sorted: lists can be long. */
struct entries {
	size_t n;
	char **texts; /* each with its key */
	const char **sorted;
};

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void entries_finish(struct entries *e)
{
	for (size_t i = 0; e->texts && i < e->n; i++)
		free(e->texts[i]);
	free(e->texts);
	free(e->sorted);
}

static char *write_entry(const struct directive *d, const void *from, size_t index)
{
	char *value = whole_value(d, from, index), *text = NULL;

	if (value && asprintf(&text, "%s %s", key_of(d, from, index), value) < 0)
		text = NULL;
	free(value);
	return text;
}

/* False when memory is short. */
static bool entries_init(struct entries *e, const struct directive *d, const void *from)
{
	e->n = count_of(d, from);
	e->texts = calloc(e->n + 1, sizeof(*e->texts));
	e->sorted = calloc(e->n + 1, sizeof(*e->sorted));
	if (!e->texts || !e->sorted)
		return false;
	for (size_t i = 0; i < e->n; i++) {
		e->texts[i] = write_entry(d, from, i);
		if (!e->texts[i])
			return false;
		e->sorted[i] = e->texts[i];
	}
	qsort(e->sorted, e->n, sizeof(*e->sorted), compare_texts);
	return true;
}

/* Says those from @first on that the other side has nowhere, and whether there were any. */
static bool say_missing(const struct comparison *c, char sign, const struct entries *e,
			const struct entries *other, size_t first)
{
	bool is_any = false;

	for (size_t i = first; i < e->n; i++) {
		const char *text = e->texts[i];

		if (bsearch(&text, other->sorted, other->n, sizeof(*other->sorted), compare_texts))
			continue;
		is_any = true;
		diff_say(c, "%c %s%s", sign, c->title, text);
	}
	return is_any;
}

static void compare_entries(const struct comparison *c, const struct directive *d,
			    const struct entries *now, const struct entries *then)
{
	bool differ;
	size_t n = 0;

	while (n < now->n && n < then->n && strcmp(now->texts[n], then->texts[n]) == 0)
		n++;
	if (n == now->n && n == then->n)
		return;
	differ = say_missing(c, '+', then, now, n);
	differ |= say_missing(c, '-', now, then, n);
	if (!differ)
		diff_say(c, "~ %s%s: another order", c->title, d->key);
}

static void compare_list(const struct comparison *c, const struct directive *d)
{
	struct entries now = { 0 }, then = { 0 };

	if (entries_init(&now, d, c->now) && entries_init(&then, d, c->then))
		compare_entries(c, d, &now, &then);
	else
		diff_say(c, "? %s%s: no memory to compare", c->title, d->key);
	entries_finish(&now);
	entries_finish(&then);
}

/* ---- backends ------------------------------------------------------------ */

static const struct backend_config *find_backend(const struct pool_config *pool, const char *name)
{
	for (size_t n = 0; n < pool->backends_n; n++)
		if (strcmp(pool->backends[n].name, name) == 0)
			return &pool->backends[n];
	return NULL;
}

/* Gives whether it differs. */
static bool say_number(const struct comparison *c, const char *name, const char *key, unsigned was,
		       unsigned is)
{
	if (was != is)
		diff_say(c, "~ %sbackend %s %s %u -> %u", c->title, name, key, was, is);
	return was != is;
}

static bool say_address(const struct comparison *c, const struct backend_config *was,
			const struct backend_config *is)
{
	char from[ADDR_TEXT_BYTES], to[ADDR_TEXT_BYTES];

	if (addr_is_equal(&was->addr, &is->addr))
		return false;
	diff_say(c, "~ %sbackend %s %s -> %s", c->title, is->name, addr_format(&was->addr, from),
		 addr_format(&is->addr, to));
	return true;
}

/* The name that a certificate has to have is that of the host, as it is written. */
static bool say_host(const struct comparison *c, const struct backend_config *was,
		     const struct backend_config *is)
{
	char from[SPEC_TEXT_BYTES], to[SPEC_TEXT_BYTES];

	spec_format(&was->spec, from);
	spec_format(&is->spec, to);
	if (strcmp(from, to) == 0)
		return false;
	diff_say(c, "~ %sbackend %s %s -> %s, the same address", c->title, is->name, from, to);
	return true;
}

/* What has no line of its own is told as it is written. */
static void compare_backend(const struct comparison *c, const struct directive *d,
			    const struct backend_config *was, const struct backend_config *is)
{
	const struct pool_config *now = c->now, *then = c->then;
	bool differs = say_address(c, was, is) || say_host(c, was, is);

	differs |= say_number(c, is->name, "weight", was->weight, is->weight);
	differs |= say_number(c, is->name, "max_sessions", was->sessions_max, is->sessions_max);
	differs |= say_number(c, is->name, "tier", was->tier, is->tier);
	if (!addr_short_is_equal(&was->check_addr, &is->check_addr))
		diff_say(c, "~ %sbackend %s check_address", c->title, is->name);
	else if (!differs && !is_written_alike(d, now, (size_t)(was - now->backends), then,
					       (size_t)(is - then->backends)))
		diff_say(c, "~ %sbackend %s: written in another way", c->title, is->name);
}

/* Those that both have, in the same order? */
static bool is_order_kept(const struct pool_config *now, const struct pool_config *then)
{
	const struct backend_config *last = NULL;

	for (size_t n = 0; n < then->backends_n; n++) {
		const struct backend_config *was = find_backend(now, then->backends[n].name);

		if (was && last && was < last)
			return false;
		last = was ? was : last;
	}
	return true;
}

static void compare_backends(const struct comparison *c, const struct directive *d)
{
	const struct pool_config *now = c->now, *then = c->then;
	char text[ADDR_TEXT_BYTES];

	for (size_t n = 0; n < then->backends_n; n++) {
		const struct backend_config *is = &then->backends[n];
		const struct backend_config *was = find_backend(now, is->name);

		if (was)
			compare_backend(c, d, was, is);
		else
			diff_say(c, "+ %sbackend %s %s", c->title, is->name,
				 addr_format(&is->addr, text));
	}
	for (size_t n = 0; n < now->backends_n; n++)
		if (!find_backend(then, now->backends[n].name))
			diff_say(c, "- %sbackend %s", c->title, now->backends[n].name);
	if (!is_order_kept(now, then))
		diff_say(c, "~ %sbackend: another order", c->title);
}

/* ---- sections ------------------------------------------------------------ */

static void compare_sections(const struct comparison *c)
{
	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section != c->section || is_for_start(d))
			continue;
		if (d->section == SECTION_POOL && strcmp(d->key, "backend") == 0)
			compare_backends(c, d);
		else if (d->repeatable)
			compare_list(c, d);
		else
			compare_value(c, d);
	}
}

static const struct listener_config *find_listener(const struct config *config, const char *name)
{
	for (size_t n = 0; n < config->listeners_n; n++)
		if (strcmp(config->listeners[n].name, name) == 0)
			return &config->listeners[n];
	return NULL;
}

static const struct pool_config *find_pool(const struct config *config, const char *name)
{
	for (size_t n = 0; n < config->pools_n; n++)
		if (strcmp(config->pools[n].name, name) == 0)
			return &config->pools[n];
	return NULL;
}

static void say_new_listener(const struct comparison *c, const struct listener_config *l)
{
	char text[CONFIG_DIFF_BYTES / 2], spec[SPEC_TEXT_BYTES];
	size_t n = 0, i = 0;

	text[0] = '\0';
	for (; i < l->binds_n; i++) {
		spec_format(&l->binds[i].spec, spec);
		if (n + strlen(spec) + sizeof(", ") > sizeof(text))
			break;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : "", spec);
	}
	if (i < l->binds_n)
		diff_say(c, "+ listener %s %s and %zu more", l->name, text, l->binds_n - i);
	else
		diff_say(c, "+ listener %s %s", l->name, text);
}

static void compare_listeners(struct comparison *c, const struct config *now,
			      const struct config *then)
{
	c->section = SECTION_LISTENER;
	for (size_t n = 0; n < then->listeners_n; n++) {
		const struct listener_config *is = &then->listeners[n];

		c->now = find_listener(now, is->name);
		c->then = is;
		snprintf(c->title, sizeof(c->title), "listener %s: ", is->name);
		if (c->now)
			compare_sections(c);
		else
			say_new_listener(c, is);
	}
	for (size_t n = 0; n < now->listeners_n; n++)
		if (!find_listener(then, now->listeners[n].name))
			diff_say(c, "- listener %s", now->listeners[n].name);
}

static void compare_pools(struct comparison *c, const struct config *now, const struct config *then)
{
	c->section = SECTION_POOL;
	for (size_t n = 0; n < then->pools_n; n++) {
		const struct pool_config *is = &then->pools[n];

		c->now = find_pool(now, is->name);
		c->then = is;
		snprintf(c->title, sizeof(c->title), "pool %s: ", is->name);
		if (c->now)
			compare_sections(c);
		else
			diff_say(c, "+ pool %s: %zu backend%s", is->name, is->backends_n,
				 is->backends_n == 1 ? "" : "s");
	}
	for (size_t n = 0; n < now->pools_n; n++)
		if (!find_pool(then, now->pools[n].name))
			diff_say(c, "- pool %s", now->pools[n].name);
}

void config_diff(const struct config *now, const struct config *then,
		 const struct config_started *started, config_diff_fn *tell, void *owner)
{
	struct comparison c = {
		.section = SECTION_GLOBAL,
		.now = &now->global,
		.then = &then->global,
		.tell = tell,
		.owner = owner,
	};

	compare_started(&c, started, true);
	compare_sections(&c);
	compare_listeners(&c, now, then);
	compare_pools(&c, now, then);
}
