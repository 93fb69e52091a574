/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "tls/pem.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads all of @fd, a file of @bytes; the text gets a zero at its end. Returns 0 or -errno. */
static int read_all(int fd, size_t bytes, struct pem_file *file)
{
	file->text = malloc(bytes + 1);
	if (!file->text)
		return -ENOMEM;
	while (file->bytes < bytes) {
		ssize_t n = read(fd, file->text + file->bytes, bytes - file->bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		file->bytes += (size_t)n;
	}
	file->text[file->bytes] = '\0';
	return 0;
}

/* Returns NULL, or why it cannot be read. */
static const char *read_file(const char *path, struct pem_file *file)
{
	struct stat st;
	int fd, err;
	const char *why = file_open_regular(path, &fd, &st);

	if (why)
		return why;
	file->mode = st.st_mode;
	err = st.st_size > PEM_FILE_BYTES_MAX ? -EFBIG : read_all(fd, (size_t)st.st_size, file);
	close(fd);
	return err < 0 ? strerrordesc_np(-err) : NULL;
}

bool pem_open(struct pem_file *file, const char *path, const char *key,
	      struct tls_problems *problems)
{
	const char *why;

	*file = (struct pem_file){ 0 };
	why = read_file(path, file);
	if (!why)
		return true;
	pem_close(file);
	tls_problem_add(problems, TLS_ERROR, key, path, "cannot be read: %s", why);
	return false;
}

void pem_close(struct pem_file *file)
{
	if (file->text)
		explicit_bzero(file->text, file->bytes);
	free(file->text);
	*file = (struct pem_file){ 0 };
}

/* Where @word stands at the start of a line, from @from on. */
static const char *find_line(const struct pem_file *file, const char *from, const char *word)
{
	const char *end = file->text + file->bytes;
	const char *at = from;

	while ((at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
		if (at == file->text || at[-1] == '\n')
			return at;
		at++;
	}
	return NULL;
}

bool pem_next(const struct pem_file *file, size_t *at, struct pem_block *ret_block)
{
	static const char begin_mark[] = "-----BEGIN ", end_mark[] = "-----END ";
	const char *begin = find_line(file, file->text + *at, begin_mark);
	const char *label, *label_end, *end, *line_end;

	if (!begin)
		return false;
	label = begin + strlen(begin_mark);
	label_end = strstr(label, "-----");
	end = find_line(file, label, end_mark);
	if (!label_end || !end)
		return false;
	line_end = strchrnul(end, '\n');
	if (*line_end == '\n')
		line_end++;

	*at = (size_t)(line_end - file->text);
	*ret_block = (struct pem_block){ begin, (size_t)(line_end - begin), label,
					 (size_t)(label_end - label) };
	return true;
}

bool pem_is(const struct pem_block *block, const char *label)
{
	size_t n;

	if (label[0] != '*')
		return block->label_bytes == strlen(label) &&
		       memcmp(block->label, label, block->label_bytes) == 0;
	label += strlen("* ");
	n = strlen(label);
	return block->label_bytes >= n &&
	       memcmp(block->label + block->label_bytes - n, label, n) == 0;
}
