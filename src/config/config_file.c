/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/config_file.h"

#include "base/check.h"
#include "base/file.h"
#include "base/file_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t count_file_lines(const char *text, size_t bytes)
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
static bool find_lines(struct config_file *file)
{
	const char *text = file->text, *end = text + file->bytes, *at = text;
	size_t n = count_file_lines(text, file->bytes);

	file->lines = malloc(n * sizeof(*file->lines));
	if (!file->lines)
		return false;
	file->lines_n = 0;
	while (at < end) {
		file->lines[file->lines_n++] = (size_t)(at - text);
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : end;
	}
	CHECK(file->lines_n <= n);
	return true;
}

bool config_file_copy(struct config_file *file, const char *name, const char *text, size_t bytes)
{
	*file = (struct config_file){ .name = name, .bytes = bytes };
	file->text = malloc(bytes + 1);
	if (!file->text)
		return false;
	memcpy(file->text, text, bytes);
	if (find_lines(file))
		return true;
	config_file_finish(file);
	return false;
}

/* Makes room for more of a file that may still grow; false when it must not or memory is short. */
static bool grow(struct config_file *file, size_t *room)
{
	size_t bigger = *room ? *room * 2 : 16384;
	char *text = realloc(file->text, bigger);

	if (!text)
		return false;
	file->text = text;
	*room = bigger;
	return true;
}

static int read_whole(struct config_file *file, int fd)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;

		if (file->bytes == room && !grow(file, &room))
			return -ENOMEM;
		n = read(fd, file->text + file->bytes, room - file->bytes);
		if (n == 0)
			return 0;
		if (n > 0)
			file->bytes += (size_t)n;
		else if (errno != EINTR)
			return -errno;
		if (file->bytes > CONFIG_FILE_BYTES_MAX)
			return -EFBIG;
	}
}

static const char *read_descriptor(struct config_file *file, int fd)
{
	int err = read_whole(file, fd);

	if (!err && !find_lines(file))
		err = -ENOMEM;
	if (err)
		config_file_finish(file);
	if (err == -EFBIG)
		return "larger than 64 MiB";
	return err ? strerrordesc_np(-err) : NULL;
}

const char *config_file_read(struct config_file *file, const char *path, bool may_be_pipe)
{
	const char *why = NULL;
	struct stat st;
	int fd = -1;

	*file = (struct config_file){ .name = path };
	if (!may_be_pipe)
		why = file_open_regular(path, &fd, &st);
	else if ((fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC)) < 0)
		why = strerrordesc_np(errno);
	else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		file_note(path, &st);
	if (why)
		return why;
	why = read_descriptor(file, fd);
	close(fd);
	return why;
}

void config_file_finish(struct config_file *file)
{
	free(file->text);
	free(file->lines);
	*file = (struct config_file){ .name = file->name };
}

const char *config_file_line(const struct config_file *file, size_t line, size_t *ret_bytes)
{
	size_t begin, end;

	CHECK(line >= 1);
	CHECK(line <= file->lines_n);
	begin = file->lines[line - 1];
	end = line < file->lines_n ? file->lines[line] : file->bytes;
	if (end > begin && file->text[end - 1] == '\n')
		end--;
	if (end > begin && file->text[end - 1] == '\r')
		end--;
	*ret_bytes = end - begin;
	return file->text + begin;
}
