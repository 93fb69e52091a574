/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/expand.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define NAME_BYTES 128      /* of a variable */
#define NAMES_COMPARED 512u /* with one that is not set, for a guess */

/* A value while it is read. */
struct expansion {
	const char *raw, *at, *end;
	const char *quote; /* that opened just now: what follows is marked with it; or NULL */
	const struct config_location *location;
	struct diag *diag;
	struct expanded *to;
};

static struct config_location location_from(const struct expansion *x, const char *from,
					    const char *to)
{
	struct config_location location = *x->location;

	location.column += (unsigned)(from - x->raw);
	location.width = (unsigned)(to - from);
	return location;
}

bool expand_is_open(const char *begin, const char *at)
{
	return *at == '"' && (at == begin || strchr(" \t=", at[-1]));
}

const char *expand_find_close(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\' && at + 1 < end)
			at++;
	}
	return at < end ? at : NULL;
}

/* False, and reported, when there is no room for more. */
static bool add_byte(struct expansion *x, char byte, const char *written_at, bool is_quoted)
{
	struct expanded *to = x->to;

	if (to->bytes == CONFIG_LINE_BYTES_MAX) {
		diag_error(x->diag, x->location, "the value has more than %u bytes",
			   CONFIG_LINE_BYTES_MAX);
		return false;
	}
	if (x->quote)
		written_at = x->quote;
	x->quote = NULL;
	to->marks[to->bytes] =
		(expand_mark)((size_t)(written_at - x->raw) | (is_quoted ? EXPAND_QUOTED : 0));
	to->text[to->bytes++] = byte;
	return true;
}

/* ---- variables ---- */

static bool is_variable_letter(char c, bool is_first)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (!is_first && c >= '0' && c <= '9');
}

static bool is_variable_name(const char *name)
{
	for (size_t i = 0; name[i] != '\0'; i++) {
		if (!is_variable_letter(name[i], i == 0))
			return false;
	}
	return name[0] != '\0';
}

/* One that is set and has a name like that, or NULL. */
static const char *nearest_variable(const char *name, char text[NAME_BYTES])
{
	char(*names)[NAME_BYTES] = calloc(NAMES_COMPARED, sizeof(*names));
	const char *list[NAMES_COMPARED], *nearest;
	size_t n = 0;

	for (char **at = environ; names && at && *at && n < NAMES_COMPARED; at++) {
		size_t bytes = strcspn(*at, "=");

		if (bytes == 0 || bytes >= NAME_BYTES)
			continue;
		memcpy(names[n], *at, bytes);
		names[n][bytes] = '\0';
		list[n] = names[n];
		n++;
	}
	nearest = text_nearest(name, list, n);
	if (nearest)
		snprintf(text, NAME_BYTES, "%s", nearest);
	free(names);
	return nearest ? text : NULL;
}

static void report_unset(const struct expansion *x, const struct config_location *location,
			 const char *name)
{
	char text[NAME_BYTES];
	const char *near = nearest_variable(name, text);

	diag_error(x->diag, location, "the environment has no variable %s%s%s%s", name,
		   near ? "; did you mean '${" : "", near ? near : "", near ? "}'?" : "");
}

static bool add_variable(struct expansion *x, const char *begin, const char *value, bool is_quoted)
{
	for (; *value != '\0'; value++) {
		if ((unsigned char)*value < 0x20 && *value != '\t') {
			const struct config_location location = location_from(x, begin, x->at);

			diag_error(x->diag, &location,
				   "the variable has a control character in it (byte 0x%02x)",
				   (unsigned char)*value);
			return false;
		}
		if (!add_byte(x, *value, begin, is_quoted))
			return false;
	}
	return true;
}

/* "${NAME}" at x->at. */
static bool read_variable(struct expansion *x, bool is_quoted)
{
	const char *begin = x->at, *close = memchr(begin, '}', (size_t)(x->end - begin));
	struct config_location location = location_from(x, begin, close ? close + 1 : x->end);
	const char *value = NULL;
	char name[NAME_BYTES];

	if (!close) {
		diag_error(x->diag, &location, "a '}' is missing behind the name of the variable");
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)MIN(close - begin - 2, NAME_BYTES), begin + 2);
	x->at = close + 1;
	x->to->has_variable = true;
	if (is_variable_name(name))
		value = getenv(name);
	if (value)
		return add_variable(x, begin, value, is_quoted);
	if (is_variable_name(name))
		report_unset(x, &location, name);
	else
		diag_error(x->diag, &location,
			   "'%.60s' is not the name of a variable (letters, digits, '_')", name);
	return false;
}

static bool is_variable(const struct expansion *x)
{
	return x->at[0] == '$' && x->at + 1 < x->end && x->at[1] == '{';
}

/* ---- quotes ---- */

static bool is_escape(const struct expansion *x)
{
	return x->at[0] == '\\' && x->at + 1 < x->end && strchr("\"\\$", x->at[1]);
}

static bool read_quoted(struct expansion *x)
{
	const char *begin = x->at, *close = expand_find_close(begin, x->end);
	struct config_location location = location_from(x, begin, x->end);
	bool is_good = true;

	if (!close) {
		diag_error(x->diag, &location, "a closing '\"' is missing");
		return false;
	}
	x->quote = begin;
	for (x->at = begin + 1; is_good && x->at < close;) {
		if (is_variable(x)) {
			is_good = read_variable(x, true);
			continue;
		}
		x->at += is_escape(x);
		is_good = add_byte(x, *x->at, x->at, true);
		x->at++;
	}
	x->quote = NULL;
	x->at = ++close;
	if (is_good && close < x->end && *close != ' ' && *close != '\t') {
		location = location_from(x, close, x->end);
		diag_error(x->diag, &location, "a blank is missing behind the closing '\"'");
		return false;
	}
	return is_good;
}

bool expand_value(const char *raw, size_t bytes, const struct config_location *location,
		  struct diag *diag, struct expanded *ret_expanded)
{
	struct expansion x = { .raw = raw,
			       .at = raw,
			       .end = raw + bytes,
			       .location = location,
			       .diag = diag,
			       .to = ret_expanded };
	bool is_good = true;

	ret_expanded->bytes = 0;
	ret_expanded->has_variable = false;
	while (is_good && x.at < x.end) {
		if (expand_is_open(raw, x.at)) {
			is_good = read_quoted(&x);
		} else if (is_variable(&x)) {
			is_good = read_variable(&x, false);
		} else {
			is_good = add_byte(&x, *x.at, x.at, false);
			x.at++;
		}
	}
	ret_expanded->text[ret_expanded->bytes] = '\0';
	ret_expanded->marks[ret_expanded->bytes] = (expand_mark)bytes;
	return is_good;
}

/* ---- written back ---- */

static bool needs_quotes(const char *text)
{
	return text[0] == '\0' || strchr(";#", text[0]) || strpbrk(text, " \t\"") ||
	       strstr(text, "${");
}

void expand_print(const char *text, FILE *to)
{
	if (!needs_quotes(text)) {
		fputs(text, to);
		return;
	}
	putc('"', to);
	for (; *text != '\0'; text++) {
		if (strchr("\"\\", *text) || (text[0] == '$' && text[1] == '{'))
			putc('\\', to);
		putc(*text, to);
	}
	putc('"', to);
}
