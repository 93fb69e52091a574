/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/setting.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_BYTES 512
#define TIDY_BYTES 128 /* of a suggestion; longer values get none */

/* Without quotes, and what other languages have in front or behind; NULL: as it is. */
static const char *tidy(const char *typed, char text[TIDY_BYTES])
{
	size_t n = strlen(typed), front;

	if (n < 2 || n >= TIDY_BYTES)
		return NULL;
	front = typed[0] == '=' && typed[1] == ' ' ? 2 : 0;
	if (strchr(";,:", typed[n - 1]))
		n--;
	else if (strchr("\"'", typed[0]) && typed[n - 1] == typed[0])
		n -= front = 1;
	if (n <= front || n - front == strlen(typed))
		return NULL;
	snprintf(text, TIDY_BYTES, "%.*s", (int)(n - front), typed + front);
	return text;
}

void setting_error(const struct setting *s, const char *suggestion, const char *format, ...)
{
	char what[WHAT_BYTES], allowed[DIRECTIVE_ALLOWED_BYTES], tidied[TIDY_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (!suggestion)
		suggestion = tidy(s->text, tidied);
	diag_error(s->diag, &s->location, "%s: %s (%s)%s%s%s", s->title, what,
		   directive_allowed(s->directive, allowed), suggestion ? "; did you mean '" : "",
		   suggestion ? suggestion : "", suggestion ? "'?" : "");
}

void setting_default(const struct directive *d, void *to, struct diag *diag)
{
	const struct setting s = {
		.directive = d, .title = d->key, .text = d->fallback, .diag = diag
	};

	if (d->fallback)
		d->type->set(&s, to);
}

static bool is_name_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

/* A name like the one that was typed. */
static const char *suggest_name(const char *typed, char text[TIDY_BYTES])
{
	if (!tidy(typed, text))
		snprintf(text, TIDY_BYTES, "%s", typed);
	if (strlen(text) >= CONFIG_NAME_BYTES)
		return NULL;
	for (char *at = text; *at != '\0'; at++) {
		if (!is_name_letter(*at))
			*at = '_';
	}
	return text;
}

static void report_no_name(const struct setting *s)
{
	char text[TIDY_BYTES];
	const char *like = suggest_name(s->text, text);

	diag_error(s->diag, &s->location,
		   "%s: '%.60s' is not a name (letters, digits, '_', '.', '-')%s%s%s", s->title,
		   s->text, like ? "; did you mean '" : "", like ? like : "", like ? "'?" : "");
}

bool setting_name(const struct setting *s, char ret_name[CONFIG_NAME_BYTES])
{
	size_t n = 0;

	if (s->text[0] == '\0') {
		diag_error(s->diag, &s->location, "%s: a name is missing", s->title);
		return false;
	}
	while (is_name_letter(s->text[n]))
		n++;
	if (s->text[n] != '\0') {
		report_no_name(s);
		return false;
	}
	if (n >= CONFIG_NAME_BYTES) {
		diag_error(s->diag, &s->location, "%s: the name has %zu characters (at most %d)",
			   s->title, n, CONFIG_NAME_BYTES - 1);
		return false;
	}
	memcpy(ret_name, s->text, n + 1);
	return true;
}

struct setting setting_part(const struct setting *s, size_t at, const char *text, size_t bytes)
{
	const expand_mark *marks = s->marks;
	struct setting part = *s;
	size_t end = at + bytes;

	part.text = text;
	if (!marks)
		return part;
	while (end > at && (marks[end] & EXPAND_OFFSET) == (marks[at] & EXPAND_OFFSET) &&
	       s->text[end] != '\0')
		end++; /* it ends within a variable: all of that is shown */
	part.marks = marks + at;
	part.location.column += (marks[at] & EXPAND_OFFSET) - (marks[0] & EXPAND_OFFSET);
	part.location.width = (marks[end] & EXPAND_OFFSET) - (marks[at] & EXPAND_OFFSET);
	return part;
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
