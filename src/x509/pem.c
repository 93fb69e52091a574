/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "x509/pem.h"

#include "base/file.h"
#include "x509/pem_mark.h"

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

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Takes out what editors and other systems add: byte order marks, carriage
 * returns (alone they end a line), blanks around lines. Lines keep their numbers.
 */
static void clean(struct pem_file *file)
{
	static const char order_mark[] = "\xef\xbb\xbf";
	const char *end = file->text + file->bytes;
	char *to = file->text, *line = to;

	for (const char *from = file->text; from < end; from++) {
		char c = *from;

		if (from + 3 <= end && memcmp(from, order_mark, 3) == 0) {
			from += 2;
		} else if (c == '\n' || c == '\r') {
			while (to > line && is_blank(to[-1]))
				to--;
			from += c == '\r' && from + 1 < end && from[1] == '\n';
			*to++ = '\n';
			line = to;
		} else if (to > line || !is_blank(c)) {
			*to++ = c;
		}
	}
	*to = '\0';
	file->bytes = (size_t)(to - file->text);
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
	if (err == 0)
		return NULL;
	why = strerrordesc_np(-err);
	return why ? why : "unknown error";
}

bool pem_open(struct pem_file *file, const char *path, const char *key,
	      struct tls_problems *problems)
{
	struct pem_fault fault = { 0 };
	const char *why;

	*file = (struct pem_file){ 0 };
	why = read_file(path, file);
	if (why) {
		tls_problem_add(problems, TLS_ERROR, key, path, "cannot be read: %s", why);
	} else if (memchr(file->text, '\0', file->bytes)) {
		why = "is no PEM text (DER, or UTF-16?)";
		tls_problem_add(problems, TLS_ERROR, key, path, "%s", why);
	} else {
		clean(file);
		if (pem_marks_are_good(file->text, &fault))
			return true;
		tls_problem_add(problems, TLS_ERROR, key, path, "line %zu: %s", fault.line,
				fault.text);
	}
	pem_close(file);
	return false;
}

void pem_close(struct pem_file *file)
{
	if (file->text)
		explicit_bzero(file->text, file->bytes);
	free(file->text);
	*file = (struct pem_file){ 0 };
}

bool pem_next(const struct pem_file *file, size_t *at, struct pem_block *ret_block)
{
	struct pem_mark begin, end;
	const char *from = file->text + *at;

	if (!pem_mark_next(file->text, from, &begin) || !pem_mark_next(file->text, begin.end, &end))
		return false;
	*at = (size_t)(end.end - file->text);
	*ret_block = (struct pem_block){ begin.at, (size_t)(end.end - begin.at), begin.label,
					 begin.label_bytes };
	return true;
}

size_t pem_line(const struct pem_file *file, const struct pem_block *block)
{
	size_t line = 1;

	for (const char *at = file->text; at < block->at; at++)
		line += *at == '\n';
	return line;
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
