/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/directive_type.h"

const char *const config_section_names[CONFIG_SECTIONS] = {
	[SECTION_GLOBAL] = "global",
	[SECTION_LISTENER] = "listener",
	[SECTION_POOL] = "pool",
};

const char *const directive_reload_names[DIRECTIVE_RELOADS] = {
	[RELOAD_NOW] = "now",
	[RELOAD_SESSIONS] = "new sessions",
	[RELOAD_RESTART] = "restart",
};

const char *directive_allowed(const struct directive *d, char text[DIRECTIVE_ALLOWED_BYTES])
{
	FILE *to;

	if (d->type->form) {
		snprintf(text, DIRECTIVE_ALLOWED_BYTES, "%s", d->type->form);
		return text;
	}
	text[0] = '\0';
	to = fmemopen(text, DIRECTIVE_ALLOWED_BYTES, "w");
	if (to) {
		d->type->allow(d, to);
		fclose(to);
	}
	return text;
}
