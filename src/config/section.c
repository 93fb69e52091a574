/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/section.h"

void section_report_missing(const struct config_location *set_at, enum config_section section,
			    const char *title, const struct config_location *location,
			    struct diag *diag)
{
	char allowed[DIRECTIVE_ALLOWED_BYTES];

	for (size_t i = 0; i < directives_n; i++) {
		const struct directive *d = &directives[i];

		if (d->section == section && d->required && set_at[i].line == 0)
			diag_error(diag, location, "%s: no '%s' in this section (%s)", title,
				   d->key, directive_allowed(d, allowed));
	}
}
