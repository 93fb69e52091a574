/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/parse.h"

#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/check.h"
#include "config/setting.h"

/* ---- heads of sections ---- */

struct config_place *parser_new_given(struct diag *diag)
{
	struct config_place *given = calloc(directives_n, sizeof(*given));

	if (!given)
		diag_no_memory(diag);
	return given;
}

static void open_global(struct parser *p, const struct setting *name)
{
	struct global_config *global = &p->config->global;

	if (name->text[0] != '\0')
		diag_error(p->diag, &name->place, "[global]: this section has no name");
	if (global->place.line != 0)
		diag_error(p->diag, &p->reader.value_place, "[global] given twice; first at %s:%u",
			   global->place.file, global->place.line);
	else
		global->place = p->reader.value_place;
	p->section = global;
	p->given = global->given;
}

static void open_listener(struct parser *p, const struct setting *name)
{
	struct config *config = p->config;
	struct listener_config *listener =
		setting_grow(p->diag, config->listeners, config->listeners_n, sizeof(*listener));

	if (!listener)
		return;
	config->listeners = listener;
	listener += config->listeners_n;
	listener->given = parser_new_given(p->diag);
	if (!listener->given)
		return;
	config->listeners_n++;
	listener->place = p->reader.value_place;
	if (!setting_name(name, listener->name))
		listener->name[0] = '\0';
	directive_set_defaults(SECTION_LISTENER, listener, p->diag);
	p->section = listener;
	p->given = listener->given;
}

/* What no operator has had a reason to change: no directives. */
static void set_fixed(struct pool_config *pool)
{
	pool->check.jitter_percent = 10;
	pool->eject.window_ms = 10000;
	pool->eject.window_connects_min = 10;
	pool->eject.time_max_ms = 300000;
	pool->eject.jitter_percent = 10;
}

static void open_pool(struct parser *p, const struct setting *name)
{
	struct config *config = p->config;
	struct pool_config *pool =
		setting_grow(p->diag, config->pools, config->pools_n, sizeof(*pool));

	if (!pool)
		return;
	config->pools = pool;
	pool += config->pools_n;
	pool->given = parser_new_given(p->diag);
	if (!pool->given)
		return;
	config->pools_n++;
	pool->place = p->reader.value_place;
	if (!setting_name(name, pool->name))
		pool->name[0] = '\0';
	directive_set_defaults(SECTION_POOL, pool, p->diag);
	set_fixed(pool);
	p->section = pool;
	p->given = pool->given;
}

static void open_section(struct parser *p, const char *kind, const struct setting *name)
{
	static void (*const open[CONFIG_SECTIONS])(struct parser *, const struct setting *) = {
		[SECTION_GLOBAL] = open_global,
		[SECTION_LISTENER] = open_listener,
		[SECTION_POOL] = open_pool,
	};
	const char *near;

	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		if (strcmp(kind, config_section_names[i]) != 0)
			continue;
		p->kind = (enum config_section)i;
		open[i](p, name);
		return;
	}
	near = text_nearest(kind, config_section_names, CONFIG_SECTIONS);
	diag_error(p->diag, &p->reader.value_place,
		   "unknown section '%.60s' (global, listener NAME, pool NAME)%s%s%s", kind,
		   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* "listener pg": the kind, and the name that follows it. */
static void read_head(struct parser *p)
{
	char *kind = p->reader.value;
	size_t kind_bytes = strcspn(kind, " \t");
	size_t name_at = kind_bytes + strspn(kind + kind_bytes, " \t");
	struct setting name = { .title = p->title, .diag = p->diag };

	snprintf(p->title, sizeof(p->title), "[%.*s]", PARSER_TITLE_BYTES / 2, kind);
	name.text = kind + name_at;
	name.place = p->reader.value_place;
	name.place.column += (unsigned)name_at;
	name.place.width -= (unsigned)name_at;
	kind[kind_bytes] = '\0';
	p->section = NULL;
	p->has_head = true;
	open_section(p, kind, &name);
}

/* ---- keys and values ---- */

#define KEYS_MAX 128 /* of a section */

static void report_unknown(struct parser *p, const char *key)
{
	const char *keys[KEYS_MAX], *near;
	size_t n = 0;

	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		if (!directive_find((enum config_section)i, key))
			continue;
		diag_error(p->diag, &p->reader.key_place, "%s %s: this belongs in %s[%s%s]",
			   p->title, key, i == SECTION_GLOBAL ? "" : "a ", config_section_names[i],
			   i == SECTION_GLOBAL ? "" : " NAME");
		return;
	}
	for (size_t i = 0; i < directives_n; i++) {
		CHECK(n < ARRAY_LEN(keys));
		if (directives[i].section == p->kind)
			keys[n++] = directives[i].key;
	}
	near = diag_has_room(p->diag) ? text_nearest(key, keys, n) : NULL;
	diag_error(p->diag, &p->reader.key_place, "%s %.60s: unknown directive%s%s%s", p->title,
		   key, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void set_value(struct parser *p, const struct directive *d)
{
	struct config_place *given = &p->given[d - directives];
	char title[PARSER_TITLE_BYTES + 64];
	const struct setting s = { .directive = d,
				   .title = title,
				   .text = p->reader.value,
				   .place = p->reader.value_place,
				   .diag = p->diag };

	snprintf(title, sizeof(title), "%s %s", p->title, d->key);
	if (given->line != 0 && !d->repeatable) {
		diag_error(p->diag, &p->reader.key_place, "%s: given twice; first at %s:%u", title,
			   given->file, given->line);
		return;
	}
	if (given->line == 0)
		*given = s.place;
	if (s.text[0] == '\0')
		setting_error(&s, NULL, "no value");
	else
		d->type->set(&s, p->section);
}

/* An ini_handler. Of a long value inih passes on a part only: the reader has all of it. */
static int on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct parser *p = user;
	const struct directive *d;

	(void)section;
	(void)value;
	if (p->reader.is_head) {
		read_head(p);
		return 1;
	}
	if (!p->has_head)
		diag_error(
			p->diag, &p->reader.key_place,
			"%.60s: before the first section ([global], [listener NAME], [pool NAME])",
			key);
	if (!p->section)
		return 1;
	d = directive_find(p->kind, key);
	if (d)
		set_value(p, d);
	else
		report_unknown(p, key);
	return 1;
}

void parser_init(struct parser *p, struct config *config, struct diag *diag)
{
	*p = (struct parser){ .config = config, .diag = diag };
}

void parser_read(struct parser *p, const struct source *source)
{
	p->section = NULL;
	p->has_head = false;
	reader_init(&p->reader, source, p->diag);
	/* What it calls an error was reported by the reader, in better words. */
	(void)ini_parse_stream(reader_next, &p->reader, on_pair, p);
}
