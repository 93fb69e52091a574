/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/tls_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/directive.h"
#include "config/value.h"
#include "x509/ca_store.h"

#define FILE_BYTES_MAX (16u << 20) /* see x509/pem.h */

const char *tls_file_named(const struct directive *d, const void *section)
{
	if (d->type != &type_file)
		return NULL;
	return *(char *const *)((const char *)section + d->offset);
}

const char *tls_file_of_system(const struct pool_config *pool)
{
	return pool->tls && pool->tls_verify && !pool->tls_ca ? ca_store_path(NULL) : NULL;
}

const struct tls_file *tls_files_find(const struct tls_files_read *files, const char *path)
{
	for (size_t n = 0; n < files->n; n++)
		if (strcmp(files->all[n].path, path) == 0)
			return &files->all[n];
	return NULL;
}

/* ---- reading ------------------------------------------------------------- */

static bool read_whole(int fd, char *to, size_t bytes)
{
	size_t n = 0;

	while (n < bytes) {
		ssize_t more = read(fd, to + n, bytes - n);

		if (more <= 0)
			return false;
		n += (size_t)more;
	}
	return true;
}

static bool digest_of_file(const char *path, uint8_t out[DIGEST_SHA256_BYTES])
{
	struct stat st;
	char *text;
	bool is_read;
	int fd;

	if (file_open_regular(path, &fd, &st))
		return false;
	text = st.st_size <= FILE_BYTES_MAX ? malloc((size_t)st.st_size + 1) : NULL;
	is_read = text && read_whole(fd, text, (size_t)st.st_size);
	close(fd);
	if (is_read) {
		digest_sha256(&(struct digest_part){ text, (size_t)st.st_size }, 1, out);
		explicit_bzero(text, (size_t)st.st_size); /* there may be keys in it */
	}
	free(text);
	return is_read;
}

static void add_file(struct tls_files_read *files, const char *path)
{
	struct tls_file file, *all;

	if (!path || tls_files_find(files, path) || !digest_of_file(path, file.digest))
		return;
	file.path = strdup(path);
	all = file.path ? realloc(files->all, (files->n + 1) * sizeof(*all)) : NULL;
	if (!all) {
		free(file.path);
		return;
	}
	files->all = all;
	files->all[files->n++] = file;
}

static void add_section(struct tls_files_read *files, enum config_section section, const void *from)
{
	for (size_t n = 0; n < directives_n; n++)
		if (directives[n].section == section)
			add_file(files, tls_file_named(&directives[n], from));
}

void tls_files_read(struct tls_files_read *files, const struct config *config)
{
	*files = (struct tls_files_read){ 0 };
	add_section(files, SECTION_GLOBAL, &config->global);
	for (size_t n = 0; n < config->listeners_n; n++)
		add_section(files, SECTION_LISTENER, &config->listeners[n]);
	for (size_t n = 0; n < config->pools_n; n++) {
		add_section(files, SECTION_POOL, &config->pools[n]);
		add_file(files, tls_file_of_system(&config->pools[n]));
	}
}

void tls_files_finish(struct tls_files_read *files)
{
	for (size_t n = 0; n < files->n; n++)
		free(files->all[n].path);
	free(files->all);
	*files = (struct tls_files_read){ 0 };
}
