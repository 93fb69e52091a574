/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/dump.h"

#include "config/directive.h"

static void dump_directive(const struct directive *d, const void *from, FILE *to)
{
	size_t n = d->type->count ? d->type->count(from) : 1;

	if (d->type->has && !d->type->has(d, from))
		return;
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s = ", d->type->key ? d->type->key(from, i) : d->key);
		d->type->print(d, from, i, to);
		putc('\n', to);
	}
}

static void dump_section(enum config_section section, const void *from, FILE *to)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == section)
			dump_directive(&directives[i], from, to);
	}
}

void config_dump(const struct config *config, FILE *to)
{
	fputs("[global]\n", to);
	dump_section(SECTION_GLOBAL, &config->global, to);
	for (size_t i = 0; i < config->listeners_n; i++) {
		fprintf(to, "\n[listener %s]\n", config->listeners[i].name);
		dump_section(SECTION_LISTENER, &config->listeners[i], to);
	}
	for (size_t i = 0; i < config->pools_n; i++) {
		fprintf(to, "\n[pool %s]\n", config->pools[i].name);
		dump_section(SECTION_POOL, &config->pools[i], to);
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
		fprintf(to, "\t%s\n", d->help);
	}
}
