/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/diag.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/letter.h"
#include "config/secret.h"

#define MESSAGE_BYTES 1024 /* of one mistake; words of the file in it are far shorter */
#define EXCERPT_BYTES 120  /* of the line that is shown with it */
#define EXCERPT_LEAD 40    /* of them before the caret, in a long line */

void diag_init(struct diag *diag)
{
	*diag = (struct diag){ 0 };
}

void diag_finish(struct diag *diag)
{
	for (size_t i = 0; i < diag->entries_n; i++)
		free(diag->entries[i].text);
	diag_init(diag);
}

void diag_set_files(struct diag *diag, const struct config_file *files, size_t n)
{
	diag->files = files;
	diag->files_n = n;
}

void diag_set_list(struct diag *diag, const struct config_file *list)
{
	diag->list = list;
}

/* What a file contains may be anything, and a terminal obeys what it is told. */
static void write_clean(FILE *to, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes;) {
		uint32_t letter = (unsigned char)text[i];
		char next[5] = ""; /* no longer than a letter: @text ends without a NUL */
		size_t n;
		bool is_bad;

		memcpy(next, text + i, MIN(bytes - i, sizeof(next) - 1));
		n = MAX(letter_read(next, &letter), 1);
		is_bad = (letter < 0x20 && letter != '\t') || letter == 0x7f ||
			 (n > 1 && letter_is_hidden(letter));

		if (is_bad)
			putc('?', to);
		else
			fwrite(text + i, 1, n, to);
		i += n;
	}
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The part of a line that is shown: all of it, or what is around the caret; no passwords. */
struct excerpt {
	const char *line;
	size_t begin, end, bytes;
};

static struct excerpt excerpt_of(const char *line, size_t bytes, size_t caret)
{
	struct excerpt e = { .line = line, .bytes = bytes };

	if (bytes > EXCERPT_BYTES && caret > EXCERPT_BYTES - EXCERPT_LEAD)
		e.begin = caret - EXCERPT_LEAD;
	while (e.begin > 0 && e.begin < bytes && is_continuation(line[e.begin]))
		e.begin++;
	e.end = MIN(secret_in_line(line, bytes), e.begin + EXCERPT_BYTES);
	e.end = MAX(e.begin, e.end);
	return e;
}

/* Below the line: blanks as wide as what is before the caret, then the caret. */
static void write_caret(FILE *to, const struct excerpt *e, size_t caret, size_t width)
{
	fputs("      | ", to);
	if (e->begin > 0)
		fputs("...", to);
	for (size_t i = e->begin; i < caret && i < e->end; i++) {
		if (!is_continuation(e->line[i]))
			putc(e->line[i] == '\t' ? '\t' : ' ', to);
	}
	putc('^', to);
	for (size_t i = caret + 1; i < caret + width && i < e->end; i++) {
		if (!is_continuation(e->line[i]))
			putc('~', to);
	}
	putc('\n', to);
}

static void write_excerpt(FILE *to, const struct config_file *file,
			  const struct config_location *location)
{
	size_t bytes, caret = location->column ? location->column - 1 : 0;
	const char *line = config_file_line(file, location->line, &bytes);
	struct excerpt e = excerpt_of(line, bytes, caret);

	fprintf(to, "%5u | %s", location->line, e.begin ? "..." : "");
	write_clean(to, line + e.begin, e.end - e.begin);
	fputs(e.end < bytes ? "...\n" : "\n", to);
	if (location->column)
		write_caret(to, &e, caret, location->width);
}

static const struct config_file *file_of(const struct diag *diag,
					 const struct config_location *location)
{
	for (size_t i = 0; i < diag->files_n; i++) {
		if (diag->files[i].name == location->file)
			return &diag->files[i];
	}
	return diag->list && diag->list->name == location->file ? diag->list : NULL;
}

/* Those of files come in their order, and behind them those of lists, as they were found. */
static size_t rank_of(const struct diag *diag, const struct config_file *file)
{
	if (file && file == diag->list)
		return SIZE_MAX;
	return file ? (size_t)(file - diag->files) : 0;
}

static void write_location(FILE *to, const struct config_location *location)
{
	if (!location->file)
		return;
	write_clean(to, location->file, strlen(location->file));
	if (location->line)
		fprintf(to, ":%u", location->line);
	if (location->line && location->column)
		fprintf(to, ":%u", location->column);
	fputs(": ", to);
}

static bool has_place(const struct config_file *file, const struct config_location *location)
{
	size_t bytes;

	if (location->line > file->lines_n)
		return false;
	(void)config_file_line(file, location->line, &bytes);
	return location->column <= bytes + 1;
}

/* One that nobody has lent; its line may be another one by now, or gone. */
static bool read_again(const struct config_location *location, struct config_file *ret_file)
{
	if (location->line == 0 || !location->file ||
	    config_file_read(ret_file, location->file, false) != NULL)
		return false;
	if (has_place(ret_file, location))
		return true;
	config_file_finish(ret_file);
	return false;
}

/* Words of the file may be in it, also those that a variable stands for. */
static void write_message(FILE *to, const char *message, const struct config_file *file,
			  const struct config_location *location)
{
	const bool has_line = file && location->line;
	size_t bytes = 0, shown;
	const char *line = has_line ? config_file_line(file, location->line, &bytes) : NULL;

	shown = secret_in_sentence(message, line, bytes);
	write_clean(to, message, shown);
	fputs(message[shown] ? "...\n" : "\n", to);
}

/* Gives the finished message, or NULL when memory is short. */
static char *render(const struct config_file *file, const struct config_location *location,
		    const char *severity, const char *message)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to)
		return NULL;
	write_location(to, location);
	fprintf(to, "%s: ", severity);
	write_message(to, message, file, location);
	if (file && location->line)
		write_excerpt(to, file, location);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static void add_entry(struct diag *diag, const struct config_location *location,
		      const char *severity, const char *format, va_list args)
{
	static const struct config_location nowhere;
	struct diag_entry *entry = &diag->entries[diag->entries_n];
	char message[MESSAGE_BYTES];
	const struct config_file *file;
	struct config_file again = { 0 };

	if (!location)
		location = &nowhere;
	file = file_of(diag, location);
	vsnprintf(message, sizeof(message), format, args);
	*entry = (struct diag_entry){ .line = location->line, .column = location->column };
	entry->file = rank_of(diag, file);
	if (!file && read_again(location, &again))
		file = &again;
	entry->text = render(file, location, severity, message);
	config_file_finish(&again);
	if (entry->text)
		diag->entries_n++;
	else
		diag->is_out_of_memory = true;
}

void diag_error(struct diag *diag, const struct config_location *location, const char *format, ...)
{
	va_list args;

	if (diag_has_room(diag)) {
		va_start(args, format);
		add_entry(diag, location, "error", format, args);
		va_end(args);
	}
	diag->errors_n++;
}

void diag_warning(struct diag *diag, const struct config_location *location, const char *format,
		  ...)
{
	va_list args;

	if (diag->warnings_n < DIAG_WARNINGS_MAX) {
		va_start(args, format);
		add_entry(diag, location, "warning", format, args);
		va_end(args);
	}
	diag->warnings_n++;
}

void diag_no_memory(struct diag *diag)
{
	diag->is_out_of_memory = true;
}

bool diag_has_room(const struct diag *diag)
{
	return diag->errors_n < DIAG_ERRORS_MAX;
}

bool diag_has_errors(const struct diag *diag)
{
	return diag->errors_n > 0 || diag->is_out_of_memory;
}

static bool comes_before(const struct diag_entry *a, const struct diag_entry *b)
{
	if (a->file != b->file)
		return a->file < b->file;
	if (a->file == SIZE_MAX)
		return false;
	if (a->line != b->line)
		return a->line < b->line;
	return a->column < b->column;
}

/* Keeps the order of those at one location, and there are few: sort by insertion. */
static void sort(struct diag *diag)
{
	for (size_t i = 1; i < diag->entries_n; i++) {
		struct diag_entry entry = diag->entries[i];
		size_t at = i;

		for (; at > 0 && comes_before(&entry, &diag->entries[at - 1]); at--)
			diag->entries[at] = diag->entries[at - 1];
		diag->entries[at] = entry;
	}
}

static void write_uncounted(FILE *to, size_t n, size_t kept, const char *word)
{
	if (n > kept)
		fprintf(to, "and %zu more %s%s\n", n - kept, word, n - kept > 1 ? "s" : "");
}

void diag_write(struct diag *diag, FILE *to)
{
	sort(diag);
	for (size_t i = 0; i < diag->entries_n; i++)
		fputs(diag->entries[i].text, to);
	write_uncounted(to, diag->errors_n, DIAG_ERRORS_MAX, "error");
	write_uncounted(to, diag->warnings_n, DIAG_WARNINGS_MAX, "warning");
	if (diag->is_out_of_memory)
		fputs("error: out of memory\n", to);
}
