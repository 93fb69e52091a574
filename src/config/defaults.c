/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/defaults.h"

#include <stdlib.h>

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
	kept_finish(&defaults->kept);
	free(defaults->fields);
	free(defaults->set_at);
	*defaults = (struct defaults){ 0 };
}

void defaults_set(struct defaults *defaults, const struct setting *s)
{
	size_t errors_n = s->diag->errors_n;

	s->directive->type->set(s, defaults->fields);
	if (s->diag->errors_n == errors_n)
		kept_add(&defaults->kept, s,
			 defaults->set_at[s->directive - directives].has_variable);
}

void defaults_apply(const struct defaults *defaults, const struct kept_section *to,
		    struct diag *diag)
{
	kept_apply(&defaults->kept, ORIGIN_DEFAULTS, to, diag);
}
