/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/check.h"
#include "config/foreign.h"
#include "config/foreign_line.h"
#include "config/like.h"
#include "config/setting.h"
#include "config/value.h"

/* ---- heads of sections ---- */

struct config_location *parser_new_set_at(struct diag *diag)
{
	struct config_location *set_at = calloc(directives_n, sizeof(*set_at));

	if (!set_at)
		diag_no_memory(diag);
	return set_at;
}

static void open_global(struct parser *p, const struct setting *name)
{
	struct global_config *global = &p->config->global;

	if (name->text[0] != '\0')
		diag_error(p->diag, &name->location, "[global]: this section has no name");
	if (global->location.line != 0)
		diag_error(p->diag, &p->reader.value_location,
			   "[global] given twice; first at %s:%u", global->location.file,
			   global->location.line);
	else
		global->location = p->reader.value_location;
	p->section = global;
	p->set_at = global->set_at;
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
	listener->set_at = parser_new_set_at(p->diag);
	if (!listener->set_at)
		return;
	config->listeners_n++;
	listener->location = p->reader.value_location;
	if (!setting_name(name, listener->name)) {
		listener->name[0] = '\0';
		config->has_lost_section = true;
	}
	directive_set_defaults(SECTION_LISTENER, listener, p->diag);
	p->section = listener;
	p->set_at = listener->set_at;
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
	struct kept *kept;

	if (!pool)
		return;
	config->pools = pool;
	kept = setting_grow(p->diag, p->pools, config->pools_n, sizeof(*kept));
	if (!kept)
		return;
	p->pools = kept;
	pool += config->pools_n;
	pool->set_at = parser_new_set_at(p->diag);
	if (!pool->set_at)
		return;
	pool->number = config->pools_n++;
	pool->location = p->reader.value_location;
	if (!setting_name(name, pool->name)) {
		pool->name[0] = '\0';
		config->has_lost_section = true;
	}
	directive_set_defaults(SECTION_POOL, pool, p->diag);
	set_fixed(pool);
	p->section = pool;
	p->set_at = pool->set_at;
	p->kept = &p->pools[config->pools_n - 1];
}

/* ---- [defaults listener], [defaults pool] ---- */

#define DEFAULTS_HEAD "defaults"
#define DEFAULTS_FORMS "[defaults listener], [defaults pool]"

static void open_defaults(struct parser *p, const struct setting *name)
{
	struct defaults *defaults = NULL;

	for (enum config_section i = SECTION_LISTENER; i < CONFIG_SECTIONS; i++) {
		if (strcmp(name->text, config_section_names[i]) == 0)
			defaults = &p->defaults[i];
	}
	if (!defaults) {
		diag_error(p->diag, name->text[0] ? &name->location : &p->reader.value_location,
			   "[defaults]: of what? (" DEFAULTS_FORMS ")");
		return;
	}
	if (defaults->location.line != 0)
		diag_error(p->diag, &p->reader.value_location, "%s given twice; first at %s:%u",
			   p->title, defaults->location.file, defaults->location.line);
	else
		defaults->location = p->reader.value_location;
	p->kind = defaults->section;
	p->section = defaults->fields;
	p->set_at = defaults->set_at;
	p->into = defaults;
}

/* The nearer the stronger: a section's own word, the pool it is like, the defaults. */
static void finish_pools(struct parser *p)
{
	struct config *config = p->config;

	like_apply(config, p->pools, p->diag);
	for (size_t i = 0; i < config->pools_n; i++) {
		struct pool_config *pool = &config->pools[i];

		snprintf(p->title, sizeof(p->title), "[pool %s]", pool->name);
		defaults_apply(&p->defaults[SECTION_POOL],
			       &(struct kept_section){ pool, pool->set_at, p->title }, p->diag);
		kept_finish(&p->pools[i]);
	}
	free(p->pools);
	p->pools = NULL;
}

void parser_finish(struct parser *p)
{
	struct config *config = p->config;

	for (size_t i = 0; i < config->listeners_n; i++) {
		struct listener_config *l = &config->listeners[i];

		snprintf(p->title, sizeof(p->title), "[listener %s]", l->name);
		defaults_apply(&p->defaults[SECTION_LISTENER],
			       &(struct kept_section){ l, l->set_at, p->title }, p->diag);
	}
	finish_pools(p);
	for (size_t i = 0; i < CONFIG_SECTIONS; i++)
		defaults_finish(&p->defaults[i]);
}

/* ---- sections ---- */

/* "listener:web" or "pool.app", where a blank is meant. */
static bool is_joined(const char *kind)
{
	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		size_t n = strlen(config_section_names[i]);

		if (strncmp(kind, config_section_names[i], n) == 0 &&
		    ispunct((unsigned char)kind[n]))
			return true;
	}
	return false;
}

static void report_section(struct parser *p, const char *kind)
{
	const struct foreign *foreign = foreign_find(FOREIGN_SECTION, kind);
	char text[FOREIGN_TEXT_BYTES] = "";
	const char *near = NULL;

	if (foreign)
		foreign_format(foreign, text);
	else if (is_joined(kind))
		snprintf(text, sizeof(text), "; a blank comes before the name");
	else
		near = text_nearest(kind, config_section_names, CONFIG_SECTIONS);
	diag_error(p->diag, &p->reader.value_location,
		   "unknown section '%.60s' (global, listener NAME, pool NAME, defaults listener, "
		   "defaults pool)%s%s%s%s",
		   kind, text, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void open_section(struct parser *p, const char *kind, const struct setting *name)
{
	static void (*const open[CONFIG_SECTIONS])(struct parser *, const struct setting *) = {
		[SECTION_GLOBAL] = open_global,
		[SECTION_LISTENER] = open_listener,
		[SECTION_POOL] = open_pool,
	};

	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		if (strcmp(kind, config_section_names[i]) != 0)
			continue;
		p->kind = (enum config_section)i;
		open[i](p, name);
		return;
	}
	if (strcmp(kind, DEFAULTS_HEAD) == 0) {
		open_defaults(p, name);
		return;
	}
	p->config->has_lost_section = true;
	report_section(p, kind);
}

/* "listener pg": the kind, and the name that follows it. */
static void read_section_head(struct parser *p)
{
	char *kind = p->reader.value;
	size_t kind_bytes = strcspn(kind, " \t");
	size_t name_at = kind_bytes + strspn(kind + kind_bytes, " \t");
	struct setting name = { .title = p->title, .diag = p->diag };

	snprintf(p->title, sizeof(p->title), "[%.*s]", PARSER_TITLE_BYTES / 2, kind);
	name.text = kind + name_at;
	name.location = p->reader.value_location;
	name.location.column += (unsigned)name_at;
	name.location.width -= (unsigned)name_at;
	kind[kind_bytes] = '\0';
	p->section = NULL;
	p->into = NULL;
	p->kept = NULL;
	p->has_head = true;
	open_section(p, kind, &name);
}

/* ---- keys and values ---- */

#define KEYS_MAX 128 /* of a section */

/* In a section of another kind, under another name? */
static const struct foreign *find_elsewhere(const struct parser *p, const char *key,
					    enum config_section *ret_kind)
{
	for (unsigned i = 0; i < CONFIG_SECTIONS; i++) {
		const struct foreign *found = foreign_find((enum foreign_context)i, key);

		if (found && found->ours && i != p->kind) {
			*ret_kind = (enum config_section)i;
			return found;
		}
	}
	return NULL;
}

static const char *nearest_directive(const struct parser *p, const char *key)
{
	const char *keys[KEYS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < directives_n; i++) {
		CHECK(n < ARRAY_LEN(keys));
		if (directives[i].section == p->kind)
			keys[n++] = directives[i].key;
	}
	return text_nearest(key, keys, n);
}

/* It was meant to be there: that it is missing is no mistake beside this one. */
static void excuse(struct parser *p, const char *key)
{
	const struct directive *d = key ? directive_find(p->kind, key) : NULL;

	if (d && p->set_at[d - directives].line == 0)
		p->set_at[d - directives] = p->reader.key_location;
}

static void report_misplaced(struct parser *p, const char *key, enum config_section kind,
			     const char *ours)
{
	const bool has_name = kind != SECTION_GLOBAL;
	const bool is_include = strcmp(ours ? ours : key, "include") == 0;

	diag_error(p->diag, &p->reader.key_location, "%s %.60s: this belongs in %s[%s%s]%s%s%s%s",
		   p->title, key, has_name ? "a " : "", config_section_names[kind],
		   has_name ? " NAME" : "", is_include ? " or in front of the first section" : "",
		   ours ? ", where it is '" : "", ours ? ours : "", ours ? "'" : "");
}

/* What is known of the line as theirs would be, without the '='. */
static bool is_foreign_line(const struct parser *p, const char *key,
			    char ret_text[FOREIGN_LINE_BYTES])
{
	char line[FOREIGN_LINE_BYTES];
	int n = snprintf(line, sizeof(line), "%s %s", key, p->reader.value);

	return foreign_line_format(line, MIN((size_t)n, sizeof(line) - 1), ret_text);
}

static void report_unknown_key(struct parser *p, const char *key)
{
	const struct foreign *foreign = foreign_find((enum foreign_context)p->kind, key);
	char text[FOREIGN_TEXT_BYTES] = "", line[FOREIGN_LINE_BYTES];
	enum config_section kind;
	const char *near = NULL;

	for (unsigned i = 0; i < CONFIG_SECTIONS && !foreign; i++) {
		const struct directive *d = directive_find((enum config_section)i, key);
		const struct directive *old = directive_find_old((enum config_section)i, key);

		if (!d && !old)
			continue;
		report_misplaced(p, key, (enum config_section)i, d ? NULL : old->key);
		return;
	}
	if (foreign) {
		excuse(p, foreign->ours);
		foreign_format(foreign, text);
	} else if (is_foreign_line(p, key, line)) {
		diag_error(p->diag, &p->reader.key_location, "%s %.60s: unknown directive; %s",
			   p->title, key, line);
		return;
	} else {
		foreign = find_elsewhere(p, key, &kind);
		if (foreign) {
			report_misplaced(p, key, kind, foreign->ours);
			return;
		}
		near = nearest_directive(p, key);
		excuse(p, near);
	}
	diag_error(p->diag, &p->reader.key_location, "%s %.60s: unknown directive%s%s%s%s",
		   p->title, key, text, near ? "; did you mean '" : "", near ? near : "",
		   near ? "'?" : "");
}

/* In the section, and where others may be like it, once more for them. */
static void set_own(struct parser *p, const struct setting *s)
{
	const size_t errors_n = s->diag->errors_n;

	s->directive->type->set(s, p->section);
	if (p->kept && s->diag->errors_n == errors_n)
		kept_add(p->kept, s, p->reader.expanded.has_variable);
}

static void set_value(struct parser *p, const struct directive *d)
{
	struct config_location *set_at = &p->set_at[d - directives];
	const bool is_own = p->into && (d->required || d->type == &type_like);
	char title[PARSER_TITLE_BYTES + 64];
	const struct setting s = { .directive = d,
				   .title = title,
				   .text = p->reader.value,
				   .marks = p->reader.expanded.marks,
				   .location = p->reader.value_location,
				   .diag = p->diag };

	snprintf(title, sizeof(title), "%s %s", p->title, d->key);
	if (is_own) {
		diag_error(p->diag, &p->reader.key_location, "%s: each has its own", title);
		return;
	}
	if (set_at->line != 0 && !d->repeatable) {
		diag_error(p->diag, &p->reader.key_location, "%s: given twice; first at %s:%u",
			   title, set_at->file, set_at->line);
		return;
	}
	if (set_at->line == 0)
		*set_at = s.location;
	set_at->has_variable |= p->reader.expanded.has_variable;
	if (p->reader.is_value_bad)
		return;
	if (s.text[0] == '\0')
		setting_error(&s, NULL, "no value");
	else if (p->into)
		defaults_set(p->into, &s);
	else
		set_own(p, &s);
}

/* What was called so before is taken for one release more, with a word. */
static const struct directive *find_old_key(struct parser *p, const char *key)
{
	const struct directive *d = directive_find_old(p->kind, key);

	if (d)
		diag_warning(p->diag, &p->reader.key_location,
			     "%s %s: it is called '%s' now; the next release knows no other name",
			     p->title, key, d->key);
	return d;
}

/* After a head that could not be read, keys are not those of the section before. */
static void lose_section(struct parser *p)
{
	if (!p->reader.has_lost_head)
		return;
	p->config->has_lost_section = true;
	p->has_head = true;
	p->section = NULL;
}

/* Of all that stands in [global] this may stand in front of the first section of any file. */
static bool include_first(struct parser *p, const char *key)
{
	const struct directive *d = directive_find(SECTION_GLOBAL, "include");

	if (p->has_head || strcmp(key, d->key) != 0)
		return false;
	snprintf(p->title, sizeof(p->title), "[global]");
	p->section = &p->config->global;
	p->set_at = p->config->global.set_at;
	set_value(p, d);
	p->section = NULL;
	return true;
}

/* An ini_handler. Of a long value inih passes on a part only: the reader has all of it. */
static int on_pair(void *user, const char *section, const char *key, const char *value)
{
	struct parser *p = user;
	const struct directive *d;

	(void)section;
	(void)value;
	if (p->reader.is_head) {
		p->reader.has_lost_head = false;
		read_section_head(p);
		return 1;
	}
	lose_section(p);
	if (include_first(p, key))
		return 1;
	if (!p->has_head)
		diag_error(p->diag, &p->reader.key_location,
			   "%.60s: before the first section ([global], [listener NAME], "
			   "[pool NAME], " DEFAULTS_FORMS ")",
			   key);
	if (!p->section)
		return 1;
	d = directive_find(p->kind, key);
	if (!d)
		d = find_old_key(p, key);
	if (d)
		set_value(p, d);
	else
		report_unknown_key(p, key);
	return 1;
}

void parser_init(struct parser *p, struct config *config, struct diag *diag)
{
	*p = (struct parser){ .config = config, .diag = diag };
	for (enum config_section i = SECTION_LISTENER; i < CONFIG_SECTIONS; i++)
		(void)!defaults_init(&p->defaults[i], i, diag);
}

void parser_read(struct parser *p, const struct config_file *file)
{
	p->section = NULL;
	p->into = NULL;
	p->kept = NULL;
	p->has_head = false;
	reader_init(&p->reader, file, p->diag);
	/* What it calls an error was reported by the reader, in better words. */
	(void)ini_parse_stream(reader_next, &p->reader, on_pair, p);
	lose_section(p);
}
