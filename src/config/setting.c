/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/setting.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_BYTES 512

void setting_error(const struct setting *s, const char *suggestion, const char *format, ...)
{
	char what[WHAT_BYTES], allowed[DIRECTIVE_ALLOWED_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	diag_error(s->diag, &s->place, "%s: %s (%s)%s%s%s", s->title, what,
		   directive_allowed(s->directive, allowed), suggestion ? "; did you mean '" : "",
		   suggestion ? suggestion : "", suggestion ? "'?" : "");
}

static bool is_name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

bool setting_name(const struct setting *s, char ret_name[CONFIG_NAME_BYTES])
{
	size_t n = 0;

	if (s->text[0] == '\0') {
		diag_error(s->diag, &s->place, "%s: a name is missing", s->title);
		return false;
	}
	while (is_name_letter(s->text[n]))
		n++;
	if (s->text[n] != '\0') {
		diag_error(s->diag, &s->place,
			   "%s: '%.60s' is not a name (letters, digits, '_', '.', '-')", s->title,
			   s->text);
		return false;
	}
	if (n >= CONFIG_NAME_BYTES) {
		diag_error(s->diag, &s->place, "%s: the name has %zu characters (at most %d)",
			   s->title, n, CONFIG_NAME_BYTES - 1);
		return false;
	}
	memcpy(ret_name, s->text, n + 1);
	return true;
}

void *setting_grow(struct diag *diag, void *array, size_t n, size_t bytes)
{
	const bool is_full = (n & (n - 1)) == 0; /* at 0, 1, 2, 4, 8 ... */

	if (is_full) {
		array = reallocarray(array, n ? n * 2 : 1, bytes);
		if (!array) {
			diag_no_memory(diag);
			return NULL;
		}
	}
	memset((char *)array + n * bytes, 0, bytes);
	return array;
}
