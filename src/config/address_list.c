/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/address_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_file.h"

#define PREFIX "file:"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BLANKS " \t"
#define WORD_BYTES 128 /* more than any address has */

bool address_list_is_named(const struct setting *word)
{
	return strncmp(word->text, PREFIX, strlen(PREFIX)) == 0;
}

struct list_origin address_list_origin(const struct setting *entry)
{
	if (!entry->is_listed)
		return (struct list_origin){ 0 };
	return (struct list_origin){ entry->location.file, entry->location.line };
}

void address_lists_release(struct address_lists *lists)
{
	for (size_t i = 0; i < lists->n; i++)
		free(lists->paths[i]);
	free(lists->paths);
	*lists = (struct address_lists){ 0 };
}

/* Relative to the directory of the file that says so, as with `include`. Gives what is kept. */
static const char *keep_path(const struct setting *word, struct address_lists *lists)
{
	const char *name = word->text + strlen(PREFIX), *file = word->location.file;
	const char *slash = file ? strrchr(file, '/') : NULL;
	char **paths = setting_grow(word->diag, lists->paths, lists->n, sizeof(*paths));
	int n;

	if (!paths)
		return NULL;
	lists->paths = paths;
	if (name[0] == '/' || !slash)
		n = asprintf(&paths[lists->n], "%s", name);
	else
		n = asprintf(&paths[lists->n], "%.*s/%s", (int)(slash - file), file, name);
	if (n < 0) {
		diag_no_memory(word->diag);
		return NULL;
	}
	return paths[lists->n++];
}

/* The part of a line that is no comment, without blanks around it. */
static const char *bare_line(const char *line, size_t *bytes)
{
	size_t end = 0, begin = 0;

	while (end < *bytes && !(strchr(";#", line[end]) && line[end] != '\0' &&
				 (end == 0 || strchr(BLANKS, line[end - 1]))))
		end++;
	while (end > 0 && strchr(BLANKS, line[end - 1]))
		end--;
	while (begin < end && strchr(BLANKS, line[begin]))
		begin++;
	*bytes = end - begin;
	return line + begin;
}

/* Reads one line, and says whether there was an address in it, good or not. */
static bool read_line(const struct setting *word, const struct config_file *file, size_t number,
		      address_list_fn *read, void *section)
{
	size_t line_bytes, bytes;
	const char *line = config_file_line(file, number, &line_bytes), *begin;
	char text[WORD_BYTES];
	struct setting entry = *word;

	bytes = line_bytes;
	begin = bare_line(line, &bytes);
	if (number == 1 && bytes >= strlen(BYTE_ORDER_MARK) &&
	    memcmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
		bytes = line_bytes - strlen(BYTE_ORDER_MARK);
		begin = bare_line(line + strlen(BYTE_ORDER_MARK), &bytes);
	}
	if (bytes == 0)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)MIN(bytes, sizeof(text) - 1), begin);
	entry.text = text;
	entry.marks = NULL;
	entry.is_listed = true;
	entry.location = (struct config_location){ .file = file->name,
						   .line = (unsigned)number,
						   .column = (unsigned)(begin - line) + 1,
						   .width = (unsigned)bytes };
	if (strlen(text) != bytes)
		setting_error(&entry, NULL, "'%.60s': not an address", text);
	else if (strpbrk(text, BLANKS ","))
		setting_error(&entry, NULL, "'%.60s': one address to a line", text);
	else
		read(&entry, section);
	return true;
}

static size_t read_lines(const struct setting *word, const struct config_file *file,
			 address_list_fn *read, void *section)
{
	size_t n = 0;

	for (size_t i = 1; i <= file->lines_n && n <= ADDRESS_LIST_MAX; i++)
		n += read_line(word, file, i, read, section);
	return n;
}

void address_list_read(const struct setting *word, struct address_lists *lists, bool may_be_empty,
		       address_list_fn *read, void *section)
{
	const char *path = keep_path(word, lists), *why;
	struct config_file file;
	size_t n;

	if (!path)
		return;
	why = config_file_read(&file, path, false);
	if (why) {
		setting_error(word, NULL, "'%.200s' cannot be read: %s", path, why);
		return;
	}
	diag_set_list(word->diag, &file);
	n = read_lines(word, &file, read, section);
	diag_set_list(word->diag, NULL);
	config_file_finish(&file);
	if (n > ADDRESS_LIST_MAX)
		setting_error(word, NULL, "'%.200s' has more than %u addresses", path,
			      ADDRESS_LIST_MAX);
	else if (n == 0 && !may_be_empty)
		setting_error(word, NULL, "there is no address in '%.200s'", path);
}
