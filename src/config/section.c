/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/section.h"

void section_report_missing(const struct config_place *given, enum config_section section,
			    const char *title, const struct config_place *place, struct diag *diag)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section == section && d->required && given[i].line == 0)
			diag_error(diag, place, "%s: no '%s' in this section (%s)", title, d->key,
				   directive_allowed(d, allowed));
	}
}
