/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/late_diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/diag.h"

#define MESSAGE_BYTES 1024

static void tell_lines(char *text, config_diff_fn *tell, void *owner)
{
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		tell(owner, line);
}

static void say(const struct config_location *location, const char *message, FILE *to)
{
	struct diag diag;

	diag_init(&diag);
	diag_error(&diag, location->line > 0 ? location : NULL, "%s", message);
	diag_write(&diag, to);
	diag_finish(&diag);
}

void late_diag_error(const struct config_location *location, config_diff_fn *tell, void *owner,
		     const char *format, ...)
{
	char message[MESSAGE_BYTES], *text = NULL;
	size_t bytes;
	va_list args;
	FILE *to = open_memstream(&text, &bytes);

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (to) {
		say(location, message, to);
		fclose(to);
	}
	if (text)
		tell_lines(text, tell, owner);
	else
		tell(owner, message);
	free(text);
}
