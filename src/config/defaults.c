/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/defaults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES 512

struct default_setting {
	const struct directive *directive;
	char *text;
	expand_mark *marks;
	struct config_location location;
};

static size_t fields_bytes(enum config_section section)
{
	return section == SECTION_LISTENER ? sizeof(struct listener_config)
					   : sizeof(struct pool_config);
}

bool defaults_init(struct defaults *defaults, enum config_section section, struct diag *diag)
{
	*defaults = (struct defaults){ .section = section };
	defaults->fields = calloc(1, fields_bytes(section));
	defaults->set_at = calloc(directives_n, sizeof(*defaults->set_at));
	if (!defaults->fields || !defaults->set_at) {
		diag_no_memory(diag);
		return false;
	}
	directive_set_defaults(section, defaults->fields, diag);
	return true;
}

void defaults_finish(struct defaults *defaults)
{
	if (defaults->fields)
		directive_release(defaults->section, defaults->fields);
	for (size_t i = 0; i < defaults->settings_n; i++) {
		free(defaults->settings[i].text);
		free(defaults->settings[i].marks);
	}
	free(defaults->settings);
	free(defaults->fields);
	free(defaults->set_at);
	*defaults = (struct defaults){ 0 };
}

static void defaults_keep(struct defaults *defaults, const struct setting *s)
{
	size_t marks_bytes = (strlen(s->text) + 1) * sizeof(*s->marks);
	struct default_setting *all =
		setting_grow(s->diag, defaults->settings, defaults->settings_n, sizeof(*all));
	struct default_setting *one;

	if (!all)
		return;
	defaults->settings = all;
	one = &all[defaults->settings_n++];
	one->directive = s->directive;
	one->location = s->location;
	one->location.is_inherited = true;
	one->location.has_variable = defaults->set_at[s->directive - directives].has_variable;
	one->text = strdup(s->text);
	one->marks = malloc(marks_bytes);
	if (!one->text || !one->marks) {
		diag_no_memory(s->diag);
		defaults->settings_n--;
		free(one->text);
		free(one->marks);
		return;
	}
	memcpy(one->marks, s->marks, marks_bytes);
}

void defaults_set(struct defaults *defaults, const struct setting *s)
{
	size_t errors_n = s->diag->errors_n;

	s->directive->type->set(s, defaults->fields);
	if (s->diag->errors_n == errors_n)
		defaults_keep(defaults, s);
}

/* Has the section this, or what is one list with it, of its own? */
static bool has_own(const struct directive *d, const struct config_location *set_at)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == d->section && directives[i].offset == d->offset &&
		    set_at[i].line > 0 && !set_at[i].is_inherited)
			return true;
	}
	return false;
}

void defaults_apply(const struct defaults *defaults, const char *title, void *section,
		    struct config_location *set_at, struct diag *diag)
{
	char text[TITLE_BYTES];

	for (size_t i = 0; i < defaults->settings_n; i++) {
		const struct default_setting *one = &defaults->settings[i];
		const struct directive *d = one->directive;
		const struct setting s = { .directive = d,
					   .title = text,
					   .text = one->text,
					   .marks = one->marks,
					   .location = one->location,
					   .diag = diag };

		if (has_own(d, set_at))
			continue;
		snprintf(text, sizeof(text), "%s %s", title, d->key);
		d->type->set(&s, section);
		if (set_at[d - directives].line == 0)
			set_at[d - directives] = one->location;
	}
}
