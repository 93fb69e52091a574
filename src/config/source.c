/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/source.h"

#include "base/check.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t count_lines(const char *text, size_t bytes)
{
	const char *end = text + bytes, *at = text;
	size_t n = 1;

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		n++;
		at++;
	}
	return n;
}

/* Finds the lines of the text. After the last newline there is one only if there is something. */
static bool find_lines(struct source *source)
{
	const char *text = source->text, *end = text + source->bytes, *at = text;
	size_t n = count_lines(text, source->bytes);

	source->lines = malloc(n * sizeof(*source->lines));
	if (!source->lines)
		return false;
	source->lines_n = 0;
	while (at < end) {
		source->lines[source->lines_n++] = (size_t)(at - text);
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	}
	CHECK(source->lines_n <= n);
	return true;
}

bool source_from_text(struct source *source, const char *name, const char *text, size_t bytes)
{
	*source = (struct source){ .name = name, .bytes = bytes };
	source->text = malloc(bytes + 1);
	if (!source->text)
		return false;
	memcpy(source->text, text, bytes);
	if (find_lines(source))
		return true;
	source_finish(source);
	return false;
}

/* Makes room for more of a file that may still grow; false when it must not or memory is short. */
static bool grow(struct source *source, size_t *room)
{
	size_t bigger = *room ? *room * 2 : 16384;
	char *text = realloc(source->text, bigger);

	if (!text)
		return false;
	source->text = text;
	*room = bigger;
	return true;
}

static int read_all(struct source *source, int fd)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;

		if (source->bytes == room && !grow(source, &room))
			return -ENOMEM;
		n = read(fd, source->text + source->bytes, room - source->bytes);
		if (n == 0)
			return 0;
		if (n > 0)
			source->bytes += (size_t)n;
		else if (errno != EINTR)
			return -errno;
		if (source->bytes > SOURCE_BYTES_MAX)
			return -EFBIG;
	}
}

static const char *source_from_fd(struct source *source, int fd)
{
	int err = read_all(source, fd);

	if (!err && !find_lines(source))
		err = -ENOMEM;
	if (err)
		source_finish(source);
	if (err == -EFBIG)
		return "larger than 64 MiB";
	return err ? strerrordesc_np(-err) : NULL;
}

const char *source_from_file(struct source *source, const char *path, bool may_be_pipe)
{
	const char *why = NULL;
	struct stat st;
	int fd = -1;

	*source = (struct source){ .name = path };
	if (!may_be_pipe)
		why = file_open_regular(path, &fd, &st);
	else if ((fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC)) < 0)
		why = strerrordesc_np(errno);
	if (why)
		return why;
	why = source_from_fd(source, fd);
	close(fd);
	return why;
}

void source_finish(struct source *source)
{
	free(source->text);
	free(source->lines);
	*source = (struct source){ .name = source->name };
}

const char *source_line(const struct source *source, size_t line, size_t *ret_bytes)
{
	size_t begin, end;

	CHECK(line >= 1);
	CHECK(line <= source->lines_n);
	begin = source->lines[line - 1];
	end = line < source->lines_n ? source->lines[line] : source->bytes;
	if (end > begin && source->text[end - 1] == '\n')
		end--;
	if (end > begin && source->text[end - 1] == '\r')
		end--;
	*ret_bytes = end - begin;
	return source->text + begin;
}
