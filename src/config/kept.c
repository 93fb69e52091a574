/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE_BYTES 512

struct kept_setting {
	const struct directive *directive;
	char *text;
	expand_mark *marks;
	struct config_location location;
};

void kept_add(struct kept *kept, const struct setting *s, bool has_variable)
{
	size_t marks_bytes = (strlen(s->text) + 1) * sizeof(*s->marks);
	struct kept_setting *all = setting_grow(s->diag, kept->list, kept->n, sizeof(*all));
	struct kept_setting *one;

	if (!all)
		return;
	kept->list = all;
	one = &all[kept->n];
	one->directive = s->directive;
	one->location = s->location;
	one->location.has_variable = has_variable;
	one->text = strdup(s->text);
	one->marks = malloc(marks_bytes);
	if (!one->text || !one->marks) {
		diag_no_memory(s->diag);
		free(one->text);
		free(one->marks);
		return;
	}
	memcpy(one->marks, s->marks, marks_bytes);
	kept->n++;
}

/* Has the section this, or what is one list with it, from elsewhere? */
static bool has_other(const struct directive *d, enum config_origin origin,
		      const struct config_location *set_at)
{
	for (size_t i = 0; i < directives_n; i++) {
		if (directives[i].section == d->section && directives[i].offset == d->offset &&
		    set_at[i].line > 0 && set_at[i].origin != origin)
			return true;
	}
	return false;
}

void kept_apply(const struct kept *kept, enum config_origin origin, const struct kept_section *to,
		struct diag *diag)
{
	char title[TITLE_BYTES];

	for (size_t i = 0; i < kept->n; i++) {
		const struct kept_setting *one = &kept->list[i];
		const struct directive *d = one->directive;
		struct config_location *set_at = &to->set_at[d - directives];
		const struct setting s = { .directive = d,
					   .title = title,
					   .text = one->text,
					   .marks = one->marks,
					   .location = one->location,
					   .diag = diag };

		if (has_other(d, origin, to->set_at))
			continue;
		snprintf(title, sizeof(title), "%s %s", to->title, d->key);
		d->type->set(&s, to->section);
		if (set_at->line == 0) {
			*set_at = one->location;
			set_at->origin = origin;
		}
		set_at->has_variable |= one->location.has_variable;
	}
}

void kept_finish(struct kept *kept)
{
	for (size_t i = 0; i < kept->n; i++) {
		free(kept->list[i].text);
		free(kept->list[i].marks);
	}
	free(kept->list);
	*kept = (struct kept){ 0 };
}
