/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/reader.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/directive.h"
#include "config/foreign.h"
#include "config/foreign_line.h"
#include "config/trial.h"
#include "config/value.h"

#define NEITHER "neither 'key = value' nor '[section]'"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

#define KEY_BYTES 64
#define EXAMPLE_BYTES 100 /* of a value that is shown as it should be written */

void reader_init(struct reader *reader, const struct config_file *file, struct diag *diag)
{
	reader->file = file;
	reader->diag = diag;
	reader->line = 0;
	reader->has_lost_head = false;
}

static bool is_blank_byte(char c)
{
	return c == ' ' || c == '\t';
}

/* A line of the file while it is taken to pieces; begin is what its column 1 is. */
struct line {
	const char *begin, *at, *end;
};

static struct config_location line_location(const struct reader *r, const struct line *line,
					    const char *from, const char *to)
{
	return (struct config_location){
		.file = r->file->name,
		.line = r->line,
		.column = (unsigned)(from - line->begin) + 1,
		.width = (unsigned)(to - from),
	};
}

static void trim(struct line *line)
{
	while (line->at < line->end && is_blank_byte(*line->at))
		line->at++;
	while (line->end > line->at && is_blank_byte(line->end[-1]))
		line->end--;
}

/* A comment begins with ";" or "#", first in the line or after a blank, but not within quotes. */
static void cut_comment(struct line *line)
{
	for (const char *c = line->at; c < line->end; c++) {
		const char *close = NULL;

		if (c > line->at && expand_is_open(line->at, c))
			close = expand_find_close(c, line->end);
		if (close)
			c = close;
		else if ((*c == ';' || *c == '#') && (c == line->at || is_blank_byte(c[-1])))
			line->end = c;
	}
}

/* The first byte that has no place in a text, or NULL. Bytes of UTF-8 pass. */
static const char *find_control(const struct line *line)
{
	for (const char *c = line->at; c < line->end; c++) {
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return c;
	}
	return NULL;
}

static bool is_text(const struct reader *r, const struct line *line)
{
	size_t bytes = (size_t)(line->end - line->begin);
	const char *control;
	struct config_location location;

	if (bytes > CONFIG_LINE_BYTES_MAX) {
		location = line_location(r, line, line->begin + CONFIG_LINE_BYTES_MAX, line->end);
		diag_error(r->diag, &location, "the line is too long: %zu bytes (at most %u)",
			   bytes, CONFIG_LINE_BYTES_MAX);
		return false;
	}
	control = find_control(line);
	if (!control)
		return true;
	location = line_location(r, line, control, control + 1);
	if (*control == '\0')
		diag_error(r->diag, &location, "a NUL byte: this is no text");
	else
		diag_error(r->diag, &location, "a control character (byte 0x%02x): this is no text",
			   (unsigned char)*control);
	return false;
}

/* Keeps what lies between @from and @to, without blanks around it, as the value. */
static void keep_value(struct reader *r, const struct line *whole, const char *from, const char *to)
{
	struct line value = { .begin = whole->begin, .at = from, .end = to };
	size_t bytes;

	trim(&value);
	bytes = (size_t)(value.end - value.at);
	r->value = r->text + (value.at - whole->at);
	r->value[bytes] = '\0';
	r->value_location = line_location(r, whole, value.at, value.end);
}

/* "[listener pg]", which becomes "section = listener pg". */
static bool read_head_line(struct reader *r, const struct line *line)
{
	const char *close = memchr(line->at, ']', (size_t)(line->end - line->at));
	struct config_location location;

	r->is_head = true;
	r->key_location = line_location(r, line, line->at, line->end);
	if (!close) {
		location = line_location(r, line, line->end, line->end);
		diag_error(r->diag, &location, "a ']' is missing at the end of the section's head");
		return false;
	}
	if (close + 1 < line->end) {
		location = line_location(r, line, close + 1, line->end);
		diag_error(r->diag, &location, "unexpected text after ']'");
		return false;
	}
	keep_value(r, line, line->at + 1, close);
	return true;
}

/* A line that is not ours, taken to pieces: "bind *:80", "bind: *:80", "listen 80;", "server {". */
struct odd_line {
	char key[KEY_BYTES];
	const char *value; /* NULL: there is none */
	int value_bytes;
	bool has_brace, has_semicolon;
};

static struct odd_line read_odd_line(const struct line *line)
{
	struct odd_line s = { 0 };
	const char *at = line->at, *end = line->end;

	while (at < end && !is_blank_byte(*at) && *at != ':' && *at != '=' && *at != '{')
		at++;
	snprintf(s.key, sizeof(s.key), "%.*s", (int)MIN(at - line->at, KEY_BYTES - 1), line->at);
	s.has_brace = end[-1] == '{' || line->at[0] == '}';
	s.has_semicolon = end[-1] == ';';
	if (at < end && *at == ':')
		at++;
	while (at < end && (is_blank_byte(*at) || *at == '='))
		at++;
	while (end > at && (is_blank_byte(end[-1]) || strchr("{;:", end[-1])))
		end--;
	s.value = at < end ? at : NULL;
	s.value_bytes = (int)(end - at);
	return s;
}

/* A foreign key, whatever its section; one that has a word of ours, if there is such a one. */
static const struct foreign *find_foreign_key(const char *key)
{
	static const enum foreign_context places[] = { FOREIGN_LISTENER, FOREIGN_POOL,
						       FOREIGN_GLOBAL };
	const struct foreign *found = NULL;

	for (size_t i = 0; i < ARRAY_LEN(places) && !(found && found->ours); i++) {
		const struct foreign *next = foreign_find(places[i], key);

		if (!found || (next && next->ours))
			found = next;
	}
	return found;
}

/* The same of a line's first word, or of two, as HAProxy has it: "timeout client 5s". */
static const struct foreign *take_key(struct odd_line *s)
{
	const struct foreign *found = NULL;
	char both[2 * KEY_BYTES];
	int n = 0;

	if (!s->value)
		return find_foreign_key(s->key);
	while (n < s->value_bytes && !is_blank_byte(s->value[n]))
		n++;
	if (n < s->value_bytes && n < KEY_BYTES) {
		snprintf(both, sizeof(both), "%s %.*s", s->key, n, s->value);
		found = find_foreign_key(both);
	}
	if (!found)
		return find_foreign_key(s->key);
	while (is_blank_byte(s->value[n]))
		n++;
	s->value += n;
	s->value_bytes -= n;
	return found;
}

static bool is_section(const char *key)
{
	for (size_t i = 0; i < CONFIG_SECTIONS; i++) {
		if (strcmp(key, config_section_names[i]) == 0)
			return true;
	}
	return false;
}

/* "frontend web" and "server {" begin one, "server s1 10.0.0.1:80" and "listen 80;" do not. */
static const struct foreign *find_section(const struct odd_line *s)
{
	const bool is_one_word = !s->value || !memchr(s->value, ' ', (size_t)s->value_bytes);

	if (!s->has_brace && (s->has_semicolon || !is_one_word))
		return NULL;
	return foreign_find(FOREIGN_SECTION, s->key);
}

/* Would a pair be made of it by an '=' alone? */
static bool is_example(const struct odd_line *s)
{
	return s->value && s->value_bytes < EXAMPLE_BYTES && isalpha((unsigned char)s->key[0]) &&
	       !memchr(s->value, '=', (size_t)s->value_bytes);
}

/* The value, and where it is a bare number for one of theirs, with their unit of time. */
static void copy_value(const struct odd_line *s, const struct directive *d, bool is_foreign,
		       char ret_value[EXAMPLE_BYTES + 4])
{
	int digits = 0;

	while (digits < s->value_bytes && isdigit((unsigned char)s->value[digits]))
		digits++;
	snprintf(ret_value, EXAMPLE_BYTES + 4, "%.*s%s", s->value_bytes, s->value,
		 !is_foreign || d->type != &type_duration || digits < s->value_bytes ? ""
		 : s->has_semicolon                                                  ? "s"
										     : "ms");
}

/*
 * The pair that it is here, as its directive takes it. False: there is none,
 * and @ret_text is why, or empty where nobody knows the key.
 */
static bool find_pair(const struct odd_line *s, const struct foreign *foreign,
		      char ret_text[TRIAL_BYTES])
{
	static const enum config_section sections[] = { SECTION_LISTENER, SECTION_POOL,
							SECTION_GLOBAL };
	char value[EXAMPLE_BYTES + 4], text[TRIAL_BYTES];

	ret_text[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct directive *d =
			directive_find(sections[i], foreign ? foreign->ours : s->key);

		if (!d || (foreign && (enum config_section)foreign->place != sections[i]))
			continue;
		copy_value(s, d, foreign, value);
		if (trial_pair(d, value, text)) {
			memcpy(ret_text, text, sizeof(text));
			return true;
		}
		if (!ret_text[0])
			memcpy(ret_text, text, sizeof(text));
	}
	return false;
}

/* What could be a pair: says how it is written here, or what it is called. */
static void report_example(struct reader *r, const struct config_location *location,
			   const struct odd_line *s, const struct foreign *key)
{
	char text[FOREIGN_TEXT_BYTES], pair[TRIAL_BYTES] = "";

	if ((!key || key->ours) && find_pair(s, key, pair))
		diag_error(r->diag, location, NEITHER "; did you mean '%s'?", pair);
	else if (key)
		diag_error(r->diag, location, NEITHER "%s", foreign_format(key, text));
	else
		diag_error(r->diag, location, NEITHER "%s%s", pair[0] ? "; " : "", pair);
}

/* Neither a head nor a pair: says what comes closest, if anything does. */
static void report_neither(struct reader *r, const struct line *line,
			   const struct config_location *location)
{
	struct odd_line s = read_odd_line(line);
	const struct foreign *section = find_section(&s), *key = take_key(&s);
	char text[FOREIGN_TEXT_BYTES], whole[FOREIGN_LINE_BYTES];

	if (section)
		diag_error(r->diag, location, NEITHER "%s", foreign_format(section, text));
	else if (foreign_line_format(line->at, (size_t)(line->end - line->at), whole))
		diag_error(r->diag, location, NEITHER "; %s", whole);
	else if (is_section(s.key))
		diag_error(r->diag, location, NEITHER "; did you mean '[%s%s%.*s]'?", s.key,
			   s.value ? " " : "", s.value ? s.value_bytes : 0, s.value ? s.value : "");
	else if (s.has_brace && line->at[0] != '}')
		diag_error(r->diag, location, NEITHER "; braces mean nothing here");
	else if (line->at[0] == '/')
		diag_error(r->diag, location, NEITHER "; a comment begins with ';' or '#'");
	else if (is_example(&s))
		report_example(r, location, &s, key);
	else if (!r->has_lost_head || line->at[0] != '}')
		diag_error(r->diag, location, NEITHER);
	r->has_lost_head |= section || is_section(s.key);
}

/* "key = value". A ':' does not separate, though inih thinks so. */
static bool read_pair(struct reader *r, const struct line *line)
{
	const char *equals = memchr(line->at, '=', (size_t)(line->end - line->at));
	struct line key = { .begin = line->begin, .at = line->at, .end = equals };
	struct config_location location;

	r->is_head = false;
	if (equals)
		trim(&key);
	if (!equals || key.at == key.end || memchr(key.at, ':', (size_t)(key.end - key.at))) {
		location = line_location(r, line, line->at, line->end);
		report_neither(r, line, &location);
		return false;
	}
	r->key_location = line_location(r, line, key.at, key.end);
	keep_value(r, line, equals + 1, line->end);
	r->is_value_bad = !expand_value(r->value, r->value_location.width, &r->value_location,
					r->diag, &r->expanded);
	r->value = r->expanded.text;
	return true;
}

/* Takes the next line to pieces; false when there is nothing in it for inih. */
static bool read_config_line(struct reader *r)
{
	struct line line;
	size_t bytes;

	r->line++;
	line.begin = line.at = config_file_line(r->file, r->line, &bytes);
	line.end = line.begin + bytes;
	if (r->line == 1 && bytes >= 3 && memcmp(line.begin, BYTE_ORDER_MARK, 3) == 0)
		line.at += 3;
	if (!is_text(r, &line)) {
		trim(&line);
		r->has_lost_head |= line.at < line.end && *line.at == '[';
		return false;
	}
	trim(&line);
	cut_comment(&line);
	trim(&line);
	if (line.at == line.end)
		return false;
	memcpy(r->text, line.at, (size_t)(line.end - line.at));
	r->text[line.end - line.at] = '\0';
	if (*line.at != '[')
		return read_pair(r, &line);
	if (read_head_line(r, &line))
		return true;
	r->has_lost_head = true;
	return false;
}

/*
 * Newer inih takes a line that fills its buffer without a newline for the
 * beginning of one, and throws away what it reads next. So what is handed
 * over is always cut to fit; no key that exists is longer than a quarter.
 */
char *reader_next(char *line, int bytes, void *reader)
{
	struct reader *r = reader;
	size_t room = (size_t)bytes;

	if (r->line == r->file->lines_n)
		return NULL;
	if (!read_config_line(r))
		snprintf(line, room, "\n");
	else if (r->is_head)
		snprintf(line, room, "section = %.*s\n", bytes / 2, r->value);
	else
		snprintf(line, room, "%.*s = %.*s\n", MIN((int)r->key_location.width, bytes / 4),
			 r->text, bytes / 2, r->value);
	return line;
}
