/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/dump.h"

#include "config/directive.h"

/* A comment behind what does not stand in its section as it is: where it comes from. */
static void dump_origin(const struct config_location *location, FILE *to)
{
	fputs(" ; ", to);
	for (const char *c = location->file; *c != '\0'; c++)
		putc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, to);
	fprintf(to, ":%u", location->line);
}

/* Where it was set; of what is written with several keys, by any of them. */
static const struct config_location *origin_of(const struct directive *d,
					       const struct config_location *set_at)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == d->section && directives[i].offset == d->offset &&
		    set_at[i].line > 0)
			return &set_at[i];
	}
	return &set_at[d - directives];
}

static struct list_origin list_origin_of(const struct directive *d, const void *from, size_t index)
{
	return d->type->origin ? d->type->origin(from, index) : (struct list_origin){ 0 };
}

static void dump_comment(const struct config_location *set_at, const struct list_origin *list,
			 FILE *to)
{
	static const char *const origins[CONFIG_ORIGINS] = {
		[ORIGIN_OWN] = "",
		[ORIGIN_LIKE] = ", like",
		[ORIGIN_DEFAULTS] = ", defaults",
	};
	const struct config_location in_list = { .file = list->file, .line = list->line };

	if (!list->file && set_at->origin == ORIGIN_OWN && !set_at->has_variable)
		return;
	dump_origin(list->file ? &in_list : set_at, to);
	fputs(origins[set_at->origin], to);
	fputs(set_at->has_variable ? ", from the environment" : "", to);
}

static void dump_directive(const struct directive *d, const void *from,
			   const struct config_location *set_at, FILE *to)
{
	size_t n = d->type->count ? d->type->count(from) : 1;

	if (d->type->has && !d->type->has(d, from))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct list_origin list = list_origin_of(d, from, i);

		fprintf(to, "%s = ", d->type->key ? d->type->key(from, i) : d->key);
		d->type->print(d, from, i, to);
		dump_comment(set_at, &list, to);
		putc('\n', to);
	}
}

static void dump_section(enum config_section section, const void *from,
			 const struct config_location *set_at, FILE *to)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section)
			dump_directive(&directives[i], from, origin_of(&directives[i], set_at), to);
	}
}

static void dump_head(const struct config *config, const char *kind, const char *name,
		      const struct config_location *location, FILE *to)
{
	fprintf(to, "\n[%s %s]", kind, name);
	if (config->files_n > 1)
		dump_origin(location, to);
	putc('\n', to);
}

void config_dump(const struct config *config, FILE *to)
{
	fputs("[global]\n", to);
	dump_section(SECTION_GLOBAL, &config->global, config->global.set_at, to);
	for (size_t i = 0; i < config->listeners_n; i++) {
		const struct listener_config *l = &config->listeners[i];

		dump_head(config, "listener", l->name, &l->location, to);
		dump_section(SECTION_LISTENER, l, l->set_at, to);
	}
	for (size_t i = 0; i < config->pools_n; i++) {
		const struct pool_config *pool = &config->pools[i];

		dump_head(config, "pool", pool->name, &pool->location, to);
		dump_section(SECTION_POOL, pool, pool->set_at, to);
	}
}

/* "required", "repeatable", "formerly=OLD_KEY", with commas between; "-": none. */
static void print_marks(const struct directive *d, FILE *to)
{
	const char *const marks[] = { d->required ? "required" : NULL,
				      d->repeatable ? "repeatable" : NULL,
				      d->old_key ? "formerly=" : NULL };
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (!marks[i])
			continue;
		fprintf(to, "%s%s", between, marks[i]);
		between = ",";
	}
	fputs(d->old_key ? d->old_key : "", to);
	if (!*between)
		putc('-', to);
}

void config_print_directives(FILE *to)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		fprintf(to, "%s\t%s\t%s\t%s\t", config_section_names[d->section], d->key,
			d->fallback ? d->fallback : "-", directive_allowed(d, allowed));
		print_marks(d, to);
		fprintf(to, "\t%s\t%s\n", directive_reload_names[d->reload], d->help);
	}
}
